import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { SqlRow, SqlValue } from "../../../shared/sql.ts";
import { NodeSql } from "../node-sql.ts";
import { exportPage } from "./export.ts";
import { firstBreak } from "./ledger.ts";
import { migrate, migrations, newestSchema } from "./schema.ts";
import { exported, restored } from "./test-export.ts";
import { type PastLine, past } from "./test-past.ts";
import { rack, wipe } from "./test-workflows.ts";
import { sha256, World } from "./test-world.ts";
import { readMeta, type SiteRecord } from "./tx.ts";

/** Of each shipped step, the first half of the SHA-256 over its statements. */
const SHIPPED = [
  "e7d6d3cce7f16bc17d31efe98400b517",
  "42aa0f509bd610c790fbbfb9bc0eeeee",
  "ab0f871454c55d703236fa07e23d7b22",
  "3568ab9e3c781f5c49ce335a3ced146c",
  "11f0fe5313f4da77462cff716d886a24",
  "384f68b8571c90863e8406ffea110a42",
  "107d3ce94a1507562688090c3e2fcb70",
  "17cd34e70d62309a7605ee9ac175c886",
  "6a8d1af973597f71840e106472aea510",
  "456d9dff782966a9d4dbccf0a24e9b0e",
  "6d94b536cb801d618e86b06bf3af526e",
  "c5a4556f1523e75e71e14771279b6d53",
  "220bc6612c6bb153a604a65ce13b402e",
];

/** What a step fills a new column of old rows with, found once more from the rows themselves. */
const FILLED: Record<string, (row: SqlRow, of: Past) => SqlValue> = {
  "agent.quiet_since": () => null,
  "agent.process": () => null,
  "device.held": () => null,
  "audit.answered": () => "[]",
  "plan.approvals": () => 0,
  "job.mode": () => "first-install",
  "job.priority": () => 5,
  "job.paused": () => null,
  "job.due_at": (job) => (job.ended_at === null ? Number(job.created_at) + MONTH_MS : null),
  "job_target.due_at": (target, of) => (target.state === "waiting" ? of.createdAt(target.job) + MONTH_MS : null),
  "step.action": (step) => (JSON.parse(String(step.body)) as { action: string }).action,
  "step.disruptive": () => 0,
  "step.rank": (step, of) => of.rankOf(step.job),
  "job.seq": (job, of) => of.seqOf(job.id),
  "approval.statement": () => null,
  "approval.key": () => null,
  "approval.signature": () => null,
  "plan.outlived": () => 0,
};
/** Columns that a later step writes anew in every row, by the version that it makes. */
const REWRITTEN: Record<string, number> = { "step.rank": 8 };
const MONTH_MS = 30 * 86_400_000;
const DAY_MS = 86_400_000;

const older = Array.from({ length: newestSchema - 1 }, (_, i) => i + 1);
const fileOf = (version: number) => join(import.meta.dirname, `fixtures/schema-${version}.ndjson.gz`);

/** A database of a fixture (test-past.ts), just as the code of its version left it. */
class Past {
  readonly sql = new NodeSql();
  now = 0;

  constructor(lines: readonly PastLine[], database: "live" | "hold" = "live") {
    let wanted = false;
    for (const line of lines) {
      if ("database" in line) {
        wanted = line.database === database;
        if (wanted) this.now = line.now;
      } else if (!wanted) continue;
      else if ("sql" in line) this.sql.run(line.sql);
      else {
        const names = Object.keys(line.r).map((name) => `"${name}"`);
        const values = `VALUES (${names.map(() => "?").join(", ")})`;
        this.sql.run(`INSERT INTO "${line.t}" (${names.join(", ")}) ${values}`, ...Object.values(line.r));
      }
    }
  }

  createdAt(job: SqlValue | undefined): number {
    return Number(this.sql.get<SqlRow>("SELECT created_at FROM job WHERE id = ?", job ?? null)?.created_at);
  }
  /** As they were accepted. */
  seqOf(job: SqlValue | undefined): number {
    const jobs = this.sql.all<{ id: string }>("SELECT id FROM job ORDER BY created_at, id");
    return 1 + jobs.findIndex(({ id }) => id === job);
  }
  rankOf(job: SqlValue | undefined): number {
    const priority = Number(this.sql.get<SqlRow>("SELECT priority FROM job WHERE id = ?", job ?? null)?.priority);
    return 10 * (this.seqOf(job) - 20 * priority) + priority;
  }

  /** A world that goes on with it, so much later. */
  later(ms: number): World {
    const w = new World(0, { sql: this.sql, workflows: [rack, wipe(2)] });
    w.now = this.now + ms;
    w.agent = this.sql.get<{ id: string }>("SELECT id FROM agent WHERE name = 'a'")?.id ?? "";
    return w;
  }
}

const tablesOf = (sql: NodeSql) =>
  sql.all<{ name: string; sql: string }>("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name");
const schemaOf = (sql: NodeSql) => sql.all("SELECT type, name, sql FROM sqlite_master ORDER BY type, name");
const rowsOf = (sql: NodeSql, table: string) => sql.all<SqlRow>(`SELECT * FROM "${table}" ORDER BY 1, 2`);

/** Every job that can end well does so, whatever has to be asked again. */
function finish(w: World): void {
  w.permit();
  w.do("tick", {});
  w.work();
  for (const { id } of w.sql.all<{ id: string }>("SELECT id FROM job WHERE paused IS NOT NULL"))
    w.do("job.resume", { job: id, actor: "token:t" });
  for (const { job } of w.sql.all<{ job: string }>(
    "SELECT DISTINCT job FROM job_target WHERE state IN ('failed', 'waiting')",
  ))
    w.do("job.retry", { job, actor: "token:t" });
  w.work();
}

function expectAllDone(w: World): void {
  const states = w.ask("jobs", { limit: 100 }).items.map((job) => job.state);
  expect(states.length).toBeGreaterThanOrEqual(5);
  expect(states.filter((state) => state !== "succeeded")).toEqual(["cancelled"]);
  expect(rowsOf(w.sql, "lock")).toEqual([]);
  expect(firstBreak(w.ask("ledger", { after: 0, limit: 10_000 }), sha256)).toBeUndefined();
}

describe("the steps of the tables' schema", () => {
  it("are appended to, and never edited once they have shipped", () => {
    const hashes = migrations.map((statements) => sha256(JSON.stringify(statements)).slice(0, 32));
    const edited = SHIPPED.findIndex((hash, i) => hashes[i] !== hash);
    expect(
      edited,
      `Step ${edited + 1} of schema.ts is not what has shipped. Put it back as it was (git log -p), and append another step that does what you want. Only one that has not landed yet may still change, with its hash: ${hashes[edited]}.`,
    ).toBe(-1);
    expect(
      hashes.slice(SHIPPED.length),
      "A new step in schema.ts: add its hash to SHIPPED here, run `npm run fixture`, and commit both with it.",
    ).toEqual([]);
  });

  it("each have a site of the version before them to be tested on", () => {
    const missing = older.filter((version) => !existsSync(fileOf(version)));
    expect(missing, "Run `npm run fixture`, and commit what it makes in workers/site/core/fixtures/.").toEqual([]);
  });

  it("make all tables of an empty database", () => {
    const sql = new NodeSql();
    migrate(sql);
    expect(sql.get("SELECT version FROM schema_version")).toEqual({ version: newestSchema });
    const before = schemaOf(sql);
    migrate(sql);
    expect(schemaOf(sql)).toEqual(before);
  });
});

const kept = older
  .filter((version) => existsSync(fileOf(version)))
  .map((version) => {
    const lines = gunzipSync(readFileSync(fileOf(version)))
      .toString()
      .trimEnd()
      .split("\n");
    return { version, lines: lines.map((line) => JSON.parse(line) as PastLine) };
  });
const today = { version: newestSchema, lines: await past() };

it.each([...kept, today])(
  "the site with tables of version $version has a row in each of them",
  ({ version, lines }) => {
    const { sql } = new Past(lines);
    const hold = version >= 5 ? new Past(lines, "hold").sql : undefined;
    expect(sql.get("SELECT version FROM schema_version")).toEqual({ version });
    const isEmpty = (in_: NodeSql, name: string) => in_.get(`SELECT 1 FROM "${name}"`) === undefined;
    const empty = tablesOf(sql).filter(({ name }) => isEmpty(sql, name) && (!hold || isEmpty(hold, name)));
    expect(
      empty.map(({ name }) => name),
      "Have test-past.ts make rows for a new table.",
    ).toEqual([]);
    const states = sql.all<{ state: string }>("SELECT DISTINCT state FROM step").map((row) => row.state);
    const wanted = ["blocked", "ready", "leased", "running", "unknown", "succeeded", "failed", "cancelled"];
    expect(states.sort()).toEqual(wanted.sort());
    expect(sql.all("SELECT 1 FROM job_target WHERE state = 'waiting'")).toHaveLength(1);
    expect(sql.all("SELECT 1 FROM outbox WHERE parked IS NOT NULL")).toHaveLength(1);
  },
);

describe.each(kept)("a site with tables of version $version", ({ version, lines }) => {
  it.each(version >= 5 ? (["live", "hold"] as const) : (["live"] as const))(
    "gets the newest ones, with each row as it was and the new columns filled (%s)",
    (database) => {
      const past = new Past(lines, database);
      const { sql } = past;
      const tables = tablesOf(sql).filter(({ name }) => name !== "schema_version");
      const before = new Map(tables.map(({ name }) => [name, rowsOf(sql, name)]));
      migrate(sql);
      for (const [name, rows] of before) {
        const wanted = rows.map((row) => {
          const columns = sql.all<{ name: string }>(`PRAGMA table_info("${name}")`).map((c) => c.name);
          const isNew = (column: string) => !(column in row) || version < (REWRITTEN[`${name}.${column}`] ?? 0);
          const added = columns.filter(isNew);
          return { ...row, ...Object.fromEntries(added.map((c) => [c, FILLED[`${name}.${c}`]?.(row, past)])) };
        });
        expect(rowsOf(sql, name), name).toEqual(wanted);
      }
      const fresh = new NodeSql();
      migrate(fresh);
      expect(schemaOf(sql)).toEqual(schemaOf(fresh));
      expect(sql.all("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
    },
  );

  it.each([1_000, DAY_MS])("has its work done to its end, when the agent comes %i ms later", (ms) => {
    const w = new Past(lines).later(ms);
    finish(w);
    expectAllDone(w);
    const parked = w.ask("outbox", { limit: 100 }).items.filter((row) => row.parked !== null);
    expect(parked).toHaveLength(1);
    w.do("outbox.rebuild", { actor: "t" });
    w.now += 10_000;
    expect(w.drain().map((entry) => entry.id)).toContain(parked[0]?.id);
  });

  it("is restored from an export of that time as if it had been migrated", () => {
    const old = new Past(lines);
    const site = readMeta<SiteRecord>(old.sql, "site");
    if (!site) throw new Error("no site");
    const page = exportPage(old.sql, site, { token: "t", maxChars: Number.POSITIVE_INFINITY });
    const w = old.later(1_000);
    expect(exported(restored(page.lines, w, 3))).toEqual([
      page.lines[0]?.replace(/"schema":\d+/, `"schema":${newestSchema}`),
      ...exported(w).slice(1),
    ]);
  });
});

const held = kept.filter(({ version }) => version >= 5);
it.each(held)("a site on hold with tables of version $version is released", ({ lines }) => {
  const w = new Past(lines, "hold").later(1_000);
  expect(w.refusal("site.release", { actor: "t", without: [] })).toBe("agents_missing");
  for (const { id } of w.sql.all<{ id: string }>("SELECT id FROM agent")) {
    const { journal } = w.sync({ generation: 3 }, id);
    if (!journal) throw new Error("nothing was asked");
    w.sync({ generation: 3, journal: { ...journal, epoch: 5_000, attempts: [], complete: true } }, id);
  }
  const { site } = w.do("site.release", { actor: "t", without: [] });
  expect(site).toMatchObject({ generation: 3, hold: null });
  w.now += 150_000;
  w.do("tick", {});
  // An agent has told of work on a device that is not here.
  const { window = "", targets = [] } = w.sync({ free: 0 }).audit ?? {};
  const observations = targets.map((t) => ({ device: t.device, serial: t.serial, power: "Off" }));
  w.sync({ free: 0, audit: { window, observations } });
  finish(w);
  expectAllDone(w);
  expect(w.sql.all("SELECT epoch FROM step WHERE epoch > 5000").length).toBeGreaterThan(0);
});
