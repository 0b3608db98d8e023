import { describe, expect, it } from "vitest";
import type { JobView, StepView, TargetView } from "../../../shared/model/job.ts";
import type { DeviceView } from "../../../shared/model/views.ts";
import {
  chaosTable,
  countLine,
  exitOfRun,
  lastJobs,
  type MachineResult,
  machineResult,
  resultTable,
  rowsPerInstall,
  stepDead,
  stepDeadMs,
  totalLines,
} from "./report.ts";

const device = (state: DeviceView["state"]): DeviceView => ({
  id: "dev_1",
  site: "st_1",
  name: "compute-01",
  role: "compute",
  rack: "r01",
  u: 1,
  manufacturer: "Dell",
  model: "PowerEdge R650",
  state,
  since: 0,
  asset: "ast_1",
  serial: "S1",
  job: null,
  version: 1,
});
const target = (over: Partial<TargetView> = {}): TargetView => ({
  device: "dev_1",
  name: "compute-01",
  serial: "S1",
  state: "succeeded",
  step: null,
  stepsDone: 12,
  stepsTotal: 12,
  skipped: [],
  percent: null,
  waitingOn: null,
  dueAt: null,
  failure: null,
  retries: 2,
  startedAt: 1_500,
  endedAt: 11_000,
  ...over,
});
const job = (id: string, targets: TargetView[]): JobView => ({
  id,
  site: "st_1",
  siteName: "ams01",
  workflow: "server.install",
  plan: "pln_1",
  planHash: "h",
  requester: "token:x",
  priority: 5,
  state: "succeeded",
  paused: null,
  waitingOn: null,
  dueAt: null,
  createdAt: 1_000,
  endedAt: 11_000,
  version: 9,
  lastEvent: 9,
  targets,
});

describe("a machine's result", () => {
  it("is counted from the accepted job to service; what the hardware did not take is dead time", () => {
    const asked: unknown[] = [];
    const result = machineResult(device("active"), { job: job("job_1", []), target: target() }, (...args) => {
      asked.push(args);
      return 9_250;
    });
    expect(asked).toEqual([["compute-01", 1_000, 11_000]]);
    expect(result).toEqual({
      device: "compute-01",
      serial: "S1",
      state: "active",
      serveSeconds: 10,
      hardwareSeconds: 9.25,
      deadSeconds: 0.75,
      retries: 2,
      reason: null,
    });
  });

  it("says why a machine is not in service", () => {
    const none = () => 0;
    const failure = { code: "identity_mismatch", detail: "another serial" };
    const waiting = target({ state: "waiting", failure: null, waitingOn: "a person", endedAt: null });
    expect(
      machineResult(device("planned"), { job: job("j", []), target: target({ state: "failed", failure }) }, none),
    ).toMatchObject({
      state: "failed",
      serveSeconds: null,
      deadSeconds: null,
      reason: "identity_mismatch: another serial",
    });
    expect(machineResult(device("installing"), { job: job("j", []), target: waiting }, none)).toMatchObject({
      state: "waiting",
      reason: "waits for a person",
    });
    expect(machineResult(device("planned"), undefined, none)).toMatchObject({ state: "failed", reason: "is planned" });
  });

  it("comes from the newest job of the device", () => {
    const jobs = [job("new", [target({ retries: 1 })]), job("old", [target(), target({ device: "dev_2" })])];
    const last = lastJobs(jobs);
    expect([last.get("dev_1")?.job.id, last.get("dev_2")?.job.id]).toEqual(["new", "old"]);
  });
});

describe("dead time between steps", () => {
  const step = (n: number, over: Partial<StepView>): StepView => ({
    n,
    number: n + 1,
    device: "dev_1",
    name: `s${n}`,
    action: "bmc.identify",
    state: "succeeded",
    attempt: 1,
    waitingOn: null,
    readyAt: null,
    leasedAt: null,
    startedAt: null,
    finishedAt: null,
    endedAt: null,
    dueAt: null,
    failure: null,
    skipped: null,
    result: null,
    evidence: null,
    ...over,
  });

  it("is the gap from one end to the next start, per device, without retried steps", () => {
    const steps = [
      step(1, { startedAt: 150, finishedAt: 200 }),
      step(0, { startedAt: 0, finishedAt: 100 }),
      step(2, { startedAt: 900, finishedAt: 950, attempt: 2 }),
      step(3, { startedAt: 990, finishedAt: 995 }),
      step(4, { device: "dev_2", startedAt: 1_000, finishedAt: 1_001 }),
      step(5, { device: "dev_2", startedAt: 1_031 }),
      step(6, { device: "dev_2" }),
    ];
    expect(stepDead(steps)).toEqual([50, 30]);
    expect(stepDeadMs([50, 30])).toEqual({ p50: 30, p95: 50 });
  });

  it("is null where there was none, not 0", () => {
    expect(stepDeadMs([])).toEqual({ p50: null, p95: null });
    const lines = totalLines({ machines: [], rowsPerInstall: null, stepDeadMs: stepDeadMs([]) });
    expect(lines.join("\n")).not.toMatch(/\b0\.0|\bnull|-Infinity/);
    expect(lines).toContain("Between a step's end and the next one's start: no steps went in this run");
  });
});

describe("totals", () => {
  const machine = (name: string, state: MachineResult["state"]): MachineResult => ({
    device: name,
    serial: name,
    state,
    serveSeconds: null,
    hardwareSeconds: null,
    deadSeconds: null,
    retries: 0,
    reason: null,
  });
  const machines = [machine("a", "active"), machine("b", "failed"), machine("c", "waiting")];
  const bad = (name: string) => ({ machine: name, faults: ["wrong-serial"], recoverable: false });
  const good = (name: string) => ({ machine: name, faults: ["lost-power"], recoverable: true });

  it("[C4] rows per install are what the site and D1 wrote, over what was finished", () => {
    const before = { object: 100, d1: 50, installs: 0 };
    expect(rowsPerInstall(before, { object: 2_500, d1: 150, installs: 10 })).toBe(250);
    expect(rowsPerInstall(before, { object: 2_500, d1: 150, installs: 0 })).toBeNull();
  });

  it("the last line counts, and the table has a row for each", () => {
    expect(countLine(machines)).toBe("1 active, 1 failed, 1 waiting");
    expect(resultTable(machines)).toHaveLength(5);
  });

  it("the exit code without planted faults: all, some, none", () => {
    expect(exitOfRun([machine("a", "active")], undefined)).toBe(0);
    expect(exitOfRun(machines, undefined)).toBe(3);
    expect(exitOfRun([machine("b", "failed")], undefined)).toBe(1);
  });

  it("the exit code with planted faults: exactly the unrecoverable ones may be out", () => {
    expect(exitOfRun(machines, [good("a"), bad("b"), bad("c")])).toBe(3);
    expect(exitOfRun(machines, [good("b"), bad("c")])).toBe(1);
    expect(exitOfRun(machines, [bad("a"), bad("b"), bad("c")])).toBe(1);
    expect(exitOfRun([machine("a", "active")], [good("a")])).toBe(0);
  });

  it("the table of planted faults says what went otherwise than it should", () => {
    const lines = chaosTable([good("b"), bad("c"), good("a")], machines);
    expect(lines.slice(2).map((line) => line.includes("WRONG"))).toEqual([true, false, false]);
  });
});
