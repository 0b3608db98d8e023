/**
 * Makes what migrations are tested from: for each version of a site's tables, and of the fleet's, one that is in use,
 * written by the last code of that version, out of the repository's history.
 *
 *   npm run fixture               what is missing
 *   npm run fixture -- site 3     this one anew
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { fleetFixture, fleetVersions, makeFleet } from "./fixture/fleet.ts";
import { makeSite, siteFixture, siteVersions } from "./fixture/site.ts";

const kinds = {
  site: { versions: siteVersions, file: siteFixture, make: makeSite },
  fleet: { versions: fleetVersions, file: fleetFixture, make: makeFleet },
};

async function make(kind: keyof typeof kinds, version: number): Promise<void> {
  const { file, make } = kinds[kind];
  const lines = await make(version);
  mkdirSync(dirname(file(version)), { recursive: true });
  writeFileSync(file(version), gzipSync(lines, { level: 9 }));
  console.log(`${kind} ${version}: ${lines.split("\n").length - 1} lines`);
}

const [kind, version] = process.argv.slice(2);
if (kind === undefined) {
  for (const name of ["site", "fleet"] as const)
    for (const v of kinds[name].versions) if (!existsSync(kinds[name].file(v))) await make(name, v);
} else if ((kind === "site" || kind === "fleet") && kinds[kind].versions.includes(Number(version))) {
  await make(kind, Number(version));
} else {
  console.error("usage: npm run fixture [-- site|fleet VERSION], an older version than the newest");
  process.exitCode = 2;
}
