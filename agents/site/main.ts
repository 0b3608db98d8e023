import { parseArgs } from "node:util";
import { AGENT_VERSION } from "./version.ts";

const usage = `Usage: agent --config agent.yaml
       agent approver list|add|remove --state DIR

  --config FILE  run until told to stop (SIGTERM drains)
  approver       this agent's own list of people who approve (approver --help)
  --version      the agent's version
  --help         this
`;
const options = {
  config: { type: "string" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const;

/** The first Node with node:sqlite and no flag for it. */
const NEEDED = [22, 13] as const;

/** Whether this Node can run the agent; what is loaded before the question must run on any. */
function isNodeNew(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

async function main(): Promise<number> {
  const [command, ...rest] = process.argv.slice(2);
  if (command === "approver" && isNodeNew()) {
    const { approverCommand } = await import("./node/approver-command.ts");
    return approverCommand(rest, { out: process.stdout, err: process.stderr, now: Date.now() });
  }
  try {
    const { values } = parseArgs({ options });
    if (values.help || values.version) {
      process.stdout.write(values.help ? usage : `${AGENT_VERSION}\n`);
      return 0;
    }
    if (!isNodeNew()) {
      process.stderr.write(`The agent needs Node ≥ ${NEEDED.join(".")}; this is ${process.versions.node}.\n`);
      return 2;
    }
    if (values.config !== undefined) {
      const { runAgent } = await import("./node/run.ts");
      return await runAgent(values.config);
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  process.stderr.write(usage);
  return 2;
}

// What still holds the loop open (an idle connection, a timer) must not outlive the drain.
process.exit(await main());
