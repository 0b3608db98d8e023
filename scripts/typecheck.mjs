// Runs tsc over every tsconfig.json: one program cannot do, because the rooms differ in what platform they may see.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const tsc = join(root, "node_modules/typescript/bin/tsc");
const skipped = ["node_modules", "dist", ".turnup", ".wrangler"];

/** TS18003, "no inputs were found": a room whose first file is still to come is not a mistake. */
const EMPTY = "TS18003";

const projects = globSync("**/tsconfig.json", { cwd: root, exclude: (name) => skipped.includes(name) }).sort();
let failed = 0;
for (const project of projects) {
  const run = spawnSync(process.execPath, [tsc, "-p", project, "--pretty", "false"], { cwd: root, encoding: "utf8" });
  const output = `${run.stdout}${run.stderr}`;
  const empty = output.includes(EMPTY) && !/TS(?!18003)\d+/.test(output);
  if (run.status === 0 || empty) {
    console.log(`types: ${project} ${empty ? "(no files yet)" : "ok"}`);
    continue;
  }
  failed += 1;
  console.log(`types: ${project} failed`);
  process.stdout.write(output);
}
process.exitCode = failed > 0 ? 1 : 0;
