import { expect, it } from "vitest";
import type { Sql, SqlRow, SqlValue } from "../../../shared/sql.ts";
import type { Counted } from "./guards/places.ts";
import { ReadyQueue, readyKinds, type Whose } from "./ready-queue.ts";
import { rack } from "./test-workflows.ts";
import { World } from "./test-world.ts";

const names = (n: number, from = 0) => Array.from({ length: n }, (_, i) => `srv${String(from + i).padStart(5, "0")}`);
const inOrder = "SELECT job, n FROM step WHERE state = 'ready' ORDER BY rank, job, n";

/** Three jobs, the last one with the highest priority; of each, steps of two actions are ready at many machines. */
function world(each: number): World {
  const w = new World(3 * each, { workflows: [rack] });
  for (const [i, priority] of [3, 3, 9].entries()) w.start("test.rack", names(each, i * each), { priority });
  const { leases } = w.sync({ free: 3 });
  w.sync({ reports: leases.map((lease) => w.report(lease)), free: 0 });
  return w;
}

/** The same database, which keeps what was asked and how many rows came. */
function watched(sql: Sql): { sql: Pick<Sql, "all" | "get">; asked: Set<string>; rows: () => number } {
  const asked = new Set<string>();
  let rows = 0;
  const all = <T = SqlRow>(statement: string, ...params: SqlValue[]): T[] => {
    asked.add(statement);
    const out = sql.all<T>(statement, ...params);
    rows += out.length;
    return out;
  };
  const get = <T = SqlRow>(statement: string, ...params: SqlValue[]): T | undefined => all<T>(statement, ...params)[0];
  return { sql: { all, get }, asked, rows: () => rows };
}

function drain(
  w: World,
  whose: Whose,
  hasPlace: (kind: Counted) => boolean = () => true,
  sql: Pick<Sql, "all" | "get"> = w.sql,
) {
  const queue = new ReadyQueue(sql, w.now, w.agent, whose, readyKinds(sql));
  const out: { job: string; n: number; action: string }[] = [];
  for (let step = queue.next(hasPlace); step; step = queue.next(hasPlace))
    out.push({ job: step.job, n: step.n, action: step.action });
  return out;
}

it("[J10] gives all that is ready, of whatever action, lowest rank first", () => {
  const w = world(60);
  expect(readyKinds(w.sql)).toEqual([
    { action: "bmc.accept", disruptive: 0 },
    { action: "bmc.identify", disruptive: 0 },
  ]);
  const all = w.sql.all(inOrder);
  expect(all).toHaveLength(3 * 59 * 2);
  expect(drain(w, "own").map(({ job, n }) => ({ job, n }))).toEqual(all);
  expect(drain(w, "others")).toEqual([]);
});

it("tells an agent's own machines, and those of nobody, from those of others", () => {
  const w = world(4);
  w.sync({ free: 2 });
  const b = w.enroll("b", "y".repeat(43));
  const begun = w.sql.all<{ device: string }>("SELECT device FROM step WHERE state = 'leased'");
  expect(begun).toHaveLength(2);
  const devices = JSON.stringify(begun.map(({ device }) => device));
  const ofBegun = w.sql.all(inOrder.replace("ORDER", "AND device IN (SELECT value FROM json_each(?)) ORDER"), devices);
  expect(ofBegun).toHaveLength(2);
  expect(drain(w, "others")).toEqual([]);
  w.agent = b;
  expect(drain(w, "others").map(({ job, n }) => ({ job, n }))).toEqual(ofBegun);
  expect(drain(w, "own")).toHaveLength(3 * 3 * 2 - 4);
});

it("[C4] reads nothing of an action that has no free place, however much of it waits", () => {
  const w = world(60);
  const { sql, rows } = watched(w.sql);
  const queue = new ReadyQueue(sql, w.now, w.agent, "own", readyKinds(w.sql));
  let places = 5;
  const next = () => queue.next((kind) => kind.action === "bmc.accept" && places > 0);
  for (let step = next(); step; step = next()) {
    expect(step.action).toBe("bmc.accept");
    places -= 1;
  }
  expect(places).toBe(0);
  expect(rows()).toBeLessThanOrEqual(16);
});

it("passes over what is paused, or not due yet", () => {
  const w = world(4);
  const [first, second] = w.sql.all<{ id: string }>("SELECT id FROM job ORDER BY seq");
  if (!first || !second) throw new Error("no jobs");
  w.do("job.pause", { job: first.id, actor: "token:t", reason: "test" });
  w.sql.run("UPDATE step SET at = ? WHERE job = ? AND state = 'ready' AND action = 'bmc.accept'", w.now + 1, second.id);
  const of = (job: string) => drain(w, "own").filter((step) => step.job === job);
  expect(of(first.id)).toEqual([]);
  expect(new Set(of(second.id).map((step) => step.action))).toEqual(new Set(["bmc.identify"]));
  w.now += 1;
  expect(of(second.id)).toHaveLength(6);
});

it("[C4] finds each page in the index, and sorts nothing", () => {
  const w = world(4);
  const { sql, asked } = watched(w.sql);
  drain(w, "own", () => true, sql);
  drain(w, "others", () => true, sql);
  expect(asked.size).toBe(3);
  for (const query of asked) {
    const plan = w.sql.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`).map((row) => row.detail);
    expect(plan[0]).toMatch(/^SEARCH step USING (COVERING )?INDEX step_ready \(.*action.*\)$/);
    expect(plan.filter((detail) => /TEMP B-TREE|SCAN step\b/.test(detail))).toEqual([]);
  }
});

it("[J10] an agent finds what it may take behind any number of steps that wait for another one", () => {
  const w = new World(651);
  const [a, b, c] = [w.agent, w.enroll("b", "y".repeat(43)), w.enroll("c", "z".repeat(43))];
  const [last = ""] = names(1, 650);
  // One agent begins a machine of a late job, and is revoked; another one begins all others and has its hands full.
  w.start("server.install", [last], { key: "late" });
  const [mine] = w.sync({ free: 1 }, c).leases;
  if (!mine) throw new Error("no lease");
  w.sync({ reports: [w.report(mine)], free: 0 }, c);
  w.do("agent.revoke", { agent: c, actor: "t" });
  w.start("server.install", names(650), { key: "early", priority: 9 });
  const { leases } = w.sync({ free: 650 }, a);
  w.sync({ reports: leases.filter((l) => l.target.name !== last).map((l) => w.report(l)), free: 0 }, a);
  const got: string[] = [];
  for (let n = 0; n < 12; n++) {
    w.now += 30_000;
    w.sync({ free: 0 }, a);
    got.push(...w.sync({ free: 5 }, b).leases.map((l) => l.target.name));
  }
  // Said again, as its agent does not say that it holds it.
  expect([...new Set(got)]).toEqual([last]);
});
