import { dirname, join } from "node:path";
import type { Fault } from "../../shared/errors.ts";
import { catalogOf } from "../../shared/model/device-type/catalog.ts";
import { typeName } from "../../shared/model/device-type/device-type.ts";
import type { ResolvedSite } from "../../shared/model/site.ts";
import { validateSiteFile } from "../../shared/model/site-file/validate.ts";
import type { DeviceTypeFile } from "./device-type-file.ts";
import { found, type Library, loadLibrary } from "./library.ts";
import { type LocatedFault, type Reading, readYamlFile, refuseFile } from "./yaml-file.ts";

export { printFaults } from "./print-faults.ts";

/** A site of 20,000 devices fits. */
const MAX_BYTES = 64 * 2 ** 20;

export interface SiteReading {
  site: ResolvedSite;
  /** The file as plain data, for the control plane, which judges it again with its own device types. */
  document: unknown;
  /** The device types that the file names, to be imported before it. */
  deviceTypes: DeviceTypeFile[];
}

/**
 * Reads a site file and the device types it names, without a control plane. Refusals as of `readYamlFile` and
 * `validateSiteFile`; every fault has its place in the site file or in a library file.
 */
export async function readSiteFile(file: string): Promise<Reading<SiteReading>> {
  const yaml = await readYamlFile(file, MAX_BYTES);
  if (!yaml.ok) return yaml;
  const { value: document, locate } = yaml.value;
  const wanted = typesNamed(document);
  const { library, faults } = await loadLibraries(document, dirname(file), wanted);
  const deviceTypes = found(library, wanted);
  const names = new Set(deviceTypes.map(({ type }) => typeName(type)));
  // A broken file among thousands is nobody's business unless a wanted type may be in it.
  const broken = [...wanted].every((name) => names.has(name)) ? [] : library.faults;
  const judged = validateSiteFile(document, catalogOf(library.types.map(({ type }) => type)), faults);
  const all: LocatedFault[] = [...yaml.value.faults, ...broken];
  if (!judged.ok) return refuseFile(judged.problem, [...all, ...(judged.problem.errors ?? []).map(locate)]);
  if (all.length > 0)
    return refuseFile({ code: "validation_failed", detail: `${file} has ${all.length} fault(s).` }, all);
  return { ok: true, value: { site: judged.value, document, deviceTypes } };
}

/** Every device type that the document names, whatever else is wrong with it. */
function typesNamed(document: unknown): Set<string> {
  const names = new Set<string>();
  for (const list of ["hardwareClasses", "devices"]) {
    for (const entry of listIn(document, list)) {
      const name = valueIn(entry, "deviceType");
      if (typeof name === "string") names.add(name);
    }
  }
  return names;
}

async function loadLibraries(document: unknown, base: string, wanted: ReadonlySet<string>) {
  const library: Library = { types: [], faults: [] };
  const faults: Fault[] = [];
  const folders = listIn(document, "deviceTypeLibrary").slice(0, 20);
  for (const [i, folder] of folders.entries()) {
    if (typeof folder !== "string") continue;
    const loaded = await loadLibrary(join(base, folder), wanted);
    if (loaded) {
      library.types.push(...loaded.types);
      library.faults.push(...loaded.faults);
    } else {
      const text = `there is no folder ${join(base, folder)}`;
      faults.push({
        code: "library_missing",
        pointer: `/deviceTypeLibrary/${i}`,
        text,
        write: "a folder, relative to this file",
      });
    }
  }
  return { library, faults };
}

const valueIn = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
const listIn = (value: unknown, key: string): unknown[] => {
  const list = valueIn(value, key);
  return Array.isArray(list) ? list : [];
};
