import { expect, it } from "vitest";
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { TAKEOVER_MS } from "./handover.ts";
import { rack, relay } from "./test-workflows.ts";
import { World } from "./test-world.ts";

const names = ["srv00000", "srv00001", "srv00002"];
const world = () => new World(3, { workflows: [rack] });
const at = ({ target, name }: Lease) => `${target.name} ${name}`;

it("runs branches side by side, each step after what it needs, across machines", () => {
  const w = world();
  const job = w.start("test.rack", names);
  const rounds: string[][] = [];
  let reports: ReturnType<World["report"]>[] = [];
  for (let i = 0; i < 10; i++) {
    const { leases } = w.sync({ reports });
    if (leases.length === 0) break;
    rounds.push(leases.map(at).sort());
    reports = leases.map((l) => w.report(l));
  }
  expect(rounds).toEqual([
    ["srv00000 open"],
    ["srv00001 identify", "srv00002 identify"],
    // The two branches of one machine take turns: a BMC has one session, one request at a time (A3, L1).
    ["srv00001 power", "srv00002 power"],
    ["srv00000 close", "srv00001 look", "srv00002 look"],
  ]);
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[L1] never has two steps at work on one machine, whichever branches are open", () => {
  const w = world();
  w.start("test.rack", names);
  w.sync({ reports: w.sync().leases.map((l) => w.report(l)) });
  const busy = w.sql.all<{ device: string }>("SELECT device FROM step WHERE state IN ('leased', 'running')");
  expect(new Set(busy.map((s) => s.device)).size).toBe(busy.length);
});

it("[J3] says which step of which machine a blocked one waits for", () => {
  const w = world();
  const job = w.start("test.rack", names);
  const waits = w.ask("steps", { job }).map((s) => [s.name, s.waitingOn]);
  expect(waits).toContainEqual(["identify", "the step open of srv00000 to succeed"]);
  expect(waits).toContainEqual(["power", "the step identify to succeed"]);
  expect(waits).toContainEqual(["close", "the step power of srv00001 and power of srv00002 to succeed"]);
  expect(w.ask("steps", { job }).every((s) => s.dueAt !== null)).toBe(true);
});

it("[J10] what needs a step that failed ends with need_failed, naming it, and frees its machine", () => {
  const w = world();
  const job = w.start("test.rack", names);
  w.work(({ name }) => (name === "open" ? { outcome: "failed", failure: { code: "bom_mismatch", detail: "" } } : {}));
  const { state, targets } = w.ask("job", { job });
  expect(state).toBe("failed");
  expect(targets.map((t) => [t.state, t.failure?.code])).toEqual([
    ["failed", "bom_mismatch"],
    ["failed", "need_failed"],
    ["failed", "need_failed"],
  ]);
  expect(targets[1]?.failure?.detail).toBe("identify needs open of srv00000, which did not succeed.");
  expect(w.sql.all("SELECT * FROM lock")).toEqual([]);
});

it("[J6] a machine whose need has failed meanwhile is let to the end of its step, and gets no other", () => {
  const w = world();
  const job = w.start("test.rack", names);
  w.sync({ reports: w.sync().leases.map((l) => w.report(l)) });
  const held = w.sync({ free: 0 }).leases;
  const of = (name: string) => held.filter((l) => l.target.name === name).map((l) => w.report(l));
  // srv00001's power is at work while srv00002 fails; the close of srv00000 needs both.
  const powering = w.sync({ reports: of("srv00001"), holding: held.map((l) => l.id), free: 1 }).leases;
  expect(powering.map(at)).toEqual(["srv00001 power"]);
  const failed = of("srv00002").map((r) => ({
    ...r,
    outcome: "failed" as const,
    failure: { code: "identity_mismatch", detail: "another machine" },
  }));
  w.sync({ reports: failed, holding: powering.map((l) => l.id), free: 0 });
  const states = () => w.ask("job", { job }).targets.map((t) => [t.name, t.state]);
  expect(states()).toEqual([
    ["srv00000", "failed"],
    ["srv00001", "running"],
    ["srv00002", "failed"],
  ]);
  w.sync({ reports: powering.map((l) => w.report(l)), free: 10 });
  w.work();
  expect(states()[1]).toEqual(["srv00001", "succeeded"]);
});

it("[J8] a retry takes up what failed and what failed with it, and does nothing twice", () => {
  const w = world();
  const job = w.start("test.rack", names);
  const ran: string[] = [];
  w.work((lease) => {
    ran.push(at(lease));
    const fails = lease.name === "power" && lease.target.name === "srv00002";
    return fails ? { outcome: "failed", failure: { code: "power_budget_spent", detail: "" } } : {};
  });
  expect(w.ask("job", { job }).state).toBe("partly");
  w.do("job.retry", { job, actor: "token:t" });
  expect(w.ask("job", { job }).state).toBe("running");
  const again: string[] = [];
  w.work((lease) => {
    again.push(at(lease));
    return {};
  });
  expect(again.sort()).toEqual(["srv00000 close", "srv00002 look", "srv00002 power"]);
  expect(ran).not.toContain("srv00002 look");
  expect(w.ask("job", { job })).toMatchObject({ state: "succeeded", endedAt: expect.any(Number) });
});

it("[J6] every machine of a cancelled job is cancelled, also one that needs a step of another", () => {
  const w = world();
  const job = w.start("test.rack", names);
  const { state, targets } = w.do("job.cancel", { job, actor: "token:t", reason: "" });
  expect([state, ...targets.map((t) => t.state)]).toEqual(["cancelled", "cancelled", "cancelled", "cancelled"]);
});

it("[J10] a retry of one machine is refused when it would wait in vain for another that has ended", () => {
  const w = world();
  const job = w.start("test.rack", names);
  w.work(({ name }) =>
    name === "open" ? { outcome: "failed", failure: { code: "identity_mismatch", detail: "" } } : {},
  );
  const retry = (device?: string) =>
    w.core.apply({ now: w.now, random: w.random }, "job.retry", { job, device, actor: "token:t" }).reply;
  expect(retry("srv00001")).toMatchObject({
    problem: {
      code: "retry_refused",
      detail: "identify needs open of srv00000, which has ended without it; try that again too.",
    },
  });
  expect(retry().ok).toBe(true);
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[J10] a step left out stands for what it needs: who waits for it ends when that can no longer come", () => {
  const w = new World(2, { workflows: [relay] });
  const job = w.start("test.relay", names.slice(0, 2));
  w.do("job.skip", { job, device: "srv00000", step: "b", reason: "", actor: "token:t" });
  w.work(() => ({ outcome: "failed", failure: { code: "identity_mismatch", detail: "" } }));
  expect(w.ask("job", { job }).targets.map((t) => t.failure?.code)).toEqual(["identity_mismatch", "need_failed"]);
});

it("[J10] a machine does not fail for a need of a step that was left out", () => {
  const w = new World(2, { workflows: [relay] });
  const job = w.start("test.relay", names.slice(0, 2));
  for (const step of ["a", "b"]) w.do("job.skip", { job, device: "srv00001", step, reason: "", actor: "token:t" });
  w.work(() => ({ outcome: "failed", failure: { code: "identity_mismatch", detail: "" } }));
  expect(w.ask("job", { job }).targets.map((t) => t.state)).toEqual(["failed", "succeeded"]);
});

it("[J10] what waits for a step that was left out begins as soon as that one's own need is done", () => {
  const w = new World(2, { workflows: [relay] });
  const job = w.start("test.relay", names.slice(0, 2));
  w.do("job.skip", { job, device: "srv00001", step: "a", reason: "", actor: "token:t" });
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

const CALL_MS = TAKEOVER_MS - LEASE_TTL_MS;

/** The agent `a` is at work on srv00001's step identify; its other branch, look, is ready; `b` is there too. */
function atWork() {
  const w = world();
  const b = w.enroll("b", "y".repeat(43));
  const job = w.start("test.rack", names.slice(0, 2));
  const [held] = w.sync({ reports: w.sync().leases.map((l) => w.report(l)) }).leases;
  if (!held) throw new Error("no lease");
  return { w, b, job, held };
}

it("[L1][L2] no branch goes to another agent while the one that was revoked may still be in a call on its machine", () => {
  const { w, b } = atWork();
  w.do("agent.revoke", { agent: w.agent, actor: "token:t" });
  expect(w.sync({}, b).leases.map(at)).toEqual([]);
  w.now += LEASE_TTL_MS + CALL_MS - 1;
  expect(w.sync({}, b).leases.map(at)).toEqual([]);
  w.now += 1;
  // What was lost is read before another branch goes on (J4).
  expect(w.sync({}, b).leases.map((l) => [at(l), l.resolve])).toEqual([["srv00001 identify", true]]);
});

it("[L1][L2] nor after a retry of what that agent left behind", () => {
  const { w, b, job, held } = atWork();
  const { dueAt } = w.ask("steps", { job }).find((s) => s.state === "leased") ?? {};
  while (w.now < (dueAt ?? 0)) {
    w.now += 30_000;
    w.sync({ holding: [held.id], free: 0 });
  }
  w.do("tick", {});
  expect(w.ask("job", { job }).targets[1]?.failure?.code).toBe("deadline_exceeded");
  w.do("job.retry", { job, actor: "token:t" });
  w.do("agent.revoke", { agent: w.agent, actor: "token:t" });
  const mine = () => w.sync({}, b).leases.filter((l) => l.target.name === "srv00001");
  expect(mine()).toEqual([]);
  w.now += LEASE_TTL_MS + CALL_MS;
  expect(mine()).toHaveLength(1);
});

it("[J4] a lost step goes before the other branches of its machine, also when the clock was set back", () => {
  const { w, held } = atWork();
  w.now += 1000;
  w.sync({ reports: [w.report(held, { outcome: "unknown" })], free: 0 });
  w.now -= 500;
  expect(w.sync().leases.map((l) => [at(l), l.resolve])).toEqual([["srv00001 identify", true]]);
});
