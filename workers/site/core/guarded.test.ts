/** Guards where they count: in the transaction that starts a step, again for each one that disrupts (G8). */
import { expect, it } from "vitest";
import type { Policy } from "../../../shared/model/policy.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import { outage } from "./test-workflows.ts";
import { siteOf, World } from "./test-world.ts";

const actor = "token:admin";
const names = (n: number, from = 0) => Array.from({ length: n }, (_, i) => `srv${String(from + i).padStart(5, "0")}`);
const HOUR = 3_600_000;
const nights = { name: "nights", rrule: "FREQ=DAILY;BYHOUR=22;BYMINUTE=0", timeZone: "UTC", minutes: 360 };
const floor = (count: number): Omit<Policy, "schema" | "site"> => ({
  pools: [{ name: "web", members: { roles: ["compute"] }, floor: { count } }],
});

function apply(w: World, policy: Omit<Policy, "schema" | "site">): void {
  const base = w.sql.get<{ n: number }>("SELECT count(*) AS n FROM policy")?.n ?? 0;
  const text = JSON.stringify({ schema: "turnup/policy/v1", site: "ams01", ...policy });
  w.do("policy.apply", { base, text, reason: "tested", actor });
}

/** A site whose machines are all in service. */
function serving(n: number, policy: Omit<Policy, "schema" | "site">): World {
  const w = new World(n, { workflows: [outage] });
  w.now = Date.UTC(2026, 10, 25, 12);
  w.permit();
  w.serve();
  apply(w, policy);
  return w;
}

/** Brings the machines of a job, or of all, up to their first disruptive step, and returns what is leased of those. */
function upToOff(w: World): Lease[] {
  const reads = w.sync().leases;
  return w.sync({ reports: reads.map((l) => w.report(l)) }).leases;
}
const down = (w: World) =>
  w.sql.all<{ name: string }>("SELECT name FROM device WHERE state <> 'active' ORDER BY name").map((d) => d.name);
const heldBy = (w: World, device: string) => {
  const { heldBy, waitingOn } = w.ask("explain", { device, agents: [] });
  if (heldBy) expect(waitingOn).toBe(heldBy.text);
  return heldBy?.code;
};

it("[G1][G8] two jobs at once take no more machines out than the floor lets, whoever asks first", () => {
  const w = serving(6, { ...floor(4), caps: { disruptive: 6 } });
  w.start("test.outage", names(3));
  w.start("test.outage", names(3, 3));
  const off = upToOff(w);
  expect(off.map((l) => l.name)).toEqual(["off", "off"]);
  expect(down(w)).toHaveLength(2);
  expect(heldBy(w, "srv00005")).toBe("below_floor");
  // One ends: the next may go, and in the end all have been out, never more than two at once.
  const most: number[] = [];
  w.work(() => {
    most.push(down(w).length);
    return {};
  });
  // What was leased before all this is lost, read, and goes on.
  w.now += 61_000;
  w.do("tick", {});
  w.work(() => {
    most.push(down(w).length);
    return {};
  });
  expect(Math.max(...most)).toBe(2);
  expect(w.ask("jobs", { limit: 2 }).items.map((j) => j.state)).toEqual(["succeeded", "succeeded"]);
});

it("[G1][G8] the floor is asked again when the step starts, not only when the job was accepted", () => {
  const w = serving(3, floor(2));
  const { plan, hash } = w.do("plan.create", { workflow: "test.outage", targets: names(1), params: {}, actor });
  w.do("job.create", { key: "k", body: "k", actor, plan: plan.id, hash });
  const [read] = w.sync().leases;
  w.sql.run("UPDATE device SET state = 'failed' WHERE name = 'srv00002'");
  w.evict();
  expect(w.sync({ reports: read ? [w.report(read)] : [] }).leases).toEqual([]);
  expect(heldBy(w, "srv00000")).toBe("below_floor");
  expect(down(w)).toEqual(["srv00002"]);
});

it("[G5] so many machines of a rack are out at once, from their first disruptive step to the end of their target", () => {
  const w = serving(4, { caps: { disruptive: 3, perRack: 1 } });
  w.start("test.outage", names(2));
  const [off] = upToOff(w);
  // Between its disruptive steps nothing of it is at work that would disrupt; its place is kept.
  const [look] = w.sync({ reports: off ? [w.report(off)] : [] }).leases;
  expect([off?.name, look?.name, heldBy(w, "srv00001")]).toEqual(["off", "look", "cap_full"]);
  w.work();
  w.now += 120_000;
  w.do("tick", {});
  w.work();
  w.work();
  expect(down(w)).toEqual([]);
});

it("[G3] waits for the window without running out of time, is woken for it, and says until when", () => {
  const w = serving(2, { windows: [nights] });
  const job = w.start("test.outage", names(1));
  expect(upToOff(w)).toEqual([]);
  expect(w.ask("explain", { device: "srv00000", agents: [] }).heldBy).toMatchObject({
    ...{ guard: "window", code: "window_closed", until: Date.UTC(2026, 10, 25, 22) },
  });
  // J3: a ready step fails after six hours in which it may start; in these it may not.
  for (; w.now < Date.UTC(2026, 10, 25, 21, 50); w.now += HOUR / 2) {
    w.do("tick", {});
    expect(w.sync().leases).toEqual([]);
  }
  w.drain();
  expect(w.core.nextAlarm(w.now)).toBe(Date.UTC(2026, 10, 25, 22));
  w.now = Date.UTC(2026, 10, 25, 22);
  w.effects.length = 0;
  w.do("tick", {});
  expect(w.effects).toContainEqual({ kind: "ring" });
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[G3][G8] a freeze that begins while a machine is down holds its next disruptive step, and the end of it lets it go on", () => {
  const w = serving(2, {});
  const job = w.start("test.outage", names(1));
  const [off] = upToOff(w);
  const iso = (at: number) => new Date(at).toISOString();
  const freeze = { name: "peak", from: iso(w.now), until: iso(w.now + HOUR), reason: "sale" };
  apply(w, { freezes: [freeze] });
  const [look] = w.sync({ reports: off ? [w.report(off)] : [] }).leases;
  // What only looks goes on.
  expect(look?.name).toBe("look");
  expect(w.sync({ reports: look ? [w.report(look)] : [] }).leases).toEqual([]);
  expect(heldBy(w, "srv00000")).toBe("freeze_on");
  w.now += HOUR;
  w.permit();
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[G7] a hold wins over everything: no step of a first install starts, nor one that was lost", () => {
  const w = new World(2);
  const hold = (until?: string) => ({
    holds: [{ on: "device:srv00000", owner: "anna", reason: "data rescue", ...(until !== undefined && { until }) }],
  });
  apply(w, hold());
  w.start("server.install", names(2));
  expect(w.sync().leases.map((l) => l.target.name)).toEqual(["srv00001"]);
  expect(heldBy(w, "srv00000")).toBe("held");
  w.do("policy.unhold", { on: "device:srv00000", reason: "rescued", actor });
  expect(w.sync().leases.map((l) => l.target.name)).toContain("srv00000");
  apply(w, hold());
  // Its lease runs out: the attempt is lost, and who holds the machine decides when it is read.
  w.now += 61_000;
  w.do("tick", {});
  expect(w.sync().leases.filter((l) => l.target.name === "srv00000")).toEqual([]);
  expect(heldBy(w, "srv00000")).toBe("held");
});

it("[G8] a lease whose reply was lost is taken back when a guard holds it by then", () => {
  const w = serving(2, {});
  w.start("test.outage", names(1));
  const [off] = upToOff(w);
  apply(w, { holds: [{ on: "site", owner: "anna", reason: "fire drill" }] });
  expect([off?.name, w.sync({ instance: "other" }).leases]).toEqual(["off", []]);
  expect(heldBy(w, "srv00000")).toBe("held");
});

it("[G1] the counts follow what was rolled back, another policy, and an import", () => {
  const w = serving(3, { ...floor(2), caps: { disruptive: 3 } });
  const job = w.start("test.outage", names(3));
  expect(upToOff(w)).toHaveLength(1);
  expect(() =>
    w.sql.transact(() => {
      w.sql.run("UPDATE device SET state = 'active' WHERE name = 'srv00000'");
      w.ask("job", { job });
      throw new Error("undo");
    }),
  ).toThrow("undo");
  expect(heldBy(w, "srv00001")).toBe("below_floor");
  w.do("site.import", { site: siteOf(5), actor });
  w.sql.run("UPDATE device SET state = 'active' WHERE name IN ('srv00003', 'srv00004')");
  w.evict();
  expect(heldBy(w, "srv00001")).toBeUndefined();
  apply(w, { ...floor(4), caps: { disruptive: 3 } });
  expect(heldBy(w, "srv00001")).toBe("below_floor");
});

it("[J10] steps that a guard holds keep no others waiting, however many they are", () => {
  const w = new World(1_400, { workflows: [outage] });
  w.serve();
  const rest = { pools: [{ name: "web", members: { devices: names(1_300) }, floor: { count: 1_300 } }] };
  apply(w, { ...rest, caps: { disruptive: 10 } });
  w.start("test.outage", names(1_400));
  const reads = w.sync({ free: 2_000 }).leases;
  w.sync({ reports: reads.map((l) => w.report(l)), free: 0 });
  const given = [w.sync({ free: 20 }), w.sync({ free: 20 })].flatMap((reply) => reply.leases);
  const off = given.filter((l) => !l.resolve);
  expect([reads.length, off.length]).toEqual([1_400, 10]);
  expect(off.every((l) => l.target.name >= "srv01300")).toBe(true);
});
