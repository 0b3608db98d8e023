/** `turnup`: the command line client, and the agent and the simulated data center as commands. */
import type { MoreCommands } from "../program.ts";
import { turnup } from "../program.ts";
import { processCli } from "./cli.ts";
import { foreground } from "./foreground.ts";

/** Exit codes of daemons are their own; a command that runs one ends with the same. */
const daemons: MoreCommands = (program, agent, { exit }) => {
  const run = async (script: string, args: string[]) => {
    const code = await foreground(script, args);
    exit.code = code as typeof exit.code;
  };
  agent
    .option("--config <file>", "run an agent with this agent.yaml until it is told to stop")
    .action(async (options: { config?: string }) => {
      if (options.config === undefined) agent.help({ error: true });
      else await run("agents/site/main.ts", ["--config", options.config]);
    });
  agent
    .command("run")
    .description("run an agent until it is told to stop (SIGTERM drains it)")
    .requiredOption("--config <file>", "its agent.yaml")
    .action((_options, command: { optsWithGlobals(): { config: string } }) =>
      run("agents/site/main.ts", ["--config", command.optsWithGlobals().config]),
    );
  program
    .command("sim")
    .description("run a simulated data center; all further arguments are the simulator's own (see docs/simulator.md)")
    .allowUnknownOption()
    .allowExcessArguments()
    .argument("[args...]")
    .action((args: string[]) => run("agents/simulator/main.ts", args));
};

process.exitCode = await turnup(process.argv.slice(2), processCli(), daemons);
