/**
 * `npm run bench:guards`: how long it takes to ask all guards about a step, from 100 to 10,000 devices with up to 200
 * pools, and to plan 1,000 installs, in processor time. Prints the table, draws the plot, and ends with 1 when a limit is missed.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { StepGuards } from "../../workers/site/core/guards/step-guards.ts";
import { move } from "../../workers/site/core/moves.ts";
import { policyInForce } from "../../workers/site/core/policy.ts";
import { ProgressBoard } from "../../workers/site/core/progress.ts";
import { outage } from "../../workers/site/core/test-workflows.ts";
import { sha256, World } from "../../workers/site/core/test-world.ts";
import { readMeta, type SiteRecord, Tx } from "../../workers/site/core/tx.ts";
import { panel } from "../coordinator/plot.ts";

const SIZES = [100, 1_000, 10_000];
const POOLS = 200;
/** Times each is measured; a thread's processor time is told in ticks of some ms, so one alone would say nothing. */
const ROUNDS = 400;
const COUNTED_ROUNDS = 25;
const LIMIT_MS = 10;
const PLANNED = 1_000;
const PLAN_LIMIT_MS = 2_000;
const SVG = join(import.meta.dirname, "../out/guards.svg");

/** Processor time of one, ms: the mean of all rounds. */
interface Measured {
  size: number;
  pools: number;
  /** Asked in a transaction, with the counts in memory. */
  warm: number;
  /** The same after a machine has moved: its event is followed first. */
  moved: number;
  /** The policy is resolved already, the machines are counted anew: after the object has woken, an import, a new policy. */
  counted: number;
}

process.exitCode = main();

function main(): number {
  const measured = SIZES.map(measure);
  const plans = planning();
  const ms = (n: number) => n.toFixed(3);
  console.log("| devices | pools | asked, ms | after a move, ms | counted anew, ms |");
  console.log("|---:|---:|---:|---:|---:|");
  for (const { size, pools, warm, moved, counted } of measured)
    console.log(`| ${[size, pools, ms(warm), ms(moved), ms(counted)].join(" | ")} |`);
  const largest = measured.at(-1);
  const slowest = Math.max(largest?.warm ?? Number.NaN, largest?.moved ?? Number.NaN);
  const planMs = mean(plans);
  console.log();
  const kept = [
    verdict(slowest <= LIMIT_MS, `asking at ${largest?.size} devices takes ${ms(slowest)} ms (limit ${LIMIT_MS})`),
    verdict(
      planMs <= PLAN_LIMIT_MS,
      `planning ${PLANNED} installs takes ${Math.round(planMs)} ms (limit ${PLAN_LIMIT_MS})`,
    ),
  ];
  mkdirSync(dirname(SVG), { recursive: true });
  writeFileSync(SVG, svg(measured));
  console.log(`plot: ${relative(process.cwd(), SVG)}`);
  return kept.every(Boolean) ? 0 : 1;
}

/** Processor time of this thread, ms: what else this computer does meanwhile does not count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function verdict(kept: boolean, what: string): boolean {
  console.log(`${kept ? "ok   " : "MISS "} ${what}`);
  return kept;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, n) => sum + n, 0) / values.length;
}

/** A site with its machines in service, a job that would take some out, and a policy with all there is in one. */
function siteWith(size: number, pools: number): { w: World; job: string } {
  const w = new World(size, { workflows: [outage] });
  w.serve();
  const names = w.sql.all<{ name: string }>("SELECT name FROM device ORDER BY name").map(({ name }) => name);
  const each = size / pools;
  const members = (i: number) => names.slice(Math.floor(i * each), Math.floor((i + 1) * each));
  const policy = {
    ...{ schema: "turnup/policy/v1", site: "ams01", roles: { compute: { percent: 50 } } },
    pools: Array.from({ length: pools }, (_, i) => ({
      ...{ name: `pool-${i}`, members: { devices: members(i) }, floor: { percent: 50 } },
    })),
    groups: Array.from({ length: pools / 2 }, (_, i) => ({
      ...{ name: `pair-${i}`, kind: "other", members: names.slice(2 * i, 2 * i + 2) },
    })),
    windows: [{ name: "nights", rrule: "FREQ=DAILY;BYHOUR=0;BYMINUTE=0", timeZone: "UTC", minutes: 1_440 }],
    freezes: [{ name: "later", from: "2029-12-24T00:00:00Z", until: "2029-12-27T00:00:00Z", reason: "peak" }],
    holds: [{ on: `device:${names.at(-1)}`, owner: "anna", reason: "data rescue" }],
    caps: { disruptive: 10, perRack: 2 },
  };
  w.do("policy.apply", { base: 0, text: JSON.stringify(policy), reason: "measured", actor: "bench" });
  return { w, job: w.start("test.outage", names.slice(0, 20)) };
}

function measure(size: number): Measured {
  const pools = Math.min(POOLS, size / 5);
  const { w, job } = siteWith(size, pools);
  const site = readMeta<SiteRecord>(w.sql, "site");
  const step = w.sql.get<{ n: number; device: string; disruptive: number }>(
    "SELECT n, device, disruptive FROM step WHERE job = ? AND disruptive = 1 ORDER BY n LIMIT 1",
    job,
  );
  if (!site || !step) throw new Error("no site, or no step that disrupts");
  const board = new ProgressBoard();
  policyInForce(w.sql, site, board);
  const ask = (): number => {
    const start = cpuMs();
    const by = new StepGuards({ sql: w.sql, now: w.now, site, board }).heldBy({ job, ...step });
    const took = cpuMs() - start;
    if (by && by.guard !== "window") throw new Error(`held by ${by.guard}: ${by.text}`);
    return took;
  };
  ask();
  const times = (before: () => void, rounds = ROUNDS): number =>
    mean(
      Array.from({ length: rounds }, () => {
        before();
        return ask();
      }),
    );
  const warm = times(() => undefined);
  const counted = times(() => {
    board.service = undefined;
  }, COUNTED_ROUNDS);
  const { sql, random } = w;
  const last = sql.get<{ id: string }>("SELECT id FROM device ORDER BY name DESC LIMIT 1")?.id ?? "";
  let out = false;
  const moved = times(() => {
    out = !out;
    const tx = new Tx(sql, w.now, random, { sha256, workflows: new Map(), verify: () => false });
    const states = out ? (["draining", "maintenance"] as const) : (["active"] as const);
    for (const to of states) move(tx, { subject: "device", id: last, to }, { actor: "bench" });
  });
  return { size, pools, warm, moved, counted };
}

function planning(): number[] {
  const w = new World(PLANNED);
  const targets = w.sql.all<{ name: string }>("SELECT name FROM device").map(({ name }) => name);
  return Array.from({ length: 5 }, () => {
    const start = cpuMs();
    w.do("plan.create", { workflow: "server.install", targets, params: {}, actor: "bench" });
    return cpuMs() - start;
  });
}

function svg(measured: readonly Measured[]): string {
  const points = (of: (m: Measured) => number) =>
    measured.map((m) => ({ size: m.size, value: of(m), low: of(m), high: of(m) }));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 300" width="800" height="300" font-family="system-ui, sans-serif" font-size="12" fill="#22303c">
<rect width="100%" height="100%" fill="#ffffff"/>
${panel({ title: "All guards of a step, ms", color: "#1f6feb", points: points((m) => m.warm) }, 0)}
${panel({ title: "Counting anew, ms", color: "#b3541e", points: points((m) => m.counted) }, 400)}
</svg>
`;
}
