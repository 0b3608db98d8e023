import { Command, CommanderError } from "commander";
import { accessCommands } from "./commands/access.ts";
import { agentCommands } from "./commands/agents.ts";
import { approveCommands } from "./commands/approve.ts";
import { approverCommands } from "./commands/approvers.ts";
import type { Exit } from "./commands/command.ts";
import { deviceTypeCommands } from "./commands/device-types.ts";
import { deviceCommands } from "./commands/devices.ts";
import { jobControlCommands } from "./commands/job-control.ts";
import { jobCommands } from "./commands/jobs.ts";
import { planCommands } from "./commands/plans.ts";
import { policyCommands } from "./commands/policy.ts";
import { siteExportCommands } from "./commands/site-exports.ts";
import { siteCommands } from "./commands/sites.ts";
import type { Cli } from "./context.ts";
import { type ExitCode, exitCode } from "./exit.ts";
import { VERSION } from "./version.ts";

/** Adds the commands that run a part of Turnup themselves; a composition root passes them in. */
export type MoreCommands = (program: Command, agent: Command, use: { cli: Cli; exit: Exit }) => void;

/** Runs `turnup` with these arguments (without node and script) and returns its exit code. */
export async function turnup(
  args: readonly string[],
  cli: Cli,
  more: MoreCommands = () => undefined,
): Promise<ExitCode> {
  const exit: Exit = { code: exitCode.done };
  const use = { cli, exit };
  const program = new Command("turnup")
    .description("Installs, replaces and retires servers, and keeps an exact ledger of every asset.")
    .version(VERSION, "--version")
    .option("--json", "answer in JSON, for programs")
    .configureOutput({ writeOut: (text) => cli.out(text.trimEnd()), writeErr: (text) => cli.err(text.trimEnd()) })
    .addHelpText(
      "after",
      "\nTURNUP_URL and TURNUP_TOKEN say where the control plane is; unset, the one that runs from this folder.\nExit codes: 0 done, 1 failed, 2 refused, 3 partly.",
    )
    .exitOverride();
  const site = siteCommands(program, use);
  siteExportCommands(site, use);
  deviceTypeCommands(program, use);
  policyCommands(program, use);
  planCommands(program, use);
  approveCommands(program, use);
  jobCommands(program, use);
  jobControlCommands(program, use);
  deviceCommands(program, use);
  accessCommands(program, use);
  approverCommands(program, use);
  const agent = program.command("agent").description("the agents of sites");
  agentCommands(agent, use);
  inherit(program);
  // What these set for themselves stays, as that the simulator answers for its own help.
  more(program, agent, use);
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help that was asked for is no failure; a line that cannot be understood is refused.
    return error.exitCode === 0 ? exitCode.done : exitCode.refused;
  }
  return exit.code;
}

/** Commands made before a setting do not take it over by themselves. */
function inherit(command: Command): void {
  for (const sub of command.commands) {
    sub.copyInheritedSettings(command);
    inherit(sub);
  }
}
