import type { DeviceTypeCatalog } from "../device-type/catalog.ts";
import type { DeviceType } from "../device-type/device-type.ts";
import type { Faults } from "./faults.ts";
import { oneOf } from "./nearest.ts";
import type { Device, HardwareClass, SiteFile } from "./schema.ts";

/** What every check sees. */
export interface Draft {
  file: SiteFile;
  types: DeviceTypeCatalog;
  faults: Faults;
  /** A library could not be read: a type that is not at hand is no fault of who names it. */
  typesIncomplete: boolean;
}

export interface Port {
  name: string;
  mgmtOnly: boolean;
}
export type Ports = ReadonlyMap<string, Port>;

/** A hardware class as far as it could be resolved; what is undefined has a fault already. */
export interface ClassDraft {
  entry: HardwareClass;
  pointer: string;
  type: DeviceType | undefined;
  ports: Ports | undefined;
  bmcPort: string | undefined;
  bootPort: string | undefined;
}

/** A device as far as it could be resolved. */
export interface DeviceDraft {
  entry: Device;
  pointer: string;
  /** How faults call it. */
  label: string;
  type: DeviceType | undefined;
  class: ClassDraft | undefined;
  /** Whether it names a class, be it known or not. */
  machine: boolean;
  ports: Ports | undefined;
}

/** Remembers who used a key first. */
export class Claims {
  readonly #owners = new Map<string, string>();

  /** The earlier owner of the key, or undefined: then it is the owner's from now on. */
  claim(key: string, owner: string): string | undefined {
    const earlier = this.#owners.get(key);
    if (earlier === undefined) this.#owners.set(key, owner);
    return earlier;
  }
  has(key: string): boolean {
    return this.#owners.has(key);
  }
}

/** Ports to choose from, those of one kind first named. */
export function portList(ports: Ports, wanted: (port: Port) => boolean = () => true): string {
  return oneOf([...ports.values()].filter(wanted).map((port) => port.name));
}
