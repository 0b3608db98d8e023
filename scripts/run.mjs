// `npm start` and `npm test` on a fresh clone: installs what is missing, then runs the command under Node 24.
// Plain JavaScript for any Node >= 20, since it runs before anything is installed.
import { join } from "node:path";
import { ensureInstalled, nodeOf, root, runChild } from "./install.mjs";

const COMMANDS = {
  start: ["cli/run/start.ts"],
  "control-plane": ["cli/run/control-plane.ts"],
  "demo:takeover": ["cli/run/takeover.ts"],
  test: ["node_modules/vitest/vitest.mjs", "run"],
  sim: ["lab/simulation/main.ts"],
  "sim:mutants": ["lab/simulation/mutants-main.ts"],
  "bench:coordinator": ["bench/coordinator/main.ts"],
  "bench:guards": ["bench/guards/main.ts"],
};

const [name, ...rest] = process.argv.slice(2);
const command = COMMANDS[name];
if (!command) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(COMMANDS).join("|")} [OPTIONS]`);
  process.exit(2);
}
await ensureInstalled();
const [script, ...args] = command;
process.exitCode = await runChild(nodeOf(), [join(root, script), ...args, ...rest], { cwd: root });
