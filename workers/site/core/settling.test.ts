import { describe, expect, it } from "vitest";
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { seeded } from "../../../shared/seeded.ts";
import { TAKEOVER_MS } from "./handover.ts";
import { exported, restored } from "./test-export.ts";
import { release, tell, told } from "./test-told.ts";
import { World } from "./test-world.ts";

/** The object that a restore brings back, at this moment, with ids of its own. */
function restoredAt(lines: readonly string[], old: World, later: number): World {
  const w = restored(lines, old);
  w.random = seeded(99);
  w.now = old.now + later;
  return w;
}

/** Agent a works up to power-on and is in that call; then its site is replaced by one of an export from before. */
function drill(exportAt: "accepted" | "before the job", later = 3_000) {
  const old = new World(2);
  const b = old.enroll("b", "y".repeat(43));
  const before = exported(old);
  old.install(["srv00000"]);
  const lines = exportAt === "accepted" ? exported(old) : before;
  const leases: Lease[] = [];
  old.work((lease) => {
    leases.push(lease);
    return lease.action === "bmc.power" ? undefined : {};
  });
  const leaseEnd = old.now + LEASE_TTL_MS;
  const attempts = leases.map((l) => told(l, l.action === "bmc.power" ? "in flight" : "succeeded"));
  return { w: restoredAt(lines, old, later), b, attempts, leaseEnd };
}

/** What the agent is given until nothing more comes. */
function taken(w: World, agent: string): string[] {
  const names: string[] = [];
  w.work((lease) => {
    names.push(lease.name);
    return lease.action === "ramdisk.await" ? undefined : {};
  }, agent);
  return names;
}

describe("[L1][L2] a site that was released while a lease of the object before it lives", () => {
  it("gives a machine to no other agent than the one that is in a call on it", () => {
    const { w, b, attempts, leaseEnd } = drill("accepted");
    tell(w, attempts);
    tell(w, [], { agent: b });
    release(w);
    w.permit();
    w.now += 2_000;
    expect(w.now).toBeLessThan(leaseEnd);
    expect(taken(w, b)).toEqual([]);
  });

  it("nor when that agent was left out", () => {
    const { w, b } = drill("accepted");
    tell(w, [], { agent: b });
    release(w, { without: [w.agent] });
    w.permit();
    expect(taken(w, b)).toEqual([]);
    w.now += 149_000;
    expect(taken(w, b)).toEqual([]);
    w.now += 1_000;
    expect(taken(w, b)).not.toEqual([]);
  });

  it("nor when the export says that the other agent had the machine before", () => {
    const old = new World(1);
    const b = old.enroll("b", "y".repeat(43));
    old.install(["srv00000"]);
    const [first] = old.sync({}, b).leases;
    if (!first) throw new Error("no lease");
    old.sync({ reports: [old.report(first)], free: 0 }, b);
    const lines = exported(old);
    old.now += LEASE_TTL_MS;
    old.sync();
    old.now += TAKEOVER_MS;
    const power = old.workUpTo("bmc.power");
    const w = restoredAt(lines, old, 5_000);
    tell(w, [told(power, "in flight")]);
    tell(w, [], { agent: b });
    release(w);
    w.permit();
    expect(w.sync({}, b).leases).toEqual([]);
  });

  it("nor after its job was cancelled on hold", () => {
    const old = new World(1);
    const b = old.enroll("b", "y".repeat(43));
    const job = old.install(["srv00000"]);
    const held = old.workUpTo("ramdisk.await");
    const lines = exported(old);
    for (let n = 0; n < 10; n++) {
      old.now += 30_000;
      old.sync({ holding: [held.id] });
    }
    const w = restoredAt(lines, old, 5_000);
    tell(w, [told(held, "in flight")]);
    tell(w, [], { agent: b });
    w.do("job.cancel", { job, actor: "t", reason: "" });
    release(w);
    w.permit();
    w.install(["srv00000"], "again");
    expect(w.sync({}, b).leases).toEqual([]);
  });

  it("[J4] nor after an audit that read the machine meanwhile", () => {
    const { w, b, attempts } = drill("before the job");
    tell(w, attempts);
    tell(w, [], { agent: b });
    expect(release(w).unread).toEqual(["srv00000"]);
    w.permit();
    w.install(["srv00000"], "again");
    w.do("audit.start", { window: "by hand", actor: "t" });
    const read = (agent = w.agent) => {
      const { window = "", targets = [] } = w.sync({ free: 0 }, agent).audit ?? {};
      const observations = targets.map((t) => ({ device: t.device, serial: t.serial, power: "Off" }));
      w.sync({ free: 0, audit: { window, observations } }, agent);
      return window;
    };
    expect(read(b)).toBe("by hand");
    expect(taken(w, b)).toEqual([]);
    w.sync({ free: 0 });
    w.now += 150_000;
    w.do("tick", {});
    expect(taken(w, b)).toEqual([]);
    expect(read(b)).toBe("release:2");
    expect(taken(w, b)).not.toEqual([]);
  });

  it("[J4] nor after a reading of before the restore that comes late", () => {
    const old = new World(1);
    old.do("audit.start", { window: "w1", actor: "cron" });
    const targets = old.sync({ free: 0 }).audit?.targets ?? [];
    // The agent reads now, and its sync with that is lost.
    const observations = targets.map((t) => ({ device: t.device, serial: t.serial, power: "Off" }));
    const lines = exported(old);
    old.install(["srv00000"]);
    const write = old.workUpTo("ramdisk.writeImage");
    const w = restoredAt(lines, old, 10_000);
    w.sync({ audit: { window: "w1", observations: [] } });
    tell(w, [told(write, "in flight")]);
    expect(release(w).unread).toEqual(["srv00000"]);
    w.permit();
    w.sync({ free: 0, audit: { window: "w1", observations } });
    w.now += 150_000;
    w.do("tick", {});
    w.sync({ free: 0, audit: { window: "w1", observations } });
    w.install(["srv00000"], "again");
    expect(w.sync().leases).toEqual([]);
  });
});

describe("a site that settles after its release", () => {
  it("says what it waits for and until when, and wakes by then, counted from when an agent first came", () => {
    const { w, b, attempts } = drill("accepted");
    const came = w.now;
    tell(w, attempts);
    w.now += 40_000;
    tell(w, [], { agent: b });
    release(w);
    w.permit();
    const plan = w.do("plan.create", { workflow: "server.install", targets: ["srv00001"], params: {}, actor: "t" });
    const until = came + 150_000;
    expect(plan.guards).toContainEqual(expect.objectContaining({ code: "site_settling", verdict: "wait", until }));
    for (let n = 0; n < 50 && w.now < until; n++) w.alarm();
    expect(w.now).toBe(until);
    expect(w.sync({ free: 0 }).audit?.window).toBe("release:2");
    expect(w.sync().leases).not.toEqual([]);
  });

  it("waits for nothing where the hold lasted longer than any call of before", () => {
    const { w, b, attempts } = drill("accepted");
    tell(w, attempts);
    tell(w, [], { agent: b });
    w.now += 150_000;
    release(w);
    w.permit();
    expect(w.sync().audit?.window).toBe("release:2");
  });

  it("[C7] settles within its time when the clock was set back meanwhile", () => {
    const { w, b, attempts } = drill("accepted");
    tell(w, attempts);
    tell(w, [], { agent: b });
    release(w);
    w.now -= 86_400_000;
    w.permit();
    const back = w.now;
    for (let n = 0; n < 50 && w.now < back + 150_000; n++) w.alarm();
    expect(w.now).toBeLessThanOrEqual(back + 150_000);
    expect(w.sync({ free: 0 }).audit?.window).toBe("release:2");
  });

  it("[J4] begins its audit although a window of its name was used before", () => {
    const old = new World(1);
    old.do("audit.start", { window: "release:2", actor: "token:operator" });
    const targets = old.sync({ free: 0 }).audit?.targets ?? [];
    const observations = targets.map((t) => ({ device: t.device, serial: t.serial, power: "Off" }));
    old.sync({ free: 0, audit: { window: "release:2", observations } });
    const w = restoredAt(exported(old), old, 200_000);
    tell(w, []);
    w.now += 150_000;
    release(w);
    expect(w.sync({ free: 0 }).audit?.window).toBe("release:2+");
  });

  it("[E1] exports nothing of it", () => {
    const { w, b, attempts } = drill("accepted");
    tell(w, attempts);
    tell(w, [], { agent: b });
    release(w);
    expect(exported(w).filter((line) => line.includes("settling"))).toEqual([]);
  });
});
