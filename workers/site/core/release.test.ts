import { describe, expect, it } from "vitest";
import { type Lease, SyncReply } from "../../../shared/protocol/agent.ts";
import { firstBreak } from "./ledger.ts";
import { exported, restored } from "./test-export.ts";
import { type Head, release, releaseAndSettle, tell, told } from "./test-told.ts";
import { rack } from "./test-workflows.ts";
import { sha256, World } from "./test-world.ts";

const headOf = (w: World): Head => {
  const { seq, hash } = w.ask("ledger", { after: 0, limit: 10_000 }).at(-1) ?? { seq: 0, hash: "" };
  return { generation: 1, seq, hash };
};
/** A site whose agent is at its first step when it is exported, and then does the next three. */
function drill() {
  const old = new World(3);
  old.install(["srv00000"]);
  const leases: Lease[] = old.sync().leases;
  const lines = exported(old);
  for (let n = 0; n < 3; n++) {
    const lease = leases.at(-1);
    if (lease) leases.push(...old.sync({ reports: [old.report(lease)] }).leases);
  }
  return { old, lines, leases, attempts: leases.map((l, i) => told(l, i === 3 ? "in flight" : "succeeded")) };
}

describe("a restored site on hold", () => {
  it("starts nothing, renews nothing and lets nothing run out, and says what it waits for", () => {
    const { old, lines } = drill();
    const w = restored(lines, old);
    w.permit();
    const [job] = w.ask("jobs", { limit: 1 }).items;
    const waits = /a to tell what was done since the export; then an admin to release .*turnup site release ams01/;
    expect(w.ask("job", { job: job?.id ?? "" }).targets[0]?.waitingOn).toMatch(waits);
    const explained = w.ask("explain", { device: "srv00000", agents: [] });
    expect(explained.wouldChange.join()).toContain("turnup site release ams01");
    const plan = w.do("plan.create", { workflow: "server.install", targets: ["srv00001"], params: {}, actor: "t" });
    expect(plan.guards).toContainEqual({
      ...{ guard: "restore", verdict: "wait", code: "site_on_hold", until: null },
      text: expect.stringMatching(waits),
    });
    w.install(["srv00001"], "new");
    const before = w.sql.all("SELECT * FROM step ORDER BY job, n");
    w.now += 8 * 3_600_000;
    w.do("tick", {});
    expect(w.sync().leases).toEqual([]);
    expect(w.sql.all("SELECT * FROM step ORDER BY job, n")).toEqual(before);
    w.drain();
    expect(w.core.nextAlarm(w.now)).toBeNull();
    expect(w.ask("permit.due", { now: w.now })).toBe(false);
    expect(w.refusal("audit.start", { window: "x", actor: "cron" })).toBe("site_on_hold");
  });

  it("[L4] takes the report of an attempt that it knows", () => {
    const { old, lines, leases } = drill();
    const w = restored(lines, old);
    const [first] = leases;
    if (!first) throw new Error("no lease");
    expect(w.sync({ reports: [w.report(first)] }).acks).toEqual([first.id]);
    expect(Object.values(w.steps(first.job))[0]).toBe("succeeded");
  });

  it("waits for every agent that may work, and names those that have not come", () => {
    const { old, lines, attempts } = drill();
    const w = restored(lines, old);
    const code = () => w.refusal("site.release", { actor: "t", without: [] });
    expect(code()).toBe("agents_missing");
    expect(() => release(w)).toThrow("Not yet heard: a.");
    w.sync();
    expect(code()).toBe("agents_missing");
    tell(w, attempts);
    release(w);
    expect(code()).toBe("conflict");
    expect(w.ask("site", {})).toMatchObject({ generation: 2, hold: null });
  });

  it("goes on without an agent, which is revoked", () => {
    const { old, lines } = drill();
    const w = restored(lines, old);
    const { site } = release(w, { without: ["a"] });
    expect(site.hold).toBeNull();
    expect(() => w.sync()).toThrow("agent_revoked");
    expect(w.refusal("site.release", { actor: "t", without: ["nobody"] })).toBe("conflict");
  });
});

describe("the release", () => {
  it("[L2] gives epochs above all that were ever given, here or by the object that is replaced", () => {
    const { old, lines, attempts } = drill();
    for (let n = 0; n < 5; n++) {
      old.now += 200_000;
      old.do("tick", {});
      attempts.push(...old.sync().leases.map((l) => told(l, "dropped")));
    }
    const w = restored(lines, old);
    tell(w, attempts);
    releaseAndSettle(w);
    const [next] = w.sync().leases;
    expect(next?.epoch).toBeGreaterThan(Math.max(...attempts.map((a) => a.epoch)));
  });

  it("[J4] reads what agents know as newer before anything is done, and the job goes on to its end", () => {
    const { old, lines, attempts } = drill();
    const w = restored(lines, old);
    tell(w, attempts);
    expect(releaseAndSettle(w)).toMatchObject({ resolved: 4, unread: [], lost: [] });
    const resolving: string[] = [];
    w.work((lease) => {
      if (lease.resolve) resolving.push(lease.name);
      return {};
    });
    const names = w.ask("steps", { job: attempts[0]?.job ?? "" }).map((s) => s.name);
    expect(resolving).toEqual(names.slice(0, 4));
    expect(w.ask("jobs", { limit: 1 }).items[0]?.state).toBe("succeeded");
    expect(firstBreak(w.ask("ledger", { after: 0, limit: 10_000 }), sha256)).toBeUndefined();
  });

  it("[L1] loses one branch of a machine: the others wait for a person with it, and read first when they go on", () => {
    const old = new World(2, { workflows: [rack] });
    const job = old.start("test.rack", ["srv00000", "srv00001"]);
    for (const lease of old.sync().leases) old.sync({ reports: [old.report(lease)], free: 0 });
    const lines = exported(old);
    const leases: Lease[] = [];
    old.work((lease) => {
      if (lease.target.name === "srv00001") leases.push(lease);
      return {};
    });
    const w = restored(lines, old);
    tell(
      w,
      leases.map((lease) => told(lease)),
    );
    releaseAndSettle(w);
    expect(w.ask("steps", { job }).filter((s) => s.state === "unknown")).toHaveLength(1);
    const failure = { code: "machine_powered_on", detail: "" } as const;
    w.work(() => ({ outcome: "failed", failure }));
    expect(w.ask("job", { job }).targets[1]?.state).toBe("waiting");
    expect(w.sync().leases).toEqual([]);
    w.do("job.retry", { job, actor: "t" });
    const reads: (readonly [string, boolean])[] = [];
    w.work((lease) => {
      if (lease.target.name === "srv00001") reads.push([lease.name, lease.resolve]);
      return {};
    });
    expect(reads).toEqual([
      ["identify", true],
      ["power", true],
      ["look", true],
    ]);
    expect(w.ask("job", { job }).state).toBe("succeeded");
  });

  it("[J4] leaves a machine that was written after the export `failed` and not `planned`, where it cannot be read", () => {
    const { old, lines, attempts } = drill();
    const job = attempts[0]?.job ?? "";
    const write = old.ask("steps", { job }).find((s) => s.name === "write-image")?.n ?? 0;
    const [first] = attempts;
    if (!first) throw new Error("no attempt");
    const w = restored(lines, old);
    tell(w, [...attempts, { ...first, lease: "lse_write", epoch: 90, step: write, outcome: "succeeded" }]);
    releaseAndSettle(w);
    w.work(({ resolve }) =>
      resolve ? { outcome: "failed", failure: { code: "boot_closed", detail: "its boot has ended" } } : {},
    );
    expect(w.ask("job", { job }).targets[0]).toMatchObject({ state: "failed", failure: { code: "boot_closed" } });
    expect(w.state("srv00000")).toBe("failed");
  });

  it("holds a device back on which unknown work was done, until an audit has read it", () => {
    const { old, lines, attempts } = drill();
    old.install(["srv00001"], "later");
    const unknown = old.sync().leases.find((l) => l.target.name === "srv00001");
    if (!unknown) throw new Error("no lease");
    const w = restored(lines, old);
    tell(w, [...attempts, told(unknown, "in flight")]);
    expect(releaseAndSettle(w).unread).toEqual(["srv00001"]);
    expect(w.ask("findings", { limit: 10, state: "open" }).items).toMatchObject([
      { check: "unknown-work", objectName: "srv00001" },
    ]);
    const job = w.install(["srv00001"], "again");
    const reply = w.sync({ holding: [unknown.id], boots: [{ job: unknown.job, device: unknown.target.device }] });
    expect(reply.revoked).toEqual([unknown.id]);
    expect(reply.ended).toEqual([{ job: unknown.job, device: unknown.target.device }]);
    expect(reply.leases.map((l) => l.target.name)).not.toContain("srv00001");
    expect(w.ask("job", { job }).targets[0]?.waitingOn).toContain("an audit to read the machine");
    const { window = "", targets = [] } = reply.audit ?? {};
    expect(window).toBe("release:2");
    const read = targets.map((t) => ({ device: t.device, serial: t.serial, power: "Off" }));
    w.sync({ audit: { window, observations: read } });
    expect(w.ask("findings", { limit: 10, state: "open" }).items).toEqual([]);
    expect(w.sync().leases.map((l) => l.target.name)).toContain("srv00001");
  });

  it("holds a device back when the step had ended by the export and was run again after it", () => {
    const old = new World(1);
    const job = old.install(["srv00000"]);
    old.work((lease) => (lease.step === 0 ? { outcome: "failed", failure: { code: "bom_mismatch", detail: "" } } : {}));
    const lines = exported(old);
    const w = restored(lines, old);
    const device = w.ask("device", { device: "srv00000" }).id;
    tell(w, [{ lease: "lse_x", epoch: 9, job, step: 0, device, outcome: "succeeded" }]);
    expect(release(w).unread).toEqual(["srv00000"]);
  });

  it("[E1] refuses to lose ledger events that an agent knows of, unless the loss is written into the ledger", () => {
    const { old, lines, attempts } = drill();
    old.do("agent.invite", { tokenHash: "later", expiresAt: old.now + 1, actor: "t" });
    const head = headOf(old);
    const w = restored(lines, old);
    tell(w, attempts, { head });
    expect(() => release(w)).toThrow(`a knows event ${head.seq}`);
    expect(w.ask("site", {}).hold).not.toBeNull();
    const { lost } = release(w, { acceptLoss: "the newest export there is" });
    expect(lost).toMatchObject([{ name: "a", seq: head.seq, hash: head.hash }]);
    const events = w.ask("ledger", { after: 0, limit: 10_000 });
    expect(events.find((e) => e.kind === "site.restored")).toMatchObject({
      actor: "token:admin",
      data: { generation: 2, lost: { reason: "the newest export there is" } },
    });
    expect(firstBreak(events, sha256)).toBeUndefined();
    // What the agent knows of the old history counts no more.
    expect(w.sync({ generation: 2, head }).hold).toBeUndefined();
  });

  it("[E1] does not take what was written on hold for another history", () => {
    const { old, attempts } = drill();
    old.enroll("b", "y".repeat(43));
    const lines = exported(old);
    old.do("agent.invite", { tokenHash: "later", expiresAt: old.now + 1, actor: "t" });
    const w = restored(lines, old);
    tell(w, attempts, { head: headOf(old) });
    // Both write into the ledger, at the place of the event that the agent knows.
    w.do("agent.invite", { tokenHash: "new", expiresAt: w.now + 1, actor: "t" });
    const without = { actor: "t", without: ["b"] };
    expect(w.refusal("site.release", without)).toBe("ledger_behind");
    expect(release(w, { without: ["b"], acceptLoss: "the newest export there is" }).lost).toHaveLength(1);
  });

  it("[E1] takes a loss that was accepted once for no other history in the next restore", () => {
    const { old, lines, attempts } = drill();
    old.do("agent.invite", { tokenHash: "later", expiresAt: old.now + 1, actor: "t" });
    const second = restored(lines, old);
    tell(second, attempts, { head: headOf(old) });
    release(second, { acceptLoss: "the newest export there is" });
    // The agent is away until a third object has been restored: it knows nothing of the second one's ledger.
    const third = restored(exported(second), second, 3);
    tell(third, attempts, { head: headOf(old) });
    expect(release(third).lost).toEqual([]);
  });

  it("[E1] refuses another history, whatever is accepted", () => {
    const { old, lines, attempts } = drill();
    const w = restored(lines, old);
    tell(w, attempts, { head: { ...headOf(w), hash: "f".repeat(64) } });
    expect(w.refusal("site.release", { actor: "t", without: [], acceptLoss: "why not" })).toBe("ledger_forked");
  });
});

describe("[J4][L6] what the release believes", () => {
  it("applies no report again that was applied before the export", () => {
    const old = new World(1);
    const job = old.install(["srv00000"]);
    const [first] = old.sync().leases;
    if (!first) throw new Error("no lease");
    const failure = { code: "bmc_unreachable", detail: "" } as const;
    const report = old.report(first, { outcome: "failed", failure });
    old.sync({ reports: [report], free: 0 });
    const lines = exported(old);
    old.now += 70_000;
    const [second] = old.sync().leases;
    if (!second) throw new Error("no second lease");
    const w = restored(lines, old);
    tell(w, [told(second, "in flight")]);
    release(w);
    const step = () => w.sql.get("SELECT failures, state FROM step WHERE job = ? AND n = 0", job);
    expect(step()).toEqual({ failures: 1, state: "unknown" });
    const { refused } = w.sync({ reports: [report], free: 0 });
    expect(refused).toMatchObject([{ lease: first.id, code: "stale_epoch" }]);
    expect(step()).toEqual({ failures: 1, state: "unknown" });
  });

  it("[L2] no epoch that cannot have been given, also of a revoked agent", () => {
    const old = new World(1);
    const b = old.enroll("b", "y".repeat(43));
    old.install(["srv00000"]);
    const w = restored(exported(old), old);
    tell(w, [], { epoch: 70 });
    tell(w, [], { epoch: Number.MAX_SAFE_INTEGER, agent: b });
    releaseAndSettle(w, { without: ["b"] });
    const reply = w.sync();
    expect(SyncReply.safeParse(reply).success).toBe(true);
    expect(reply.leases[0]?.epoch).toBeGreaterThan(1_000_000_000);
    expect(reply.leases[0]?.epoch).toBeLessThan(2_000_000_000);
  });

  it("that a queued target was written, which does not end as planned", () => {
    const old = new World(1);
    const job = old.install(["srv00000"]);
    const lines = exported(old);
    const leases: Lease[] = [];
    old.work((lease) => {
      leases.push(lease);
      return lease.name === "write-image" ? undefined : {};
    });
    const w = restored(lines, old);
    tell(
      w,
      leases.map((l) => told(l, l.name === "write-image" ? "in flight" : "succeeded")),
    );
    release(w);
    w.do("job.cancel", { job, actor: "t", reason: "" });
    expect(w.ask("job", { job }).state).toBe("cancelled");
    expect(w.state("srv00000")).toBe("failed");
  });
});

describe("[E1] a site whose ledger was set back without a restore", () => {
  it("gives nothing to the agent that knows better, and it is a finding", () => {
    const { old, attempts } = drill();
    const head = headOf(old);
    const ahead = { ...head, seq: head.seq + 3 };
    expect(old.sync({ head }).hold).toBeUndefined();
    for (const wrong of [ahead, { ...head, hash: "0".repeat(64) }]) {
      old.now += 120_000;
      old.do("tick", {});
      expect(old.sync({ head: wrong })).toMatchObject({ hold: true, leases: [] });
    }
    expect(old.ask("findings", { limit: 10 }).items).toMatchObject([{ check: "ledger-head", times: 1 }]);
    const copy = restored(exported(old), old);
    tell(copy, attempts, { head: ahead });
    release(copy, { acceptLoss: "set back by hand" });
    expect(copy.ask("findings", { limit: 10, state: "open" }).items).toEqual([]);
  });
});
