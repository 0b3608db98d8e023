import { expect, it } from "vitest";
import { seeded } from "../../../shared/seeded.ts";
import type { Sql, SqlValue } from "../../../shared/sql.ts";
import { workflows } from "../../workflows/index.ts";
import { NodeSql } from "../node-sql.ts";
import { verifyEd25519 } from "../platform.ts";
import type { CommandKind, Commands } from "./commands.ts";
import { SiteCore } from "./core.ts";
import { sha256, World } from "./test-world.ts";

/** The same database, in which the nth write of a transaction fails, as a full disk does. */
class Failing implements Sql {
  failAt = Number.POSITIVE_INFINITY;
  writes = 0;
  readonly #sql: Sql;
  constructor(sql: Sql) {
    this.#sql = sql;
  }
  all<T>(statement: string, ...params: SqlValue[]): T[] {
    return this.#sql.all<T>(statement, ...params);
  }
  get<T>(statement: string, ...params: SqlValue[]): T | undefined {
    return this.#sql.get<T>(statement, ...params);
  }
  run(statement: string, ...params: SqlValue[]): void {
    this.writes += 1;
    if (this.writes === this.failAt) throw new Error("the disk is full");
    this.#sql.run(statement, ...params);
  }
  transact<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    this.writes = 0;
    return this.#sql.transact(body);
  }
  written = () => this.#sql.written();
}

const actor = "token:op";
const dump = (w: World) =>
  w.sql
    .all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .map(({ name }) => [name, w.sql.all(`SELECT * FROM "${name}"`)]);

/** A command, and what must have been done before it. */
interface Case<K extends CommandKind> {
  kind: K;
  prepare(w: World): Commands[K]["in"];
}
const one = <K extends CommandKind>(kind: K, prepare: (w: World) => Commands[K]["in"]): Case<K> => ({ kind, prepare });
const sync = (w: World, more: object): Commands["agent.sync"]["in"] => ({
  agent: w.agent,
  request: { v: 1, instance: "i", version: "1", free: 10, holding: [], reports: [], progress: [], ...more },
});
const intent = { workflow: "server.install", targets: ["srv00000", "srv00001"], params: {}, actor };

const cases = [
  one("plan.create", () => intent),
  one("job.create", () => ({ ...intent, key: "k", body: "b" })),
  one("job.cancel", (w) => ({ job: w.install(["srv00000"]), actor, reason: "" })),
  one("job.pause", (w) => ({ job: w.install(["srv00000"]), actor, reason: "" })),
  one("job.retry", (w) => {
    const job = w.install(["srv00000"]);
    w.work(() => ({ outcome: "failed", failure: { code: "bom_mismatch", detail: "" } }));
    return { job, actor };
  }),
  one("agent.sync", (w) => {
    w.install(["srv00000", "srv00001"]);
    const { leases } = w.sync();
    return sync(w, { reports: leases.map((l) => w.report(l)), holding: leases.map((l) => l.id) });
  }),
  one("agent.revoke", (w) => {
    w.install(["srv00000", "srv00001"]);
    w.sync();
    return { agent: w.agent, actor };
  }),
  one("tick", (w) => {
    w.install(["srv00000", "srv00001"]);
    w.sync();
    w.now += 61_000;
    return {};
  }),
];

it.each(cases.map((c) => [c.kind, c] as const))(
  "[C2] %s: whichever of its writes fails, nothing of it is left, and it works the next time",
  (_, c) => {
    const prepare = c.prepare as (w: World) => Commands[CommandKind]["in"];
    let failed = 0;
    for (let failAt = 1; ; failAt++) {
      const w = new World(2);
      const input = prepare(w);
      const before = dump(w);
      const sql = new Failing(w.sql);
      const core = new SiteCore(sql, { sha256, verify: verifyEd25519, workflows });
      const run = () => core.apply({ now: w.now, random: seeded(3) }, c.kind, input);
      sql.failAt = failAt;
      let thrown: unknown;
      try {
        run();
      } catch (error) {
        thrown = error;
      }
      sql.failAt = Number.POSITIVE_INFINITY;
      if (thrown === undefined) break;
      failed += 1;
      expect(thrown).toMatchObject({ message: "the disk is full" });
      expect(dump(w)).toEqual(before);
      expect(run().reply.ok).toBe(true);
      w.sql.close();
    }
    expect(failed).toBeGreaterThan(0);
  },
);

it("opens on a database that another process has left in any state", () => {
  const sql = new NodeSql();
  new SiteCore(sql, { sha256, verify: verifyEd25519, workflows });
  expect(() => new SiteCore(sql, { sha256, verify: verifyEd25519, workflows })).not.toThrow();
});
