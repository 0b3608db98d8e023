import { parseArgs } from "node:util";
import { runAgent } from "./node/run.ts";

const usage = "Usage: agent --config agent.yaml\n";

async function main(): Promise<number> {
  try {
    const { values } = parseArgs({ options: { config: { type: "string" }, help: { type: "boolean" } } });
    if (values.help) {
      process.stdout.write(usage);
      return 0;
    }
    if (values.config !== undefined) return await runAgent(values.config);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  process.stderr.write(usage);
  return 2;
}

// What still holds the loop open (an idle connection, a timer) must not outlive the drain.
process.exit(await main());
