/**
 * Makes what the migrations of the site's tables are tested from: for each version of them a site in the middle of its
 * work, written by the last code of that version, out of the repository's history.
 *
 *   npm run fixture             what is missing
 *   npm run fixture -- 3 5      these versions anew
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { newestSchema } from "../workers/site/core/schema.ts";

const root = join(import.meta.dirname, "..");
const SCHEMA = "workers/site/core/schema.ts";
const MAKER = "workers/site/core/test-past.ts";
const temp = mkdtempSync(join(tmpdir(), "turnup-fixture-"));

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });
const git = (...args: string[]): string => run("git", ...args).trim();
const fileOf = (version: number): string => join(root, `workers/site/core/fixtures/schema-${version}.ndjson.gz`);

/** How many versions of the tables a commit's code knows. */
async function versionsAt(commit: string): Promise<number> {
  const file = join(temp, `schema-${commit}.ts`);
  writeFileSync(file, git("show", `${commit}:${SCHEMA}`));
  const { migrations } = (await import(file)) as { migrations: unknown[] };
  return migrations.length;
}

/** The last commit whose newest version this is. */
async function lastOf(version: number): Promise<string> {
  let after: string | undefined;
  for (const commit of git("log", "--format=%H", "--", SCHEMA).split("\n")) {
    if ((await versionsAt(commit)) === version) return git("rev-parse", after === undefined ? "HEAD" : `${after}^`);
    after = commit;
  }
  throw new Error(
    `No commit is known in which ${version} is the newest version of ${SCHEMA}; fetch the whole history.`,
  );
}

async function make(version: number): Promise<void> {
  const commit = await lastOf(version);
  const tree = join(temp, String(version));
  mkdirSync(tree);
  const archive = execFileSync("git", ["archive", commit], { cwd: root, maxBuffer: 1 << 28 });
  execFileSync("tar", ["-x", "-C", tree], { input: archive });
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  // The code of that time knows best what it can write; before there was a maker, today's has to do.
  if (!existsSync(join(tree, MAKER))) copyFileSync(join(root, MAKER), join(tree, MAKER));
  const program = `const { past } = await import(${JSON.stringify(join(tree, MAKER))});
    for (const line of await past()) console.log(JSON.stringify(line));`;
  const lines = run(process.execPath, "--input-type=module", "-e", program);
  mkdirSync(join(root, "workers/site/core/fixtures"), { recursive: true });
  writeFileSync(fileOf(version), gzipSync(lines, { level: 9 }));
  console.log(`version ${version}: ${lines.split("\n").length - 1} lines by the code of ${commit.slice(0, 10)}`);
}

const older = Array.from({ length: newestSchema - 1 }, (_, i) => i + 1);
const asked = process.argv.slice(2).map(Number);
if (asked.some((version) => !older.includes(version))) {
  console.error(`usage: npm run fixture [-- VERSION…], each from 1 to ${newestSchema - 1}`);
  process.exit(2);
}
try {
  for (const version of asked.length > 0 ? asked : older.filter((v) => !existsSync(fileOf(v)))) await make(version);
} finally {
  rmSync(temp, { recursive: true, force: true });
}
