/** Long queues: who waits for his turn, while others are at work, waits for nobody silent. */
import { expect, it } from "vitest";
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { outage } from "./test-workflows.ts";
import { siteOf, World } from "./test-world.ts";

const names = (n: number, from = 0) => Array.from({ length: n }, (_, i) => `srv${String(from + i).padStart(5, "0")}`);
const MINUTE = 60_000;

/** An agent with so much room takes its time for each step; ends when nothing is open any more, or after so long. */
function runSlowly(w: World, room: number, perStep: number, longest: number): void {
  const held: { lease: Lease; until: number }[] = [];
  for (const end = w.now + longest; w.now < end; w.now += MINUTE / 2) {
    const done = held.filter((h) => h.until <= w.now);
    for (const h of done) held.splice(held.indexOf(h), 1);
    const reply = w.sync({
      reports: done.map((h) => w.report(h.lease)),
      holding: held.map((h) => h.lease.id),
      free: room - held.length,
    });
    for (const lease of reply.leases) held.push({ lease, until: w.now + perStep });
    w.do("tick", {});
    if (held.length === 0) return;
  }
}

it.each(["the agent has room for one", "the site has one place"])(
  "[J10][J3] no step fails for a wait of its turn, however long, while others are at work: %s",
  (why) => {
    const w = new World(12);
    if (why === "the site has one place")
      w.do("site.import", { site: { ...siteOf(12), atOnce: { steps: 1 } }, actor: "token:t" });
    const job = w.install(names(12));
    const began = w.now;
    runSlowly(w, why === "the site has one place" ? 10 : 1, 4.5 * MINUTE, 24 * 60 * MINUTE);
    expect(w.now - began).toBeGreaterThan(10 * 60 * MINUTE);
    expect(w.ask("job", { job }).targets.map((t) => t.state)).toEqual(Array(12).fill("succeeded"));
  },
);

it("[J10][J3] nor when the agent happens to be away for a moment just then", () => {
  const w = new World(2);
  const job = w.install(names(2));
  const [held] = w.sync({ free: 1 }).leases;
  if (!held) throw new Error("no lease");
  w.sql.run("UPDATE step SET at = at + ? WHERE state = 'leased'", 24 * 60 * MINUTE);
  for (const end = w.now + 6 * 60 * MINUTE - 2 * MINUTE; w.now < end; w.now += MINUTE / 2)
    w.sync({ holding: [held.id], free: 0 });
  w.now += 3 * MINUTE;
  w.do("tick", {});
  const states = w.ask("steps", { job }).map((step) => step.state);
  expect(states.filter((state) => state !== "blocked").sort()).toEqual(["ready", "unknown"]);
});

it("[J10][J3] a queue in which nobody is at work any more ends by itself", () => {
  const w = new World(12);
  const job = w.install(names(12));
  runSlowly(w, 1, 4.5 * MINUTE, 7 * 60 * MINUTE);
  expect(w.ask("job", { job }).targets.map((t) => t.state)).toContain("succeeded");
  // From here on the agent is not heard of any more.
  for (let n = 0; n < 20; n++) w.alarm();
  expect(w.ask("job", { job }).targets.map((t) => t.failure?.code ?? t.state)).toContain("agent_silent");
  expect(["failed", "partly"]).toContain(w.ask("job", { job }).state);
});

it("[G5] any number of steps that wait for one place keep no other step waiting", () => {
  const w = new World(252, { workflows: [outage] });
  w.serve(names(251));
  w.start("test.outage", names(251), { priority: 9 });
  const reads = w.sync({ free: 1_000 }).leases;
  const { leases } = w.sync({ reports: reads.map((l) => w.report(l)), free: 1_000 });
  expect([reads.length, leases.map((l) => l.name)]).toEqual([251, ["off"]]);
  const other = w.start("server.install", names(1, 251), { priority: 0 });
  const more = w.sync({ holding: leases.map((l) => l.id), free: 5 }).leases;
  expect(more.map((l) => l.job)).toEqual([other]);
});

it("[J3][J10][G5] what waits for the place of a lost attempt in a paused job waits for the person who paused it", () => {
  const w = new World(2);
  w.do("site.import", { site: { ...siteOf(2), atOnce: { actions: { "bmc.power": 1 } } }, actor: "t" });
  const first = w.install(names(1), "k1");
  w.workUpTo("bmc.power");
  w.now += LEASE_TTL_MS + 1;
  w.do("tick", {});
  w.do("job.pause", { job: first, actor: "token:anna", reason: "lunch" });
  const second = w.install(names(1, 1), "k2");
  w.work();
  for (let n = 0; n < 60 * 13; n++) {
    w.now += MINUTE;
    w.do("tick", {});
    w.sync();
  }
  const [target] = w.ask("job", { job: second }).targets;
  expect(target).toMatchObject({ state: "running", failure: null });
  expect(target?.waitingOn).toContain(`${first}, paused by token:anna, keeps one with a lost attempt`);
  w.do("job.resume", { job: first, actor: "token:anna" });
  w.work();
  expect([first, second].map((job) => w.ask("job", { job }).state)).toEqual(["succeeded", "succeeded"]);
});

it("[J3] what waits does not fail for want of an agent that was at work, however short its steps", () => {
  const w = new World(2);
  w.do("site.import", { site: { ...siteOf(2), atOnce: { steps: 1 } }, actor: "t" });
  const waits = w.start("server.install", names(1, 1), { key: "waits", priority: 0 });
  // One pair of hands: tries on the other machine go first, and each ends before it is renewed.
  for (let n = 0, end = w.now + 6 * 60 * MINUTE + MINUTE; w.now < end; n++) {
    w.start("server.install", names(1), { key: `k${n}`, priority: 9 });
    const [l] = w.sync({ free: 1 }).leases;
    if (!l) throw new Error("no lease");
    w.now += 20_000;
    const failed = { outcome: "failed" as const, result: undefined, failure: { code: "bom_mismatch", detail: "" } };
    w.sync({ holding: [l.id], reports: [w.report(l, failed)], free: 0 });
    w.now += 200_000;
    w.do("tick", {});
    if (l.job === waits) break;
  }
  expect(w.ask("job", { job: waits }).targets[0]?.failure?.code).not.toBe("agent_silent");
});
