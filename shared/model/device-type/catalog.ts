import { type DeviceType, typeName } from "./device-type.ts";

/** The device types at hand, by name. */
export interface DeviceTypeCatalog {
  /** By `Manufacturer/Model`, exactly as written in the type. */
  get(name: string): DeviceType | undefined;
  /** Every name, for suggestions. */
  names(): readonly string[];
}

/** A catalog of these types; of two with one name the later wins. */
export function catalogOf(types: Iterable<DeviceType>): DeviceTypeCatalog {
  const byName = new Map<string, DeviceType>();
  for (const type of types) byName.set(typeName(type), type);
  const names = [...byName.keys()];
  return { get: (name) => byName.get(name), names: () => names };
}
