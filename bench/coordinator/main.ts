/**
 * `npm run bench:coordinator`: what a machine costs the site that installs it, from 10 to 10,000 machines in flight, and
 * how long a sync takes in workerd. Prints the table, draws the plot, and ends with 1 when a limit is missed.
 */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseArgs, promisify } from "node:util";
import { LivePlane, syncTimes } from "./live.ts";
import { plot } from "./plot.ts";
import { costTable, type Run, type Sized, syncTable, verdicts } from "./report.ts";

const USAGE = `usage: npm run bench:coordinator -- [--sizes 10,100,1000,10000] [--runs 5] [--svg FILE]

  --sizes   machines in flight at one site, rising
  --runs    runs of each size, each in a process of its own
  --svg     where the plot goes (bench/out/coordinator.svg)

Exit code: 0 all limits kept, 1 one was missed, 2 wrong options.
`;
const SVG = join(import.meta.dirname, "../out/coordinator.svg");
/** Sites of 1,000 machines whose syncs are timed. */
const LIVE_SITES = 3;

const say = (line: string): boolean => process.stderr.write(`${line}\n`);
process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const options = optionsOf(args);
  if (!options) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { sizes, runs, svg } = options;
  const measured: Sized[] = sizes.map((size) => ({ size, runs: [] }));
  // Size by size within a run, so that a busy moment of this computer falls on all of them.
  for (let run = 1; run <= runs; run++) {
    for (const { size, runs: done } of measured) {
      const one = await runOnce(size, Math.max(...sizes));
      done.push(one);
      say(
        `run ${run} of ${runs}: ${size} machines, ${one.cpuMs.toFixed(2)} ms CPU and ${one.rows.toFixed(1)} rows each`,
      );
    }
  }
  const times = await liveTimes();
  console.log([...costTable(measured), "", ...syncTable(times), ""].join("\n"));
  mkdirSync(dirname(svg), { recursive: true });
  writeFileSync(svg, plot(measured));
  console.log(`plot: ${relative(process.cwd(), svg)}`);
  const judged = verdicts(measured, times);
  for (const { line } of judged) console.log(line);
  return judged.every(({ kept }) => kept) ? 0 : 1;
}

async function runOnce(size: number, machines: number): Promise<Run> {
  const script = join(import.meta.dirname, "child.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    script,
    String(size),
    String(machines),
  ]);
  return JSON.parse(stdout) as Run;
}

async function liveTimes(): Promise<number[]> {
  const plane = new LivePlane();
  const times: number[] = [];
  try {
    const client = await plane.client();
    for (let n = 1; n <= LIVE_SITES; n++) {
      times.push(...(await syncTimes(client, n)));
      say(`workerd: site ${n} of ${LIVE_SITES} is installed, ${times.length} syncs timed`);
    }
  } finally {
    await plane.stop();
  }
  return times;
}

function optionsOf(args: string[]): { sizes: number[]; runs: number; svg: string } | undefined {
  const options = { sizes: { type: "string" }, runs: { type: "string" }, svg: { type: "string" } } as const;
  try {
    const { values } = parseArgs({ args, options });
    const sizes = (values.sizes ?? "10,100,1000,10000").split(",").map(Number);
    const runs = Number(values.runs ?? 5);
    const whole = [...sizes, runs].every((n) => Number.isInteger(n) && n > 0);
    const rising = sizes.every((size, n) => n === 0 || size > (sizes[n - 1] ?? 0));
    return whole && rising ? { sizes, runs, svg: values.svg ?? SVG } : undefined;
  } catch {
    return undefined;
  }
}
