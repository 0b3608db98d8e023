/** `turnup`: the command line client, and the agent and the simulated data center as commands. */
import { turnup } from "../program.ts";
import { processCli } from "./cli.ts";
import { daemons } from "./daemons.ts";
import { foreground } from "./foreground.ts";

process.exitCode = await turnup(process.argv.slice(2), processCli(), daemons(foreground));
