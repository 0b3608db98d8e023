import { applyD1Migrations } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { sha256 } from "../site/platform.ts";
import { did, env, migrations, pastFleets } from "../test-fleet.ts";

/** Of each shipped migration, the first half of the SHA-256 over its statements. */
const SHIPPED = [
  "ad3885d0504fb47d25a260fe9b4788ed",
  "b0c4ec8cc3e4650b5ea4cdbdef644fa3",
  "dbb577a2307d0b196b1cdcf0c5dff3b0",
];

type Row = Record<string, string | number | null>;
interface PastRow {
  t: string;
  r: Row;
}

/** What a migration fills a new column of old rows with. */
const FILLED: Record<string, string | number | null> = { "site.generation": 1, "token.person": null };
/** What nothing had written by then. */
const unused = (version: number): string[] => (version < 3 ? ["approver"] : []);

const older = migrations.slice(1).map((_, i) => i + 1);
const nameOf = (version: number) => `workers/db/fixtures/fleet-${version}.ndjson.gz`;

async function tablesOf(db: D1Database): Promise<string[]> {
  const { results } = await db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>();
  return results.map(({ name }) => name).filter((name) => !/^(sqlite|_cf|d1)_/.test(name));
}

/** The database as it was after so many migrations, with the rows of that time. */
async function past(version: number): Promise<PastRow[]> {
  const db = env.DB;
  for (const name of [...(await tablesOf(db)), "d1_migrations"]) await db.exec(`DROP TABLE IF EXISTS "${name}"`);
  await applyD1Migrations(db, migrations.slice(0, version));
  const lines = (pastFleets[nameOf(version)] ?? "").trimEnd().split("\n");
  const rows = lines.map((line) => JSON.parse(line) as PastRow);
  await db.batch(
    rows.map(({ t, r }) => {
      const columns = Object.keys(r).map((column) => `"${column}"`);
      const values = columns.map(() => "?").join(", ");
      return db.prepare(`INSERT INTO "${t}" (${columns.join(", ")}) VALUES (${values})`).bind(...Object.values(r));
    }),
  );
  return rows;
}

describe("the migrations of the fleet's database", () => {
  it("are never edited once they have shipped, and each has rows of the version before it to be tested on", () => {
    const hashes = migrations.map(({ queries }) => sha256(JSON.stringify(queries)).slice(0, 32));
    const edited = SHIPPED.findIndex((hash, i) => hashes[i] !== hash);
    expect(
      edited,
      `${migrations[edited]?.name} is not what has shipped. Put it back as it was (git log -p migrations), and generate another one. Only one that has not landed yet may still change, with its hash: ${hashes[edited]}.`,
    ).toBe(-1);
    const missing = older.map(nameOf).filter((name) => !(name in pastFleets));
    expect(
      [...hashes.slice(SHIPPED.length), ...missing],
      "A new migration: add its hash to SHIPPED here, run `npm run fixture`, and commit both with it.",
    ).toEqual([]);
  });

  it.each(older)("keep every row as it was after %i of them, and today's API finds all", async (version) => {
    const rows = await past(version);
    const db = env.DB;
    const used = new Set(rows.map(({ t }) => t));
    expect((await tablesOf(db)).filter((name) => !used.has(name))).toEqual(unused(version));
    await applyD1Migrations(db, migrations);
    for (const table of used) {
      const { results } = await db.prepare(`SELECT * FROM "${table}"`).all<Row>();
      const added = Object.keys(results[0] ?? {}).filter((c) => !rows.some(({ t, r }) => t === table && c in r));
      const fill = Object.fromEntries(added.map((column) => [column, FILLED[`${table}.${column}`]]));
      const wanted = rows.filter(({ t }) => t === table).map(({ r }) => ({ ...r, ...fill }));
      const sorted = (list: readonly unknown[]) =>
        list.map((row) => JSON.stringify(row, Object.keys(wanted[0] ?? {}))).sort();
      expect(sorted(results), table).toEqual(sorted(wanted));
    }
    for (const list of ["tokens", "device-types", "sites", "devices", "assets", "jobs", "findings", "agents"]) {
      const { items } = await did<{ items: unknown[] }>("GET", `/v1/${list}`);
      expect(items.length, list).toBeGreaterThan(0);
    }
  });
});
