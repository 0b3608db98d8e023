/** What a plan's view says of the guards, of the time and of what leaves service. */
import { expect, it } from "vitest";
import type { Policy } from "../../../shared/model/policy.ts";
import { hangingOn } from "./guards/redundancy.ts";
import { outage, wipe } from "./test-workflows.ts";
import { siteOf, World } from "./test-world.ts";

const actor = "token:admin";
const names = (n: number) => Array.from({ length: n }, (_, i) => `srv${String(i).padStart(5, "0")}`);
const noon = Date.UTC(2026, 10, 25, 12);

function serving(n: number, policy?: Omit<Policy, "schema" | "site">): World {
  const w = new World(n, { workflows: [outage, wipe(1)] });
  w.now = noon;
  w.permit();
  w.serve();
  const text = JSON.stringify({ schema: "turnup/policy/v1", site: "ams01", ...policy });
  if (policy) w.do("policy.apply", { base: 0, text, reason: "tested", actor });
  return w;
}
const plan = (w: World, targets: string[], workflow = "test.outage") =>
  w.do("plan.create", { workflow, targets, params: {}, actor });
const verdicts = (w: World, targets: string[]) =>
  Object.fromEntries(plan(w, targets).guards.map(({ guard, verdict, code }) => [guard, code ?? verdict]));

it("tells every guard's verdict now, the gravest of all targets, and whose it is", () => {
  const members = { roles: ["compute"] };
  const w = serving(4, {
    pools: [{ name: "web", members, floor: { count: 4 } }],
    groups: [{ name: "pair", kind: "other", members: ["srv00000", "srv00001"] }],
    holds: [{ on: "device:srv00001", owner: "anna", reason: "data rescue" }],
    freezes: [{ name: "peak", from: "2026-12-24T00:00:00Z", until: "2026-12-27T00:00:00Z", reason: "sale" }],
  });
  expect(verdicts(w, names(3))).toMatchObject({
    ...{ locks: "pass", restore: "pass", "fleet budget": "pass", freeze: "pass", window: "pass" },
    ...{ hold: "held", "floor of pool web": "below_floor", "group pair": "pass", caps: "pass" },
  });
  const { guards } = plan(w, names(3));
  expect(guards.find((g) => g.guard === "hold")?.text).toMatch(/data rescue, for srv00001$/);
  expect(guards.find((g) => g.guard === "floor of pool web")).toMatchObject({
    ...{ verdict: "refuse", text: expect.stringMatching(/none can go, for srv00000 and 2 more$/) },
  });
});

it("[G3] says from when on it may start, past windows, freezes and holds that follow each other", () => {
  const nights = { name: "nights", rrule: "FREQ=DAILY;BYHOUR=22;BYMINUTE=0", timeZone: "UTC", minutes: 360 };
  const freeze = { name: "peak", from: "2026-11-25T13:00:00Z", until: "2026-11-26T23:00:00Z", reason: "sale" };
  const held = { on: "site", owner: "anna", reason: "move" };
  expect(plan(serving(1), names(1)).earliest).toBeUndefined();
  expect(plan(serving(1, { windows: [nights] }), names(1)).earliest).toBe(Date.UTC(2026, 10, 25, 22));
  expect(plan(serving(1, { windows: [nights], freezes: [freeze] }), names(1)).earliest).toBe(
    Date.UTC(2026, 10, 26, 23),
  );
  const until = "2026-11-28T12:00:00Z";
  const all = { windows: [nights], freezes: [freeze], holds: [{ ...held, until }] };
  expect(plan(serving(1, all), names(1)).earliest).toBe(Date.UTC(2026, 10, 28, 22));
  expect(plan(serving(1, { holds: [held] }), names(1)).earliest).toBeNull();
});

it("[G1] counts what leaves service, for how long, and how close its floors come", () => {
  const members = { roles: ["compute"] };
  const w = serving(6, { pools: [{ name: "web", members, floor: { count: 3 } }], caps: { disruptive: 2 } });
  w.sql.run("UPDATE device SET state = 'failed' WHERE name = 'srv00005'");
  w.evict();
  expect(plan(w, names(3)).impact.outage).toEqual({
    // off 60, look 30, on 60, check 30.
    ...{ machines: 3, seconds: 180, atOnce: 2, losesRedundancy: [] },
    floors: [{ of: "pool web", machines: 6, inService: 5, after: 3, least: 3 }],
  });
  const fresh = new World(1);
  expect(plan(fresh, names(1), "server.install").impact.outage).toBeUndefined();
});

it("[G2] says what loses its stand-in: by its groups, and by what hangs on it", () => {
  const w = serving(3, { groups: [{ name: "pair", kind: "feed", members: ["srv00000", "srv00001"] }] });
  const cable = (a: number, b: number) => ({
    a: { device: names(3)[a] ?? "", port: `p${b}` },
    b: { device: names(3)[b] ?? "", port: `p${a}` },
  });
  w.do("site.import", { site: { ...siteOf(3), cables: [cable(0, 1), cable(0, 2)] }, actor });
  expect(plan(w, names(1)).impact.outage?.losesRedundancy).toEqual([
    "group pair: while srv00000 is out, only srv00001 of it is known to be in service",
    "srv00001, srv00002 hang on srv00000 alone",
  ]);
});

it("tells by the cables who hangs on whom, and by how many others besides", () => {
  const ends = (pairs: [string, string][]) =>
    pairs.map(([a, b], i) => ({ a: { device: a, port: `${i}` }, b: { device: b, port: `${i}` } }));
  const cables = ends([
    ...["s1", "s2", "s3", "s4", "s5", "s6", "s7"].map((s): [string, string] => [s, "tor-a"]),
    ...["s1", "s2", "s3", "s4", "s5", "s6", "x", "y"].map((s): [string, string] => [s, "tor-b"]),
    ["s1", "tor-a"],
  ]);
  expect(hangingOn(cables, ["tor-a"])).toEqual([
    "s7 hangs on tor-a alone",
    "without tor-a, s1, s2, s3, s4, s5 and 1 more keep 1 of 2 connections",
  ]);
  // A server may go: nothing hangs on it.
  expect(hangingOn(cables, ["s1", "unknown"])).toEqual([]);
});
