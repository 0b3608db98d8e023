import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { typeName } from "../../shared/model/device-type/device-type.ts";
import { type DeviceTypeFile, readDeviceTypeFile } from "./device-type-file.ts";
import type { LocatedFault } from "./yaml-file.ts";

/** More files than this are no device-type library (the public one has some 7,000). */
const MAX_FILES = 30_000;
const AT_ONCE = 32;

export interface Library {
  types: DeviceTypeFile[];
  /** Of files that could not be read. */
  faults: LocatedFault[];
}

/**
 * Loads a folder in NetBox's library format, `FOLDER/Manufacturer/model.yaml`. Of a large library only the folders of
 * the wanted types' manufacturers are read, unless one of them has no folder: then all are, to suggest the nearest
 * name. Undefined when there is no such folder.
 */
export async function loadLibrary(folder: string, wanted: ReadonlySet<string>): Promise<Library | undefined> {
  const entries = await list(folder);
  if (!entries) return undefined;
  const makers = new Set([...wanted].map((name) => name.split("/", 1)[0]?.toLowerCase() ?? ""));
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  const theirs = folders.filter((entry) => makers.has(entry.name.toLowerCase()));
  const files = yamlFiles(folder, entries);
  for (const { name } of theirs.length >= makers.size ? theirs : folders) {
    const path = join(folder, name);
    files.push(...yamlFiles(path, (await list(path)) ?? []));
  }
  return readAll(files.slice(0, MAX_FILES));
}

async function list(folder: string): Promise<Dirent[] | undefined> {
  try {
    return (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

const yamlFiles = (folder: string, entries: Dirent[]): string[] =>
  entries.filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name)).map((entry) => join(folder, entry.name));

async function readAll(files: string[]): Promise<Library> {
  const library: Library = { types: [], faults: [] };
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const read = await Promise.all(files.slice(at, at + AT_ONCE).map(readDeviceTypeFile));
    for (const one of read) {
      if (one.ok) library.types.push(one.value);
      else library.faults.push(...one.faults);
    }
  }
  return library;
}

/** The types of the library that are wanted, each once; of two with one name the later, as `catalogOf` has it. */
export function found(library: Library, wanted: ReadonlySet<string>): DeviceTypeFile[] {
  const byName = new Map(library.types.map((one) => [typeName(one.type), one]));
  return [...byName].filter(([name]) => wanted.has(name)).map(([, one]) => one);
}
