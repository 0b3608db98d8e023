/** The example site with only some of its servers, for runs that need no whole rack. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parse, stringify } from "yaml";
import type { AtOnce } from "../shared/model/site.ts";
import { SiteFile } from "../shared/model/site-file/schema.ts";

const example = join(import.meta.dirname, "../examples/sites/ams01.yaml");

/** Writes it to a file: the switches, and the servers of these names; `atOnce` as in a site file. */
export function writeSmallSite(file: string, servers: readonly string[], atOnce?: AtOnce): void {
  const site = SiteFile.parse(parse(readFileSync(example, "utf8")));
  const gone = site.devices.filter((d) => d.hardwareClass !== undefined && !servers.includes(d.name));
  const library = (site.deviceTypeLibrary ?? []).map((path) => relative(dirname(file), join(dirname(example), path)));
  const isGone = (port: string) => gone.some(({ name }) => port.startsWith(`${name}:`));
  const devices = site.devices.filter((device) => !gone.includes(device));
  const cables = site.cables?.filter(({ a, b }) => !isGone(a) && !isGone(b));
  writeFileSync(file, stringify({ ...site, deviceTypeLibrary: library, atOnce, devices, cables }));
}
