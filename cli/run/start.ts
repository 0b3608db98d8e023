/**
 * `npm start`: a control plane, a simulated data center and an agent on this machine, and every server of the example
 * site brought into service. Everything lies in `.turnup/` of the working directory; anything may be killed at any time.
 */
import { rm } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { type Cli, fileError, printError, usageError } from "../context.ts";
import { type ExitCode, exitCode } from "../exit.ts";
import { printFaults, readSiteFile, type SiteReading } from "../input/site-file.ts";
import { ProgressView } from "../output/progress-view.ts";
import { duration } from "../output/words.ts";
import { processCli } from "./cli.ts";
import { writeAtomic } from "./control-plane/processes.ts";
import { root } from "./foreground.ts";
import { approverFiles } from "./start/approvers.ts";
import { bringUp, type Running } from "./start/bring-up.ts";
import { forgetAll, takeLock } from "./start/lock.ts";
import { readOptions, type StartOptions, USAGE } from "./start/options.ts";
import { type RunPaths, runPaths } from "./start/paths.ts";
import {
  chaosTable,
  countLine,
  exitOfRun,
  lastJobs,
  machineResult,
  type Planted,
  type RunResult,
  resultTable,
  rowsPerInstall,
  stepDead,
  stepDeadMs,
  totalLines,
} from "./start/report.ts";
import { type Rollout, rollOut, settledMeter } from "./start/rollout.ts";
import { hardwareClock, plantedFaults, plantFaults } from "./start/simulated.ts";

/** A second Ctrl-C within this time is the same one, heard through another process. */
const SAME_SIGNAL_MS = 1_000;
const EXIT_SIGNALLED = 130;
/** Why a run ends when a person ends it. */
const SIGNALLED = new Error("ended by a signal");

interface Run {
  cli: Cli;
  paths: RunPaths;
  options: StartOptions;
  reading: SiteReading;
  screen: ProgressView;
  say: (line: string) => void;
}

async function main(args: readonly string[]): Promise<number> {
  const started = performance.now();
  const process_ = processCli();
  const read = readOptions(args, join(root, "examples/sites/ams01.yaml"));
  if (!read.ok)
    return printError(process_, usageError(read.problem.detail, "`npm start -- --help` lists the options."), false);
  const options = read.value;
  if (options.help) {
    process_.out(USAGE);
    return exitCode.done;
  }
  // With --json standard output belongs to the result; what is for people goes to standard error.
  const say = options.json ? process_.err : process_.out;
  const cli: Cli = options.json ? { ...process_, columns: undefined, rows: undefined } : process_;
  const paths = runPaths(cli.cwd);
  const lock = takeLock(paths);
  if (!lock) {
    cli.err(
      "Another `npm start` runs from this folder; end it with Ctrl-C, or use it as it is: `npx turnup site list`.",
    );
    return exitCode.refused;
  }
  const pid = join(paths.pids, "start");
  try {
    if (options.fresh) forgetAll(paths);
    await writeAtomic(pid, `${process.pid}\n`);
    const file = resolve(process.env.INIT_CWD ?? cli.cwd, options.site);
    const reading = await readSiteFile(relative(cli.cwd, file));
    if (!reading.ok) {
      if (reading.faults.length === 0) throw fileError(reading.problem);
      printFaults(reading.faults, say);
      return exitCode.refused;
    }
    const screen = new ProgressView({ ...cli, out: say });
    return await run({ cli, paths, options, reading: reading.value, screen, say }, started);
  } catch (error) {
    return printError(process_, error, options.json);
  } finally {
    await rm(pid, { force: true });
    lock.release();
  }
}

async function run(world: Run, started: number): Promise<number> {
  const { paths, options, reading, screen, cli, say } = world;
  const stop = new AbortController();
  const stopped = new Promise<void>((done) => stop.signal.addEventListener("abort", () => done(), { once: true }));
  let running: Running | undefined;
  const unlisten = onSignals(stop, () => running?.kill());
  const ticking = setInterval(() => screen.tick(), 500);
  try {
    if (options.chaos) {
      const machines = reading.site.devices.filter((device) => device.install).map((device) => device.name);
      await plantFaults(paths, options.seed, machines);
      say(`Faults are planted by the seed ${options.seed}.`);
    }
    running = await bringUp({ cli, paths, options, reading, note: (line) => screen.note(line), stop });
    const { client } = running;
    say(`Up after ${duration(performance.now() - started)}: ${client.url}`);
    const rolling = rollOut({ ...world, client, site: reading.site, signal: stop.signal });
    const rolled = await Promise.race([rolling, stopped]);
    stop.signal.throwIfAborted();
    if (!rolled) return EXIT_SIGNALLED;
    const code = await report(world, running, rolled);
    if (options.once) return code;
    for (const line of whereLines(running, paths)) say(line);
    await stopped;
    if (stop.signal.reason !== SIGNALLED) throw stop.signal.reason;
    return code;
  } catch (error) {
    if (error !== SIGNALLED) throw error;
    return EXIT_SIGNALLED;
  } finally {
    clearInterval(ticking);
    if (stop.signal.aborted) say("Stopping.");
    await running?.stop();
    unlisten();
  }
}

/** Prints what the run came to, and returns the exit code for it. */
async function report(world: Run, { client }: Running, { jobs, meterBefore }: Rollout): Promise<ExitCode> {
  const { cli, paths, reading, options, say } = world;
  const [hardware, planted, devices] = await Promise.all([
    hardwareClock(paths),
    plantedFaults(paths),
    client.devices(reading.site.name),
  ]);
  const last = lastJobs(jobs);
  const installable = new Set(reading.site.devices.filter((device) => device.install).map((device) => device.name));
  const machines = devices
    .filter((device) => installable.has(device.name))
    .map((device) => machineResult(device, last.get(device.id), hardware));
  const newest = jobs[0];
  const gaps = newest ? stepDead(await client.steps(newest.id)) : [];
  const meter = await settledMeter(cli, client, reading.site.name, newest);
  const result: RunResult = {
    machines,
    rowsPerInstall: rowsPerInstall(meterBefore, meter),
    stepDeadMs: stepDeadMs(gaps),
  };
  for (const line of reportLines(result, planted)) say(line);
  if (options.json) cli.out(JSON.stringify(result));
  return exitOfRun(machines, planted);
}

function reportLines(result: RunResult, planted: Planted[] | undefined): string[] {
  const lines = ["", ...resultTable(result.machines), "", ...totalLines(result)];
  if (planted) lines.push("", ...chaosTable(planted, result.machines), "");
  return [...lines, countLine(result.machines)];
}

/** Where to go from here, when it stays up. */
function whereLines({ client, netboot, metrics }: Running, paths: RunPaths): string[] {
  const anna = approverFiles(paths, "anna");
  const at = (file: string) => relative(process.cwd(), file);
  return [
    "",
    `API            ${client.url}/v1, described at ${client.url}/docs`,
    `Token          ${client.token}`,
    `Agent          ${metrics}/metrics, ${metrics}/healthz; netboot at ${netboot}`,
    `Logs, disks    ${relative(process.cwd(), paths.logs)}/, ${relative(process.cwd(), join(paths.sim.dir, "disks"))}/`,
    "Try            npx turnup site list; npx turnup jobs; npx turnup findings",
    `Approve        TURNUP_TOKEN=$(cat ${at(anna.token)}) npx turnup approve PLAN --key ${at(anna.key)}; ben may, too`,
    "Ctrl-C stops everything.",
  ];
}

/** The first signal stops in order, a later one at once. */
function onSignals(stop: AbortController, kill: () => void): () => void {
  let first = 0;
  const onSignal = () => {
    const now = performance.now();
    if (first === 0) {
      first = now;
      stop.abort(SIGNALLED);
    } else if (now - first > SAME_SIGNAL_MS) kill();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

// Requests that are still being repeated must not outlive the run.
process.exit(await main(process.argv.slice(2)));
