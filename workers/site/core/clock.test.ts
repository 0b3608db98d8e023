import { describe, expect, it } from "vitest";
import { LEASE_TTL_MS } from "../../../shared/protocol/agent.ts";
import { TAKEOVER_MS } from "./handover.ts";
import { World } from "./test-world.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const [one, two] = ["srv00000", "srv00001"];

/** The jumps that every rule is tried with. */
const back = [5 * MINUTE, HOUR, DAY];
const jumps = [5 * MINUTE, -5 * MINUTE, DAY, -DAY];

/** Lets the alarm fire as the object's does, for so long. */
function pass(w: World, ms: number): void {
  const end = w.now + ms;
  for (let n = 0; n < 1_000; n++) {
    const at = w.core.nextAlarm(w.now);
    if (at === null || at > end) break;
    // What is due already is tried again a moment later.
    w.now = Math.max(w.now + 1_000, at);
    w.do("tick", {});
    w.drain();
    w.permit();
  }
  w.now = Math.max(w.now, end);
}

function atWork(servers = 1) {
  const w = new World(servers);
  const job = w.install([one]);
  const [lease] = w.sync().leases;
  if (!lease) throw new Error("no lease");
  const step = () => w.ask("steps", { job })[0];
  return { w, job, lease, step };
}

describe.each(back)("a clock that is set back by %i ms", (ms) => {
  it("[C7][L1][J10] ends a dead agent's lease within its time to live, and not when the clock has caught up", () => {
    const { w, step } = atWork();
    w.now += 31_000;
    w.jump(-ms);
    pass(w, LEASE_TTL_MS - 1_000);
    expect(step()?.state).toBe("leased");
    pass(w, 3_000);
    expect(step()?.state).toBe("unknown");
  });

  it("[C7][L1] nor a lease that was renewed before", () => {
    const { w, lease, step } = atWork();
    w.now += 31_000;
    expect(w.sync({ holding: [lease.id], free: 0 }).renewed).toEqual([lease.id]);
    w.jump(-ms);
    w.evict();
    pass(w, LEASE_TTL_MS + 3_000);
    expect(step()?.state).toBe("unknown");
  });

  it("[C7][L3] takes no lease from an agent that is there, and renews it as else", () => {
    const { w, lease, step } = atWork();
    w.jump(-ms);
    w.permit();
    for (let n = 0; n < 10; n++) {
      w.now += 20_000;
      const reply = w.sync({ holding: [lease.id], free: 0 });
      expect([reply.revoked, reply.leases]).toEqual([[], []]);
      w.do("tick", {});
    }
    expect(step()).toMatchObject({ state: "leased", attempt: 1 });
    expect(w.sync({ reports: [w.report(lease)] }).leases).toHaveLength(1);
  });

  it("[C7][J3] gives an attempt under way its deadline anew, and no more than that", () => {
    const { w, lease, step } = atWork();
    const deadline = (step()?.dueAt ?? 0) - w.now;
    w.jump(-ms);
    w.sync({ holding: [lease.id], free: 0 });
    expect((step()?.dueAt ?? 0) - w.now).toBe(deadline);
  });

  it("[C7][L2] hands a dead agent's target to another one as soon as else", () => {
    const { w, lease } = atWork();
    const other = w.enroll("b", "y".repeat(43));
    w.now += LEASE_TTL_MS + 1;
    w.do("tick", {});
    // Its silence is noted.
    expect(w.sync({}, other).leases).toEqual([]);
    w.jump(-ms);
    w.permit();
    // The alarm is due at once, and rings.
    w.sync({}, other);
    pass(w, TAKEOVER_MS + 2_000);
    const [given] = w.sync({}, other).leases;
    expect(given).toMatchObject({ step: lease.step, resolve: true });
    expect(given?.epoch).toBeGreaterThan(lease.epoch);
  });

  it("[C7][L2] hands on a target whose agent was heard from just before", () => {
    const { w, lease } = atWork();
    const other = w.enroll("b", "y".repeat(43));
    w.sync({ holding: [lease.id], free: 0 });
    w.jump(-ms);
    w.permit();
    pass(w, LEASE_TTL_MS + 1_000);
    w.sync({}, other);
    pass(w, TAKEOVER_MS + 1_000);
    expect(w.sync({}, other).leases).toMatchObject([{ step: lease.step, resolve: true }]);
  });

  it("[C7][L2] keeps a device that an agent may still act on closed for no longer than else", () => {
    const { w, job } = atWork();
    const other = w.enroll("b", "y".repeat(43));
    w.do("job.cancel", { job, actor: "token:t", reason: "" });
    w.install([one], "k2");
    expect(w.sync({}, other).leases).toEqual([]);
    w.jump(-ms);
    w.permit();
    expect(w.sync({}, other).leases).toEqual([]);
    pass(w, TAKEOVER_MS + 1_000);
    expect(w.sync({}, other).leases).toHaveLength(1);
  });

  it("[C7][L2] nor one of which nothing else was open when the object forgot", () => {
    const { w, job } = atWork();
    const other = w.enroll("b", "y".repeat(43));
    w.do("job.cancel", { job, actor: "token:t", reason: "" });
    w.now += 3_000;
    w.drain();
    w.jump(-ms);
    w.evict();
    w.permit();
    w.install([one], "k2");
    expect(w.sync({}, other).leases).toEqual([]);
    pass(w, TAKEOVER_MS + 1_000);
    expect(w.sync({}, other).leases).toHaveLength(1);
  });

  it("[C7][L2] hands on a target whose attempt had passed its deadline", () => {
    const { w, job, lease, step } = atWork();
    const other = w.enroll("b", "y".repeat(43));
    const attempt = { holding: [lease.id], free: 0 };
    for (let n = 0; n < 200 && step()?.state === "leased"; n++) {
      w.now += 20_000;
      w.sync(attempt);
      w.do("tick", {});
    }
    expect(step()).toMatchObject({ state: "failed", attempt: 1 });
    w.jump(-ms);
    w.evict();
    w.permit();
    w.do("job.retry", { job, actor: "token:t" });
    let given = w.sync({}, other).leases;
    expect(given).toEqual([]);
    // Once for its agent's silence, and once more for the call that it may be in.
    for (let n = 0; n < 2 && given.length === 0; n++) {
      pass(w, TAKEOVER_MS + 1_000);
      given = w.sync({}, other).leases;
    }
    expect(given).toMatchObject([{ step: lease.step, resolve: true }]);
  });

  it("[C7][C3] asks a read model that was away as soon as else", () => {
    const { w } = atWork();
    w.now += 3_000;
    w.do("outbox.failed", { entries: w.ask("outbox.next", { limit: 1 }), reason: "away", outage: true });
    w.jump(-ms);
    w.evict();
    w.do("tick", {});
    pass(w, 5 * MINUTE);
    expect(w.ask("outbox", { limit: 1 })).toMatchObject({ waiting: 0 });
  });

  it("[C7][C3][E3] sends what waits for the read model as soon as else", () => {
    const { w } = atWork();
    w.drain();
    w.do("site.create", { id: "st_0123456789", name: "ams01", locationHint: "weur", jurisdiction: "eu", actor: "t" });
    w.do("outbox.rebuild", { actor: "t" });
    w.do("outbox.failed", { entries: [], reason: "away", outage: true });
    w.jump(-ms);
    pass(w, 5_000);
    expect(w.ask("outbox", { limit: 1 })).toMatchObject({ waiting: 0 });
  });

  it("[C7] ends an audit that nobody answers as soon as else, so that another one may begin", () => {
    const { w } = atWork();
    w.do("audit.start", { window: "w1", actor: "t" });
    w.jump(-ms);
    pass(w, 3 * MINUTE);
    expect(w.do("audit.start", { window: "w2", actor: "t" }).created).toBe(true);
  });

  it("[C7][C1] wants its alarm at once when it wakes, and is still afterwards", () => {
    const { w } = atWork();
    w.now += 31_000;
    w.jump(-ms);
    w.evict();
    expect(w.core.nextAlarm(w.now)).toBe(w.now);
    w.do("tick", {});
    w.drain();
    w.permit();
    expect(w.core.nextAlarm(w.now)).toBeGreaterThan(w.now);
    const before = w.sql.written();
    w.do("tick", {});
    // Its own meter's row.
    expect(w.sql.written() - before).toBeLessThanOrEqual(1);
  });
});

it("[C7][C4] a clock that is moved by less than a second rewrites nothing", () => {
  const { w, lease } = atWork();
  w.sync({ holding: [lease.id], free: 0 });
  for (let n = 0; n < 5; n++) {
    w.jump(-900);
    const before = w.sql.written();
    w.sync({ holding: [lease.id], free: 0 });
    // A renewal at most.
    expect(w.sql.written() - before).toBeLessThanOrEqual(1);
    w.jump(900);
  }
});

it("[C7][L1] small steps back do not add up, not even for an object that forgot", () => {
  const { w, step } = atWork();
  w.evict();
  for (let n = 0; n < 2; n++) {
    w.jump(-1_000);
    w.do("tick", {});
  }
  w.now += LEASE_TTL_MS + 1_100;
  w.do("tick", {});
  expect(step()?.state).toBe("unknown");
});

describe.each(jumps)("a clock that jumps by %i ms", (ms) => {
  it("[C7][L6][J10] loses no step and no report: every machine comes into service, each step done once", () => {
    const w = new World(2);
    const job = w.install([one, two]);
    const done: string[] = [];
    let reports: ReturnType<World["report"]>[] = [];
    let holding: string[] = [];
    for (let round = 0; round < 200; round++) {
      // In the middle of each exchange, again and again.
      if (round % 3 === 1) w.jump(round % 2 === 0 ? ms : -ms);
      if (round % 7 === 0) w.evict();
      w.permit();
      w.do("tick", {});
      const reply = w.sync({ reports, holding });
      expect(reply.acks).toEqual(reports.map((r) => r.lease));
      const lost = new Set(reply.refused?.map((r) => r.lease));
      for (const r of reports) if (!lost.has(r.lease)) done.push(`${r.step}`);
      reports = reply.leases.map((l) => w.report(l));
      holding = reply.leases.map((l) => l.id);
      w.now += 1_000;
      if (w.ask("job", { job }).endedAt !== null) break;
    }
    expect(w.ask("job", { job })).toMatchObject({ state: "succeeded" });
    expect(new Set(done).size).toBe(done.length);
    expect([w.state(one), w.state(two)]).toEqual(["active", "active"]);
  });

  it("[J10] of the agent changes nothing but what the report says", () => {
    const w = new World(1);
    const job = w.install([one]);
    w.work((lease) => ({ startedAt: w.now + ms, finishedAt: w.now + (lease.step % 2 === 0 ? ms : -ms) }));
    expect(w.ask("job", { job })).toMatchObject({ state: "succeeded" });
    expect(w.ask("steps", { job })[0]).toMatchObject({ startedAt: expect.any(Number), readyAt: expect.any(Number) });
    w.now += MINUTE;
    w.drain();
    expect(w.core.nextAlarm(w.now)).toBe(null);
  });
});

it("[C7][J10] a clock that is set ahead by a day fails nothing that waits for an agent, a person or a permit", () => {
  const w = new World(3);
  const waits = w.install([one]);
  const asked = w.install([two], "k2");
  w.sync({
    reports: w
      .sync()
      .leases.filter((l) => l.job === asked)
      .map((l) => w.report(l, { outcome: "failed", failure: { code: "disk_not_blank", detail: "" } })),
    free: 0,
  });
  w.do("job.pause", { job: w.install(["srv00002"], "k3"), actor: "t", reason: "" });
  w.jump(DAY);
  w.do("tick", {});
  w.do("tick", {});
  w.permit();
  w.do("tick", {});
  expect([waits, asked].map((job) => w.ask("job", { job }).state)).toEqual(["running", "waiting"]);
  expect(w.ask("steps", { job: waits })[0]?.state).toBe("unknown");
  expect(w.sync().leases).toMatchObject([{ job: waits, resolve: true }]);
});

describe.each([10_000, 3 * MINUTE, HOUR, DAY])("a clock that is set ahead by %i ms", (ms) => {
  /** A world in which the first agent is in a call of this action, whose lease it was given just now. */
  function inCall(action: string) {
    const w = new World(1);
    const other = w.enroll("b", "y".repeat(43));
    const job = w.install([one]);
    const held = w.workUpTo(action);
    w.now += 1_000;
    const theirs = () => w.sync({}, other).leases;
    /** What the other one is given while the first may be in its call, and how long after the jump it is given something. */
    const taken = () => {
      let waited = 0;
      for (; waited < 10 * MINUTE && theirs().length === 0; waited += 5_000) {
        w.now += 5_000;
        w.evict();
        w.permit();
      }
      return waited;
    };
    return { w, other, job, held, theirs, taken };
  }
  /** At most as long as it may take, to the five seconds by which `taken` goes. */
  const inTime = (waited: number) => {
    expect(waited).toBeGreaterThanOrEqual(TAKEOVER_MS - 10_000);
    expect(waited).toBeLessThanOrEqual(TAKEOVER_MS + 5_000);
  };

  it("[C7][L2] hands no machine of a revoked agent on before its lease and call are over by the other one's own time", () => {
    const { w, theirs, taken } = inCall("bmc.power");
    w.do("agent.revoke", { agent: w.agent, actor: "t" });
    w.jump(ms);
    expect(theirs()).toEqual([]);
    inTime(taken());
  });

  it("[C7][L2] nor when the other one had asked before", () => {
    const { w, theirs, taken } = inCall("bmc.power");
    w.do("agent.revoke", { agent: w.agent, actor: "t" });
    expect(theirs()).toEqual([]);
    w.jump(ms);
    expect(theirs()).toEqual([]);
    inTime(taken());
  });

  it("[C7][L2] nor after a cancel of a step that waits", () => {
    const { w, job, theirs, taken } = inCall("ramdisk.await");
    w.do("job.cancel", { job, actor: "t", reason: "" });
    w.install([one], "k2");
    w.jump(ms);
    expect(theirs()).toEqual([]);
    inTime(taken());
  });

  it("[C7][L2] nor when the cancel came after the jump", () => {
    const { w, job, theirs, taken } = inCall("ramdisk.await");
    w.jump(ms);
    w.do("job.cancel", { job, actor: "t", reason: "" });
    w.install([one], "k2");
    expect(theirs()).toEqual([]);
    inTime(taken());
  });

  it("[C7][L2] nor one whose agent is silent since", () => {
    const { w, theirs, taken } = inCall("bmc.power");
    w.now += LEASE_TTL_MS;
    w.do("tick", {});
    expect(theirs()).toEqual([]);
    w.jump(ms);
    inTime(taken());
  });
});

it("[C7][L2] a process that began anew, or does not tell its time, vouches for nothing it has not seen", () => {
  const w = new World(1);
  const other = w.enroll("b", "y".repeat(43));
  w.install([one]);
  w.workUpTo("bmc.power");
  w.do("agent.revoke", { agent: w.agent, actor: "t" });
  expect(w.sync({ instance: "first" }, other).leases).toEqual([]);
  w.now += TAKEOVER_MS - 1_000;
  expect(w.sync({ instance: "second", uptimeMs: 0 }, other).leases).toEqual([]);
  w.now += 2_000;
  expect(w.sync({ instance: "second", uptimeMs: 2_000 }, other).leases).toEqual([]);
  // C5: to an agent of before the coordinator's clock alone applies.
  expect(w.sync({ uptimeMs: undefined }, other).leases).toHaveLength(1);
});
