/** Which job is newer, and which goes first: told by their numbers, never by a clock, which may be set back. */
import { describe, expect, it } from "vitest";
import { seeded } from "../../../shared/seeded.ts";
import { NodeSql } from "../node-sql.ts";
import { migrate, schemaVersion } from "./schema.ts";
import { World } from "./test-world.ts";

const actor = "token:op";
const one = "srv00000";
const HOUR = 3_600_000;

/** A job on the first machine that ends at its first step. */
function failing(w: World, key: string): string {
  const job = w.install([one], key);
  w.work(() => ({ outcome: "failed", failure: { code: "identity_mismatch", detail: "as the test says" } }));
  return job;
}

describe("a clock that is set back by an hour", () => {
  it("[J8] does not make the older of two jobs the one that may be tried again", () => {
    const w = new World(1);
    const older = failing(w, "k1");
    w.now -= HOUR;
    w.permit();
    const newer = failing(w, "k2");
    expect(w.refusal("job.retry", { job: older, actor })).toBe("retry_refused");
    expect(w.ask("explain", { device: one, agents: [] }).job).toBe(newer);
    expect(w.do("job.retry", { job: newer, actor }).state).toBe("running");
  });

  it("leaves the list of jobs newest first, page by page", () => {
    const w = new World(1);
    const made = ["k1", "k2", "k3"].map((key) => {
      w.now -= HOUR;
      w.permit();
      return failing(w, key);
    });
    const seen: string[] = [];
    for (let cursor: string | undefined, pages = 0; pages < 3; pages++) {
      const page = w.ask("jobs", { limit: 1, cursor });
      seen.push(...page.items.map((job) => job.id));
      cursor = page.next ?? undefined;
    }
    expect(seen).toEqual(made.reverse());
    expect(() => w.ask("jobs", { limit: 1, cursor: "1800000000000/job_x" })).toThrow("bad_request");
  });

  it("[J10] keeps no step waiting for the time that the clock has lost", () => {
    const w = new World(2);
    const lost = w.install([one], "k1");
    const [lease] = w.sync().leases;
    const waiting = w.install(["srv00001"], "k2");
    w.sync({ reports: [w.report(lease ?? fail(), { outcome: "unknown" })], free: 0 });
    w.now -= HOUR;
    w.permit();
    expect(w.sync().leases.map((l) => [l.job, l.resolve])).toEqual([
      [lost, true],
      [waiting, false],
    ]);
  });
});

const fail = (): never => {
  throw new Error("no lease");
};

it("[G5] whatever the clock does, no job goes before an older one but by its priority", () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = seeded(seed);
    const below = (n: number) => random.uint32() % n;
    const w = new World(40);
    const jobs = Array.from({ length: 40 }, (_, n) => {
      w.now += (below(21) - 10) * HOUR;
      const priority = below(10);
      const id = w.start("server.install", [`srv${String(n).padStart(5, "0")}`], { key: `k${n}`, priority });
      return { id, seq: n, priority };
    });
    w.permit();
    const order: string[] = [];
    const holding: string[] = [];
    while (order.length < jobs.length) {
      const { leases } = w.sync({ free: 1 + below(3), holding });
      if (leases.length === 0) throw new Error(`seed ${seed}: nothing more starts after ${order.length}`);
      for (const lease of leases) {
        order.push(lease.job);
        holding.push(lease.id);
      }
    }
    const place = (id: string) => order.indexOf(id);
    for (const older of jobs)
      for (const newer of jobs.slice(older.seq + 1)) {
        const worth = 20 * (newer.priority - older.priority);
        const overtakes = newer.seq - older.seq < worth;
        expect(place(newer.id) < place(older.id), `seed ${seed}: ${JSON.stringify({ older, newer })}`).toBe(overtakes);
      }
  }
});

it("[G5] starves no job: of any number of jobs of the highest priority, fewer than 180 go before an older one of the lowest", () => {
  const w = new World(190);
  const last = w.start("server.install", [one], { key: "k0", priority: 0 });
  for (let n = 1; n < 190; n++)
    w.start("server.install", [`srv${String(n).padStart(5, "0")}`], { key: `k${n}`, priority: 9 });
  expect(w.sync({ free: 190 }).leases.findIndex((l) => l.job === last)).toBe(179);
});

it("numbers the jobs of an older version by when they were accepted, and ranks their steps anew", () => {
  const sql = new NodeSql();
  migrate(sql, 7);
  const insert = (id: string, at: number, priority: number) => {
    sql.run(
      `INSERT INTO job (id, plan, plan_hash, workflow, requester, state, created_at, priority) VALUES (?, '', '', '', '', 'running', ?, ?)`,
      id,
      at,
      priority,
    );
    sql.run(
      `INSERT INTO step (job, n, device, state, attempt, failures, resolve, body, rank) VALUES (?, 0, 'd', 'ready', 0, 0, 0, '{"action":"bmc.identify"}', ?)`,
      id,
      at - priority * 900_000,
    );
  };
  insert("c", 1_000, 0);
  insert("b", 2_000, 9);
  insert("a", 2_000, 5);
  migrate(sql);
  expect(schemaVersion(sql)).toBeGreaterThan(7);
  expect(sql.all("SELECT id, seq FROM job ORDER BY seq")).toEqual([
    { id: "c", seq: 1 },
    { id: "a", seq: 2 },
    { id: "b", seq: 3 },
  ]);
  expect(sql.all<{ job: string }>("SELECT job FROM step ORDER BY rank").map((s) => s.job)).toEqual(["b", "a", "c"]);
});
