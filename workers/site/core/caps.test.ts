import { expect, it } from "vitest";
import type { AtOnce } from "../../../shared/model/site.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import { outage } from "./test-workflows.ts";
import { siteOf, World } from "./test-world.ts";

const names = (n: number, from = 0) => Array.from({ length: n }, (_, i) => `srv${String(from + i).padStart(5, "0")}`);
function world(servers: number, atOnce: AtOnce): World {
  const w = new World(servers);
  w.do("site.import", { site: { ...siteOf(servers), atOnce }, actor: "token:t" });
  return w;
}
const atWork = (w: World, action?: string) =>
  w.sql
    .all<{ action: string }>("SELECT action FROM step WHERE state IN ('leased', 'running', 'unknown')")
    .filter((s) => action === undefined || s.action === action).length;

it("[G5][G8] never has more steps at work than the site allows, and says what the others wait for", () => {
  const w = world(6, { steps: 4 });
  const job = w.install(names(6));
  const { leases } = w.sync();
  expect(leases).toHaveLength(4);
  const waits = w.ask("job", { job }).targets.map((t) => t.waitingOn);
  expect(waits.filter((t) => t === "a free place: 4 steps are at work at the site")).toHaveLength(2);
  // A second agent gets none of them either.
  expect(w.sync({}, w.enroll("b", "y".repeat(43))).leases).toEqual([]);
  expect(
    w.sync({ reports: leases.slice(0, 1).map((l) => w.report(l)), holding: leases.map((l) => l.id) }).leases,
  ).toHaveLength(1);
  expect(atWork(w)).toBe(4);
});

it("[G5] never has more steps of one action at work than allowed; steps of others pass by", () => {
  const w = world(6, { actions: { "bmc.inventory": 2 } });
  w.install(names(6));
  const most: number[] = [];
  let reports: ReturnType<World["report"]>[] = [];
  let held: Lease[] = [];
  for (let i = 0; i < 200; i++) {
    const { leases } = w.sync({ reports, holding: held.map((l) => l.id) });
    const reported = new Set(reports.map((r) => r.lease));
    held = [...held.filter((l) => !reported.has(l.id)), ...leases];
    most.push(atWork(w, "bmc.inventory"));
    if (held.length === 0) break;
    // One at a time ends, the oldest first.
    reports = held.slice(0, 1).map((l) => w.report(l));
  }
  expect(Math.max(...most)).toBe(2);
  expect(w.ask("jobs", { limit: 1 }).items[0]?.state).toBe("succeeded");
});

it("[G5] takes no more machines out of service at once than the site allows: one, until its file says more", () => {
  const w = new World(5, { workflows: [outage] });
  w.serve();
  const job = w.start("test.outage", names(5));
  const reads = w.sync().leases;
  const off = w.sync({ reports: reads.map((l) => w.report(l)) }).leases;
  expect([reads.length, off.map((l) => l.name)]).toEqual([5, ["off"]]);
  const { waitingOn, heldBy } = w.ask("job", { job }).targets[1] ?? {};
  expect([waitingOn, heldBy?.code]).toEqual([
    "a free place: 1 machine is out of service for jobs at the site",
    "cap_full",
  ]);
  w.do("site.import", { site: { ...siteOf(5), atOnce: { disruptive: 3 } }, actor: "token:t" });
  const more = w.sync({ holding: off.map((l) => l.id) }).leases;
  expect(more.map((l) => l.name)).toEqual(["off", "off"]);
  expect(w.sync({ holding: [...off, ...more].map((l) => l.id) }).leases).toEqual([]);
  // A first install takes nothing out of service (T5).
  const fresh = new World(3);
  fresh.install(names(3));
  expect(fresh.sync().leases).toHaveLength(3);
});

it("[G5] a lost attempt keeps its place until it was read", () => {
  const w = world(2, { steps: 1 });
  w.install(names(2));
  const [lease] = w.sync().leases;
  w.now += 61_000;
  w.do("tick", {});
  const next = w.sync().leases;
  expect(next.map((l) => [l.step, l.resolve])).toEqual([[lease?.step, true]]);
});

it("[J10] a step that may not start does not keep from work those behind it, however little room the agent has", () => {
  const w = new World(3);
  const b = w.enroll("b", "y".repeat(43));
  const job = w.install(names(1));
  w.sync({}, b);
  w.do("job.cancel", { job, actor: "token:t", reason: "" });
  // The agent b may still be in a call on the first machine of the next job.
  w.install(names(2), "k2");
  expect(w.sync({ free: 1 }).leases.map((l) => l.target.name)).toEqual(["srv00001"]);
});

it("shows what holds at the site: its file's numbers, else the product's", () => {
  expect(new World(1).ask("site", {}).atOnce).toEqual({
    steps: 2_000,
    disruptive: 1,
    actions: { "bmc.power": 40, "ramdisk.writeImage": 64 },
  });
  expect(world(1, { disruptive: 3, actions: { "ramdisk.writeImage": 20 } }).ask("site", {}).atOnce).toEqual({
    steps: 2_000,
    disruptive: 3,
    actions: { "bmc.power": 40, "ramdisk.writeImage": 20 },
  });
});
