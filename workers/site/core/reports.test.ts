import { describe, expect, it } from "vitest";
import { EVIDENCE_MAX_CHARS, type Lease, RESULT_MAX_CHARS, type Report } from "../../../shared/protocol/agent.ts";
import { TAKEOVER_MS } from "./handover.ts";
import { World } from "./test-world.ts";

/** All that a report could change. */
const tables = (w: World) =>
  ["job", "job_target", "step", "lock", "device", "asset", "medium", "ledger"].map((t) =>
    w.sql.all(`SELECT * FROM ${t}`),
  );
function started() {
  const w = new World(2);
  const job = w.install(["srv00000"]);
  const [lease] = w.sync().leases;
  if (!lease) throw new Error("no lease");
  const send = (over: Partial<Report>, of: Lease = lease) => {
    const { acks, refused } = w.sync({ reports: [w.report(of, over)], holding: [lease.id], free: 0 });
    return { acks, codes: refused?.map((r) => r.code) };
  };
  return { w, job, lease, send };
}

it("[L4][T3] a report that is not of the step's present attempt is answered with a code and changes nothing", () => {
  const { w, lease, send } = started();
  const before = tables(w);
  const acks = [lease.id];
  expect(send({ step: 4_000 })).toEqual({ acks, codes: ["step_unknown"] });
  expect(send({ job: "no job at all" })).toEqual({ acks, codes: ["step_unknown"] });
  expect(send({ job: "job_9999999999_0123456789012345" })).toEqual({ acks, codes: ["wrong_site"] });
  expect(send({ epoch: lease.epoch + 1_000 })).toEqual({ acks, codes: ["epoch_unknown"] });
  expect(send({ epoch: lease.epoch - 1 })).toEqual({ acks, codes: ["stale_epoch"] });
  expect(send({ lease: "lse_made_up" })).toEqual({ acks: ["lse_made_up"], codes: ["epoch_unknown"] });
  expect(tables(w)).toEqual(before);
  expect(send({})).toEqual({ acks, codes: undefined });
});

it("[L4] keeps every refused report of a known step in the job's events", () => {
  const { w, job, lease, send } = started();
  send({ epoch: lease.epoch - 1 });
  send({ epoch: lease.epoch + 5 });
  const dropped = w.ask("events", { job, after: 0, limit: 100 }).filter((e) => e.kind === "report.dropped");
  expect(dropped.map((e) => e.data)).toEqual([
    { lease: lease.id, epoch: lease.epoch - 1, newest: lease.epoch, outcome: "succeeded" },
    { lease: lease.id, epoch: lease.epoch + 5, newest: lease.epoch, outcome: "succeeded" },
  ]);
});

it("[L6] one and the same report twice in one sync, and again later, counts once", () => {
  const { w, job, lease } = started();
  const report = w.report(lease);
  expect(w.sync({ reports: [report, report], holding: [lease.id], free: 0 })).toMatchObject({
    acks: [lease.id, lease.id],
  });
  const before = tables(w);
  const failed = { ...report, outcome: "failed" as const, failure: { code: "bmc_error", detail: "" } };
  expect(w.sync({ reports: [failed], free: 0 }).refused).toBeUndefined();
  expect(tables(w)).toEqual(before);
  expect(w.ask("steps", { job })[0]?.state).toBe("succeeded");
});

it("[L4] an agent that comes back after a day with what it held finds all of it taken over, and hurts nothing", () => {
  const { w, job, lease } = started();
  w.now += 86_400_000;
  w.do("tick", {});
  const other = w.enroll("b", "y".repeat(43));
  // Its silence is noticed when another one asks; then it has a lease's and a call's time to say a word.
  expect(w.sync({}, other).leases).toEqual([]);
  w.now += TAKEOVER_MS;
  w.do("tick", {});
  const [again] = w.sync({}, other).leases;
  expect(again).toMatchObject({ job, step: lease.step, resolve: true });
  expect(again?.epoch).toBeGreaterThan(lease.epoch);
  const back = w.sync({ reports: [w.report(lease)], holding: [lease.id] });
  expect(back).toMatchObject({ acks: [lease.id], refused: [{ code: "stale_epoch" }], leases: [] });
  expect(w.ask("steps", { job })[0]).toMatchObject({ state: "leased", attempt: 2 });
});

it("[S4] a result that no row holds fails the step, so that it is not sent for ever, and nothing of it is kept", () => {
  const { w, job, lease } = started();
  const result = { serial: lease.target.serial, power: "Off", junk: "x".repeat(RESULT_MAX_CHARS) };
  expect(w.sync({ reports: [w.report(lease, { result })], free: 0 })).toMatchObject({ acks: [lease.id] });
  const [step] = w.ask("steps", { job });
  expect(step).toMatchObject({ result: null, failure: { code: "agent_defect" } });
  expect(JSON.stringify(w.sql.all("SELECT * FROM step")).length).toBeLessThan(50_000);
  // Another attempt follows, as after any defect of an agent.
  w.now += 60_000;
  expect(w.sync().leases).toMatchObject([{ step: lease.step, attempt: 2 }]);
});

it("[S4] of endless evidence the beginning is kept", () => {
  const { w, job, lease } = started();
  const evidence = { seen: "y".repeat(1_000_000) };
  expect(w.sync({ reports: [w.report(lease, { evidence })], free: 0 }).refused).toBeUndefined();
  const [step] = w.ask("steps", { job });
  expect(step).toMatchObject({ state: "succeeded", evidence: { cut: expect.stringContaining('{"seen":"yyy') } });
  expect(JSON.stringify(step?.evidence).length).toBeLessThan(EVIDENCE_MAX_CHARS);
});

it.each(["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__", "of a newer agent"])(
  "[S4][J3] a failure of the code %s ends its target like any other",
  (code) => {
    const { w, job, send } = started();
    send({ outcome: "failed", result: undefined, failure: { code, detail: "x" } });
    expect(w.ask("job", { job }).targets[0]).toMatchObject({ state: "failed", failure: { code } });
    expect(w.sql.all("SELECT * FROM lock")).toEqual([]);
  },
);

describe("[L4] what an agent tells of an attempt that is over by then", () => {
  const dropped = (w: World, job: string) =>
    w.ask("events", { job, after: 0, limit: 1000 }).filter((e) => e.kind === "report.dropped");

  it("because it was called back: is kept, once, and the agent is told", () => {
    const w = new World(1);
    const job = w.install(["srv00000"]);
    const held = w.workUpTo("bmc.accept");
    w.do("job.cancel", { job, actor: "t", reason: "" });
    const told = () => w.sync({ holding: [held.id], reports: [w.report(held)], free: 0 }).refused?.map((r) => r.code);
    expect([told(), told(), told()]).toEqual([["attempt_over"], undefined, undefined]);
    expect(dropped(w, job)).toMatchObject([{ step: "acceptance", data: { outcome: "succeeded" } }]);
  });

  it("because its deadline had passed: the same", () => {
    const w = new World(1);
    const job = w.install(["srv00000"]);
    const held = w.workUpTo("bmc.bootOverride");
    const dueAt = w.ask("steps", { job }).find((s) => s.state === "leased")?.dueAt ?? 0;
    while (w.now < dueAt) {
      w.now += 30_000;
      w.sync({ holding: [held.id], free: 0 });
    }
    w.do("tick", {});
    const { acks, refused } = w.sync({ holding: [held.id], reports: [w.report(held)], free: 0 });
    expect([acks, refused?.map((r) => r.code)]).toEqual([[held.id], ["attempt_over"]]);
    expect(dropped(w, job)).toHaveLength(1);
  });
});

it("[C4] an agent whose version has half a character writes it once", () => {
  const w = new World(1);
  const rows = () => {
    const before = w.sql.written();
    w.sync({ version: "1.\ud800" });
    return w.sql.written() - before;
  };
  rows();
  expect([rows(), rows()]).toEqual([0, 0]);
});
