import { expect, it } from "vitest";
import { LEASE_TTL_MS } from "../../../shared/protocol/agent.ts";
import { TAKEOVER_MS } from "./handover.ts";
import { firstBreak } from "./ledger.ts";
import { MAX_ATTEMPTS } from "./steps.ts";
import { sha256, siteOf, World } from "./test-world.ts";

it("takes a site from its file to every server active, step by step", () => {
  const w = new World(3);
  const job = w.install(["srv00000", "srv00001", "srv00002"]);
  w.work();
  const view = w.ask("job", { job });
  expect(view.state).toBe("succeeded");
  expect(view.targets.map((t) => [t.name, t.state, t.stepsDone, t.waitingOn])).toEqual([
    ["srv00000", "succeeded", 12, null],
    ["srv00001", "succeeded", 12, null],
    ["srv00002", "succeeded", 12, null],
  ]);
  expect(w.state("srv00001")).toBe("active");
  expect(w.ask("device", { device: "srv00001" }).job).toBeNull();
});

it("[T1] refuses a plan without targets, and one with an unknown target by name", () => {
  const w = new World();
  const plan = (targets: string[]) =>
    w.refusal("plan.create", { workflow: "server.install", targets, params: {}, actor: "t" });
  expect(plan([])).toBe("targets_required");
  expect(plan(["srv00000", "nobody"])).toBe("target_unknown");
  expect(w.refusal("plan.create", { workflow: "server.paint", targets: ["srv00000"], params: {}, actor: "t" })).toBe(
    "workflow_unknown",
  );
});

it("[J1] the same key gives the same job, and another body is refused", () => {
  const w = new World();
  const job = w.install(["srv00000"], "key");
  expect(w.install(["srv00000"], "key")).toBe(job);
  expect(
    w.refusal("job.create", {
      key: "key",
      body: "other",
      actor: "token:t",
      workflow: "server.install",
      targets: ["srv00001"],
      params: {},
    }),
  ).toBe("idempotency_key_reused");
  expect(w.ask("jobs", { limit: 10 }).items).toHaveLength(1);
});

it("starts only the plan that was reviewed, and only once", () => {
  const w = new World();
  const { plan, hash } = w.do("plan.create", {
    workflow: "server.install",
    targets: ["srv00000"],
    params: {},
    actor: "t",
  });
  const start = (key: string, h: string) =>
    w.refusal("job.create", { key, body: key, actor: "t", plan: plan.id, hash: h });
  expect(start("a", "0".repeat(64))).toBe("plan_stale");
  expect(start("b", hash)).toBeUndefined();
  expect(start("c", hash)).toBe("plan_used");
  const other = w.do("plan.create", { workflow: "server.install", targets: ["srv00001"], params: {}, actor: "t" });
  w.now = other.plan.expiresAt;
  expect(w.refusal("job.create", { key: "d", body: "d", actor: "t", plan: other.plan.id, hash: other.hash })).toBe(
    "plan_expired",
  );
});

it("refuses a plan whose target has got another asset since", () => {
  const w = new World();
  const { plan, hash } = w.do("plan.create", {
    workflow: "server.install",
    targets: ["srv00000"],
    params: {},
    actor: "t",
  });
  const site = siteOf(2);
  const [first] = site.devices;
  if (first)
    first.asset = {
      ...first.asset,
      serial: "OTHER",
      media: first.asset.media.map((m) => ({ ...m, serial: `${m.serial}X` })),
    };
  if (first?.install) first.install.systemDrive = "DRV0-1X";
  w.do("site.import", { site, actor: "t" });
  expect(w.refusal("job.create", { key: "a", body: "a", actor: "t", plan: plan.id, hash })).toBe("plan_stale");
});

it("[L7] refuses a job on a held device as a whole, naming the holder, and takes no lock", () => {
  const w = new World(2);
  const job = w.install(["srv00001"]);
  const { reply } = w.core.apply({ now: w.now, random: w.random }, "job.create", {
    key: "k2",
    body: "b",
    actor: "token:t",
    workflow: "server.install",
    targets: ["srv00000", "srv00001"],
    params: {},
  });
  expect(reply).toMatchObject({ ok: false, problem: { code: "locked", detail: expect.stringContaining(job) } });
  expect(w.ask("device", { device: "srv00000" }).job).toBeNull();
});

it("[L6] a report that comes again is acknowledged and changes nothing", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  const [lease] = w.sync().leases;
  if (!lease) throw new Error("no lease");
  const report = w.report(lease);
  const first = w.sync({ reports: [report] });
  expect(first.acks).toEqual([lease.id]);
  const before = w.ask("events", { job, after: 0, limit: 100 });
  const again = w.sync({ reports: [report], holding: first.leases.map((l) => l.id) });
  expect(again.acks).toEqual([lease.id]);
  expect(w.ask("events", { job, after: 0, limit: 100 })).toEqual(before);
});

it("[L4] a report of an attempt that was replaced changes nothing and is kept in the log", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  const [old] = w.sync().leases;
  w.now += LEASE_TTL_MS + 1;
  w.do("tick", {});
  const [fresh] = w.sync().leases;
  if (!old || !fresh) throw new Error("no lease");
  expect(fresh.epoch).toBeGreaterThan(old.epoch);
  expect(fresh.resolve).toBe(true);
  w.sync({
    reports: [w.report(old, { outcome: "failed", failure: { code: "identity_mismatch", detail: "x" } })],
    holding: [fresh.id],
  });
  expect(w.steps(job)["0:identify"]).toBe("leased");
  expect(w.ask("events", { job, after: 0, limit: 100 }).at(-1)?.kind).toBe("report.dropped");
});

it("takes a late report of a lost attempt while no newer one was leased", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  const [lease] = w.sync().leases;
  if (!lease) throw new Error("no lease");
  w.now += LEASE_TTL_MS + 1;
  w.do("tick", {});
  expect(w.steps(job)["0:identify"]).toBe("unknown");
  w.sync({ reports: [w.report(lease)], free: 0 });
  expect(w.steps(job)["0:identify"]).toBe("succeeded");
});

it("delivers a lease again, the same, when its reply was lost", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  const [first] = w.sync().leases;
  w.now += 20_000;
  const [again] = w.sync().leases;
  expect(again).toMatchObject({ id: first?.id, epoch: first?.epoch, attempt: 1, resolve: true });
  // [J3] What is left is less; what an attempt may take is what it was.
  expect([first?.deadlineMs, first?.attemptMs]).toEqual([600_000, 600_000]);
  expect([again?.deadlineMs, again?.attemptMs]).toEqual([580_000, 600_000]);
});

it("[C4] renews all leases of an agent with one row, and none before half the time to live", () => {
  const w = new World(2);
  w.install(["srv00000", "srv00001"]);
  const holding = w.sync().leases.map((l) => l.id);
  expect(holding).toHaveLength(2);
  const rows = () => w.sql.written();
  let before = rows();
  w.now += LEASE_TTL_MS / 2 - 1;
  expect(w.sync({ holding }).renewed).toEqual([]);
  expect(rows() - before).toBe(0);
  w.now += 1;
  before = rows();
  expect(w.sync({ holding }).renewed.sort()).toEqual([...holding].sort());
  expect(rows() - before).toBe(1);
  w.now += LEASE_TTL_MS - 1;
  w.do("tick", {});
  expect(w.sync({ holding }).revoked).toEqual([]);
});

it("[L3][C4] renews the leases of an agent that is there although the clock was set back, and no more often than else", () => {
  const w = new World(3);
  w.install(["srv00000", "srv00001"]);
  const first = w.sync().leases.map((lease) => lease.id);
  w.now += 31_000;
  w.sync({ holding: first });
  w.install(["srv00002"], "k2");
  const holding = [...first, ...w.sync({ holding: first }).leases.map((lease) => lease.id)];
  w.now -= 3_600_000;
  w.permit();
  const rows = () => w.sql.written();
  let before = rows();
  expect(w.sync({ holding }).renewed).toHaveLength(3);
  // All leases at once, and the count of the agent's own time, which a clock that was set begins anew.
  expect(rows() - before).toBe(2);
  before = rows();
  w.now += 29_000;
  expect(w.sync({ holding }).renewed).toEqual([]);
  expect(rows() - before).toBe(0);
  w.now += 1_000;
  expect(w.sync({ holding }).renewed).toHaveLength(3);
});

it("tries again after a failure that may pass, and gives up after the action's tries", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  let tries = 0;
  for (let round = 0; round < 20; round++) {
    w.work((lease) => {
      tries += 1;
      return lease.action === "bmc.identify"
        ? { outcome: "failed", failure: { code: "bmc_unavailable", detail: "503" } }
        : {};
    });
    if (w.ask("job", { job }).state === "failed") break;
    expect(w.ask("job", { job }).targets[0]?.waitingOn).toMatch(/^the next try in \d+ s, after bmc_unavailable$/);
    w.now += 100_000;
  }
  expect(tries).toBe(6);
  expect(w.ask("job", { job }).targets[0]?.failure?.code).toBe("bmc_unavailable");
  // Nothing was written: the place is as it was.
  expect(w.state("srv00000")).toBe("planned");
});

it("[T2] a serial that differs ends the target at once, and the others go on", () => {
  const w = new World(2);
  const job = w.install(["srv00000", "srv00001"]);
  w.work((lease) =>
    lease.target.name === "srv00000" && lease.action === "bmc.identify"
      ? { outcome: "failed", failure: { code: "identity_mismatch", detail: "saw X" } }
      : {},
  );
  const view = w.ask("job", { job });
  expect(view.state).toBe("partly");
  expect(view.targets.map((t) => [t.state, t.failure?.code])).toEqual([
    ["failed", "identity_mismatch"],
    ["succeeded", undefined],
  ]);
  expect(w.state("srv00000")).toBe("planned");
  expect(w.ask("explain", { device: "srv00000", agents: [] }).failure?.next).toContain("Nothing was touched");
});

it("[T5] a drive that is not blank waits for a person, and cancelling gives the place back", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.work((lease) =>
    lease.action === "ramdisk.proveBlank"
      ? { outcome: "failed", failure: { code: "disk_not_blank", detail: "GPT" } }
      : {},
  );
  expect(w.ask("job", { job }).state).toBe("waiting");
  expect(w.ask("job", { job }).targets[0]?.waitingOn).toContain("a person to decide");
  expect(w.state("srv00000")).toBe("installing");
  w.do("job.cancel", { job, actor: "token:t", reason: "wrong drive" });
  expect(w.ask("job", { job }).state).toBe("cancelled");
  expect(w.state("srv00000")).toBe("planned");
  expect(w.refusal("job.cancel", { job, actor: "token:t", reason: "" })).toBe("job_final");
});

it("a failure after writing began leaves the device failed, for a person to look at", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  w.work((lease) =>
    lease.action === "ramdisk.writeImage"
      ? { outcome: "failed", failure: { code: "verify_failed", detail: "lies" } }
      : {},
  );
  expect(w.state("srv00000")).toBe("failed");
});

it("[J6] cancel lets an acting step end and starts no other", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  const held = w.workUpTo("bmc.power");
  w.do("job.cancel", { job, actor: "token:t", reason: "" });
  expect(w.ask("job", { job }).state).toBe("running");
  const reply = w.sync({ reports: [w.report(held)] });
  expect(reply.leases).toEqual([]);
  expect(w.ask("job", { job }).state).toBe("cancelled");
});

it("[J6] cancel calls back a step that only waits", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  const held = w.workUpTo("ramdisk.await").id;
  w.do("job.cancel", { job, actor: "token:t", reason: "" });
  expect(w.ask("job", { job }).state).toBe("cancelled");
  const target = w.ask("job", { job }).targets[0]?.device ?? "";
  const reply = w.sync({ holding: [held], boots: [{ job, device: target }] });
  expect(reply.revoked).toEqual([held]);
  expect(reply.ended).toEqual([{ job, device: target }]);
});

it("[G5] without the budget's answer nothing starts, and the job says what it waits for", () => {
  const w = new World(1, { permit: false });
  const job = w.install(["srv00000"]);
  expect(w.sync().leases).toEqual([]);
  expect(w.ask("job", { job }).targets[0]?.waitingOn).toBe("the fleet budget to answer");
  expect(w.core.nextAlarm(w.now)).toBeLessThanOrEqual(w.now);
  w.permit();
  expect(w.sync().leases).toHaveLength(1);
});

it("[G6] the kill switch holds the next step at once, and thawing asks the budget anew", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  const [lease] = w.sync().leases;
  if (!lease) throw new Error("no lease");
  w.do("fleet.poke", { frozen: true });
  expect(w.sync({ reports: [w.report(lease)] }).leases).toEqual([]);
  expect(w.ask("job", { job }).targets[0]?.waitingOn).toContain("kill switch");
  w.do("fleet.poke", { frozen: false });
  expect(w.sync().leases).toEqual([]);
  w.permit();
  expect(w.sync().leases).toHaveLength(1);
});

it("[L2] another agent takes over only after the first is long silent, and reads first", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  const b = w.enroll("b", "y".repeat(43));
  w.work((lease) => (lease.action === "bmc.power" ? undefined : {}));
  w.now += LEASE_TTL_MS + 1;
  w.do("tick", {});
  expect(w.sync({}, b).leases).toEqual([]);
  w.now += TAKEOVER_MS;
  const [lease] = w.sync({}, b).leases;
  expect(lease).toMatchObject({ action: "netboot.arm", resolve: true });
});

it("[S2] a revoked agent is refused, and what it held is lost to it at once", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.sync();
  w.do("agent.revoke", { agent: w.agent, actor: "token:t" });
  expect(
    w.refusal("agent.sync", {
      agent: w.agent,
      request: { v: 1, instance: "i", version: "1", free: 1, holding: [], reports: [], progress: [] },
    }),
  ).toBe("agent_revoked");
  expect(w.steps(job)["0:identify"]).toBe("unknown");
  expect(w.effects).toContainEqual({ kind: "hang-up", agent: w.agent });
  const b = w.enroll("b", "y".repeat(43));
  expect(w.sync({}, b).leases).toEqual([]);
  w.now += TAKEOVER_MS;
  expect(w.sync({}, b).leases).toHaveLength(1);
});

it("[J10] a job whose agent never comes back ends by itself", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.sync();
  for (let i = 0; i < MAX_ATTEMPTS && w.ask("job", { job }).state === "running"; i++) w.alarm();
  expect(w.ask("job", { job })).toMatchObject({ state: "failed", targets: [{ failure: { code: "agent_silent" } }] });
  expect(w.state("srv00000")).toBe("planned");
});

it("[E1] keeps a gapless hash chain of every change, and finds an edit, a gap and a swap", () => {
  const w = new World(2);
  w.install(["srv00000", "srv00001"]);
  w.work();
  const events = w.ask("ledger", { after: 0, limit: 1000 });
  expect(firstBreak(events, sha256)).toBeUndefined();
  const device = w.ask("device", { device: "srv00000" }).id;
  expect(events.filter((e) => e.id === device).map((e) => e.kind)).toEqual([
    "device.planned",
    "device.installing",
    "device.active",
  ]);
  expect(events.filter((e) => e.kind === "medium.written")).toHaveLength(2);
  expect(
    firstBreak(
      events.map((e) => (e.seq === 5 ? { ...e, actor: "someone" } : e)),
      sha256,
    )?.seq,
  ).toBe(5);
  expect(
    firstBreak(
      events.filter((e) => e.seq !== 5),
      sha256,
    )?.seq,
  ).toBe(5);
});

it("goes on after losing its memory", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  for (let i = 0; i < 12; i++) {
    const reply = w.sync();
    w.evict();
    w.sync({ reports: reply.leases.map((l) => w.report(l)), free: 0 });
  }
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[C5] an event page continues where the last one ended, without gaps", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.work();
  const all = w.ask("events", { job, after: 0, limit: 1000 });
  expect(all.map((e) => e.seq)).toEqual(all.map((_, i) => i + 1));
  expect(w.ask("events", { job, after: 5, limit: 3 }).map((e) => e.seq)).toEqual([6, 7, 8]);
});

it("[G5] keeps a living permit when the budget falls silent, asks again soon, and stops when it has run out", () => {
  const w = new World(1, { permit: false });
  w.install(["srv00000"]);
  w.do("permit.set", { permit: { granted: true, frozen: false, expiresAt: w.now + 60_000, reason: "" } });
  expect(w.ask("permit.due", { now: w.now })).toBe(false);
  w.now += 31_000;
  expect(w.ask("permit.due", { now: w.now })).toBe(true);
  w.do("permit.set", { permit: null });
  expect(w.ask("permit.due", { now: w.now })).toBe(false);
  expect(w.sync().leases).toHaveLength(1);
  w.now += 30_000;
  w.do("permit.set", { permit: null });
  w.do("tick", {});
  w.now += LEASE_TTL_MS;
  w.do("tick", {});
  expect(w.sync().leases).toEqual([]);
});
