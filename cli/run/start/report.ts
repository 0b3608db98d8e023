/** What a run came to: rows of the final table, totals, and the exit code. Pure. */

import type { JobView, StepView, TargetView } from "../../../shared/model/job.ts";
import type { DeviceView, Meter } from "../../../shared/model/views.ts";
import { type ExitCode, exitCode } from "../../exit.ts";
import { table } from "../../output/table.ts";
import { percentile } from "../../output/words.ts";

export type MachineState = "active" | "failed" | "waiting";
export interface MachineResult {
  device: string;
  serial: string;
  state: MachineState;
  /** From the accepted job to service; null if it is not in service, or its job is not known here. */
  serveSeconds: number | null;
  /** What the hardware itself took of that, by the witness log of the simulated data center. */
  hardwareSeconds: number | null;
  deadSeconds: number | null;
  retries: number;
  /** Why it is not in service. */
  reason: string | null;
}

/** A machine's newest job, and its place in it. */
export interface LastJob {
  job: JobView;
  target: TargetView;
}

/** Newest job of each device; `jobs` are newest first. */
export function lastJobs(jobs: readonly JobView[]): Map<string, LastJob> {
  const out = new Map<string, LastJob>();
  for (const job of jobs)
    for (const target of job.targets) if (!out.has(target.device)) out.set(target.device, { job, target });
  return out;
}

/**
 * @param hardwareMs ms that the hardware of this machine was busy between two moments
 */
export function machineResult(
  device: DeviceView,
  last: LastJob | undefined,
  hardwareMs: (machine: string, from: number, to: number) => number,
): MachineResult {
  const { target, job } = last ?? {};
  const state = device.state === "active" ? "active" : target?.state === "waiting" ? "waiting" : "failed";
  const from = job?.createdAt;
  const to = target?.endedAt;
  const served = state === "active" && from !== undefined && to != null ? { from, to } : undefined;
  const serve = served ? served.to - served.from : null;
  const hardware = served ? hardwareMs(device.name, served.from, served.to) : null;
  return {
    device: device.name,
    serial: device.serial ?? "",
    state,
    serveSeconds: seconds(serve),
    hardwareSeconds: seconds(hardware),
    deadSeconds: serve === null || hardware === null ? null : seconds(Math.max(0, serve - hardware)),
    retries: target?.retries ?? 0,
    reason: state === "active" ? null : reasonOf(device, target),
  };
}

function reasonOf(device: DeviceView, target: TargetView | undefined): string {
  if (target?.failure) return `${target.failure.code}: ${target.failure.detail}`;
  return target?.waitingOn ? `waits for ${target.waitingOn}` : `is ${device.state}`;
}

const seconds = (ms: number | null): number | null => (ms === null ? null : Math.round(ms) / 1000);

/** ms between the agent's report of a step's end and the next step's start, for steps that went at the first try. */
export function stepDead(steps: readonly StepView[]): number[] {
  const byDevice = Map.groupBy(steps, (step) => step.device);
  const gaps: number[] = [];
  for (const own of byDevice.values()) {
    const sorted = [...own].sort((a, b) => a.n - b.n);
    for (const [i, step] of sorted.entries()) {
      const next = sorted[i + 1];
      if (!next || step.attempt !== 1 || next.attempt !== 1) continue;
      if (step.finishedAt === null || next.startedAt === null) continue;
      gaps.push(Math.max(0, next.startedAt - step.finishedAt));
    }
  }
  return gaps;
}

/** Rows written per finished install, site and D1 together (C4), between two readings; null if none was finished. */
export function rowsPerInstall(before: Meter, after: Meter): number | null {
  const installs = after.installs - before.installs;
  if (installs <= 0) return null;
  return Math.round((after.object + after.d1 - before.object - before.d1) / installs);
}

export interface RunResult {
  machines: MachineResult[];
  rowsPerInstall: number | null;
  /** Null where this run had no step after another. */
  stepDeadMs: { p50: number | null; p95: number | null };
}

export const stepDeadMs = (gaps: readonly number[]): RunResult["stepDeadMs"] =>
  gaps.length === 0 ? { p50: null, p95: null } : { p50: percentile(gaps, 0.5), p95: percentile(gaps, 0.95) };

/** The final table. */
export function resultTable(machines: readonly MachineResult[]): string[] {
  const amount = (value: number | null) => (value === null ? "" : value.toFixed(1));
  return table(
    [
      { title: "machine" },
      { title: "serial" },
      { title: "state" },
      { title: "to serve s", right: true },
      { title: "hardware s", right: true },
      { title: "dead s", right: true },
      { title: "retries", right: true },
      { title: "" },
    ],
    machines.map((m) => [
      m.device,
      m.serial,
      m.state,
      amount(m.serveSeconds),
      amount(m.hardwareSeconds),
      amount(m.deadSeconds),
      String(m.retries),
      m.reason ?? "",
    ]),
  );
}

/** `24 active, 0 failed, 0 waiting`: the last line of a run. */
export function countLine(machines: readonly Pick<MachineResult, "state">[]): string {
  const count = (state: MachineState) => machines.filter((machine) => machine.state === state).length;
  return `${count("active")} active, ${count("failed")} failed, ${count("waiting")} waiting`;
}

/** The numbers below the table. */
export function totalLines({ machines, rowsPerInstall: rows, stepDeadMs: dead }: RunResult): string[] {
  const of = (key: "serveSeconds" | "hardwareSeconds" | "deadSeconds") =>
    machines.map((machine) => machine[key]).filter((value) => value !== null);
  const line = (title: string, key: Parameters<typeof of>[0]) =>
    of(key).length === 0
      ? `${title}: of no machine is it known`
      : `${title}: ${percentile(of(key), 0.5).toFixed(1)} s in the middle, ${Math.max(...of(key)).toFixed(1)} s at most`;
  return [
    line("Time to serve", "serveSeconds"),
    line("Hardware", "hardwareSeconds"),
    line("Dead time", "deadSeconds"),
    dead.p50 === null
      ? "Between a step's end and the next one's start: no steps went in this run"
      : `Between a step's end and the next one's start: ${dead.p50} ms in the middle, ${dead.p95} ms at the 95th percentile`,
    rows === null ? "Rows written per install: none was finished in this run" : `Rows written per install: ${rows}`,
  ];
}

/** What was planted in a machine. */
export interface Planted {
  machine: string;
  faults: string[];
  /** Whether the machine can reach service in spite of it. */
  recoverable: boolean;
}

/** The planted faults and what became of them. */
export function chaosTable(planted: readonly Planted[], machines: readonly MachineResult[]): string[] {
  const byName = new Map(machines.map((machine) => [machine.device, machine]));
  return table(
    [{ title: "machine" }, { title: "planted" }, { title: "expected" }, { title: "outcome" }, { title: "" }],
    planted.map(({ machine, faults, recoverable }) => {
      const state = byName.get(machine)?.state ?? "failed";
      const right = (state === "active") === recoverable;
      return [
        machine,
        faults.join(", "),
        recoverable ? "active" : "left alone",
        state,
        right ? "as it should be" : "WRONG",
      ];
    }),
  );
}

/**
 * 0 if all are in service. With planted faults 3 if exactly those with an unrecoverable one are not, else 1; without any,
 * 3 if at least some are.
 */
export function exitOfRun(machines: readonly MachineResult[], planted: readonly Planted[] | undefined): ExitCode {
  const out = machines.filter((machine) => machine.state !== "active").map((machine) => machine.device);
  if (out.length === 0) return exitCode.done;
  if (!planted) return out.length < machines.length ? exitCode.partly : exitCode.failed;
  const expected = new Set(planted.filter((one) => !one.recoverable).map((one) => one.machine));
  const exactly = out.length === expected.size && out.every((name) => expected.has(name));
  return exactly ? exitCode.partly : exitCode.failed;
}
