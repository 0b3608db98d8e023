import { describe, expect, it } from "vitest";
import type { JobEvent, JobView, TargetView } from "../../shared/model/job.ts";
import { foldJob, type StepOrder } from "./fold-job.ts";

const ORDER: StepOrder = new Map(
  ["dev_a", "dev_b"].map((device) => [
    device,
    [
      { name: "identify", waitingOn: "the BMC" },
      { name: "power-on", waitingOn: "power" },
      { name: "write-image", waitingOn: "the write" },
    ],
  ]),
);

const target = (device: string): TargetView => ({
  device,
  name: device,
  serial: "S",
  state: "queued",
  step: "identify",
  stepsDone: 0,
  stepsTotal: 3,
  skipped: [],
  percent: null,
  waitingOn: "an agent",
  dueAt: null,
  failure: null,
  retries: 0,
  startedAt: null,
  endedAt: null,
});

const VIEW: JobView = {
  id: "job_1",
  site: "st_1",
  siteName: "ams01",
  workflow: "server.install",
  plan: "pln_1",
  planHash: "h",
  requester: "token:x",
  priority: 5,
  state: "queued",
  paused: null,
  waitingOn: null,
  dueAt: null,
  createdAt: 0,
  endedAt: null,
  version: 1,
  lastEvent: 1,
  targets: [target("dev_a"), target("dev_b")],
};

let seq = 1;
const event = (kind: JobEvent["kind"], step: string | null, data: Record<string, unknown> = {}): JobEvent => {
  if (kind !== "step.progress") seq += 1;
  return { job: "job_1", seq, at: 1000 * seq, kind, device: kind === "job.state" ? null : "dev_a", step, data };
};
const run = (...events: JobEvent[]): JobView =>
  events.reduce((view, one) => {
    const next = foldJob(view, one, ORDER);
    if (!next) throw new Error(`${one.kind} is to be asked for`);
    return next;
  }, VIEW);
const start = () => {
  seq = 1;
  return [event("step.leased", "identify", { attempt: 1 }), event("target.state", null, { state: "running" })];
};

describe("a job carried forward by its events", () => {
  it("follows steps, and leaves other targets alone", () => {
    const view = run(...start(), event("step.succeeded", "identify"), event("step.leased", "power-on", { attempt: 1 }));
    expect(view.targets[0]).toMatchObject({
      state: "running",
      step: "power-on",
      stepsDone: 1,
      waitingOn: "power",
      startedAt: 2000,
    });
    expect(view.targets[1]).toEqual(VIEW.targets[1]);
    expect(view).toMatchObject({ state: "running", lastEvent: 5 });
  });

  it("shows progress within a step and forgets it after", () => {
    const before = ["identify", "power-on"].map((step) => event("step.succeeded", step));
    const going = [...before, event("step.progress", "write-image", { percent: 40 })];
    expect(run(...going).targets[0]).toMatchObject({ step: "write-image", percent: 40 });
    expect(run(...going, event("step.succeeded", "write-image")).targets[0]).toMatchObject({
      percent: null,
      step: null,
      stepsDone: 3,
    });
  });

  it("counts attempts beyond the first, also after a lost one", () => {
    const view = run(...start(), event("step.unknown", "identify"), event("step.leased", "identify", { attempt: 2 }));
    expect(view.targets[0]?.retries).toBe(1);
  });

  it("ends targets and the job, with the reason", () => {
    const failure = { code: "identity_mismatch", detail: "another serial" };
    const view = run(
      ...start(),
      event("target.state", null, { state: "failed", failure }),
      event("job.state", null, { state: "failed" }),
    );
    expect(view.targets[0]).toMatchObject({ state: "failed", failure, waitingOn: null, endedAt: 4000 });
    expect(view).toMatchObject({ state: "failed", endedAt: 5000 });
  });

  it("says what waits for a person", () => {
    const waiting = { state: "waiting", waitingOn: "a person", dueAt: 9_000 };
    const view = run(...start(), event("target.state", null, waiting));
    expect(view.targets[0]).toMatchObject({ ...waiting, endedAt: null });
  });

  it("knows what events do not say, so that it is asked for", () => {
    const told = [
      event("job.state", null, { paused: true, actor: "token:ann", reason: "" }),
      event("target.retry", null, { actor: "token:ann", from: "failed" }),
      event("step.skipped", "power-on", { actor: "token:ann", reason: "no BMC" }),
    ];
    expect(told.map((one) => foldJob(VIEW, one, ORDER))).toEqual([undefined, undefined, undefined]);
    expect(foldJob({ ...VIEW, lastEvent: 99 }, event("target.retry", null), ORDER)?.lastEvent).toBe(99);
  });

  it("goes past a step that was left out, and says who has to resume", () => {
    seq = 1;
    const paused = { by: "token:ann", at: 1, reason: "" };
    const left = {
      ...VIEW,
      paused,
      waitingOn: "ann to resume",
      targets: [{ ...target("dev_a"), skipped: ["power-on"] }],
    };
    const next = foldJob(left, event("step.succeeded", "identify"), ORDER);
    expect(next?.targets[0]).toMatchObject({ step: "write-image", stepsDone: 1, waitingOn: "ann to resume" });
  });

  it("[L6] applies each event once, and none of another job", () => {
    const first = start();
    const twice = run(...first, ...first);
    expect(twice).toEqual(run(...first));
    expect(foldJob(VIEW, { ...event("job.state", null, { state: "failed" }), job: "job_2" }, ORDER)).toBe(VIEW);
  });

  it("[C5] leaves a state it does not know as it was", () => {
    const view = run(
      ...start(),
      event("target.state", null, { state: "levitating" }),
      event("job.state", null, { state: "?" }),
    );
    expect(view.targets[0]?.state).toBe("running");
    expect(view.state).toBe("running");
  });
});
