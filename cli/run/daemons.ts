import type { Command } from "commander";
import type { Exit } from "../commands/command.ts";
import { type Cli, printError, usageError } from "../context.ts";
import type { MoreCommands } from "../program.ts";

/** The agent and the simulated data center as commands; `run` runs a script of this package until it ends. */
export const daemons =
  (run: (script: string, args: string[]) => Promise<number>): MoreCommands =>
  (program, agent, use) => {
    const agentRun = agent.command("run").description("run an agent until it is told to stop (SIGTERM drains it)");
    // `agent` takes the option also where it stands after `run`, so either may have it.
    for (const command of [agent, agentRun])
      command
        .option("--config <file>", "its agent.yaml")
        .action((_options: unknown, self: Command) => runAgent(self.optsWithGlobals(), use));

    agent
      .command("approver")
      .description("the agent's own list of people who approve, on its machine: list, add, remove (see docs/agent.md)")
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .argument("[args...]")
      .action(async (args: string[]) => {
        await end(use.exit, "agents/site/main.ts", ["approver", ...args]);
      });

    program
      .command("sim")
      .description("run a simulated data center; all further arguments are the simulator's own (see docs/simulator.md)")
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .argument("[args...]")
      .action(async (args: string[]) => {
        await end(use.exit, "agents/simulator/main.ts", args);
      });

    async function runAgent({ config, json }: { config?: string; json?: boolean }, { cli, exit }: Use): Promise<void> {
      if (config !== undefined) return end(exit, "agents/site/main.ts", ["--config", config]);
      const error = usageError(
        "Say which agent by --config: there is no default.",
        "turnup agent run --config agent.yaml",
      );
      exit.code = printError(cli, error, json === true);
    }

    /** Exit codes of daemons are their own; a command that runs one ends with the same. */
    async function end(exit: Exit, script: string, args: string[]): Promise<void> {
      exit.code = (await run(script, args)) as Exit["code"];
    }
  };

interface Use {
  cli: Cli;
  exit: Exit;
}
