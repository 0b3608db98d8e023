/**
 * The site's tables as lines (shared/model/site-export.ts), in pages that are each read at one moment. Every table and
 * column there is goes out, but for what is listed here, so that a new one cannot be forgotten.
 */
import { EXPORT_FORMAT, type ExportHeader } from "../../../shared/model/site-export.ts";
import type { Sql, SqlRow, SqlValue } from "../../../shared/sql.ts";
import type { Queries } from "./commands.ts";
import { ledgerHead } from "./ledger.ts";
import { schemaVersion } from "./schema.ts";
import { readMeta, type SiteRecord } from "./tx.ts";

/**
 * No truth of the site: what waits for the read model, what agents told while on hold, the tables' own version. Nor are
 * the hashes of one-time enrolment tokens: an export opens no door, and a restored site makes new tokens.
 */
const LEFT_OUT = new Set(["outbox", "told_agent", "told_attempt", "schema_version", "enrol_token"]);
/**
 * Of this object and moment: a permit runs out, a meter counts rows of this object, a signed change is on its way to agents
 * for a while, the others say what it is at present.
 */
const META_LEFT_OUT = new Set([
  "permit",
  "meter",
  "hold",
  "settling",
  "restore",
  "fence",
  "drop",
  "away",
  "approver-changes",
]);

export interface Table {
  name: string;
  columns: string[];
  key: string[];
}

/** The tables of the site's truth, by name, as they are in this database. */
export function truthTables(sql: Sql): Table[] {
  return tableNames(sql)
    .filter((name) => !LEFT_OUT.has(name))
    .map((name) => {
      const info = sql.all<{ name: string; pk: number }>(`PRAGMA table_info(${name})`);
      const key = info.filter((c) => c.pk > 0).sort((a, b) => a.pk - b.pk);
      return { name, columns: info.map((c) => c.name), key: key.map((c) => c.name) };
    });
}

/** All tables of ours; the platform keeps some of its own beside them. */
export const tableNames = (sql: Sql): string[] =>
  sql
    .all<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    .map((row) => row.name)
    .filter((name) => !/^(sqlite|_cf)_/.test(name));

export const isTruth = (table: string, row: SqlRow): boolean => table !== "meta" || !META_LEFT_OUT.has(String(row.key));

export function exportHeader(sql: Sql, site: SiteRecord): ExportHeader {
  return {
    turnup: "site-export",
    format: EXPORT_FORMAT,
    schema: schemaVersion(sql),
    site: site.id,
    name: site.name,
    locationHint: site.locationHint,
    jurisdiction: site.jurisdiction,
    generation: site.generation ?? 1,
    epoch: readMeta<number>(sql, "epoch") ?? 0,
    ledger: ledgerHead(sql),
  };
}

/**
 * Rows read at a time: few enough that a page does not grow far beyond its limit. A part of a text has 400,000 characters,
 * a policy up to 256 Ki, what a step has found up to 128 Ki.
 */
const rowsAtOnce = ({ name }: Table): number => ({ text_part: 5, policy: 10, step: 50 })[name] ?? 200;

/**
 * The next lines after a place, about `maxChars` of them, and never far more: pages have to fit a message of 32 MiB. The
 * first page begins with the header.
 */
export function exportPage(
  sql: Sql,
  site: SiteRecord,
  input: Queries["export.page"]["in"],
): Queries["export.page"]["out"] {
  const lines: string[] = [];
  const rows: Record<string, number> = {};
  let chars = 0;
  const put = (line: string) => {
    lines.push(line);
    chars += line.length;
  };
  if (!input.after) put(JSON.stringify(exportHeader(sql, site)));
  for (const table of truthTables(sql)) {
    if (input.after && table.name < input.after.table) continue;
    let key = input.after?.table === table.name ? input.after.key : undefined;
    const limit = rowsAtOnce(table);
    for (let more = true; more; ) {
      const chunk = readChunk(sql, table, key, limit);
      for (const row of chunk) {
        if (!isTruth(table.name, row)) continue;
        put(JSON.stringify({ t: table.name, r: row }));
        rows[table.name] = (rows[table.name] ?? 0) + 1;
      }
      const last = chunk.at(-1);
      more = chunk.length === limit && last !== undefined;
      key = last ? table.key.map((column) => last[column] ?? null) : key;
      if (more && key && chars >= input.maxChars) return { lines, rows, next: { table: table.name, key } };
    }
  }
  return { lines, rows, next: null };
}

function readChunk(sql: Sql, table: Table, after: SqlValue[] | undefined, limit: number): SqlRow[] {
  const quoted = (names: readonly string[]) => names.map((name) => `"${name}"`).join(", ");
  const beyond = after ? `WHERE (${quoted(table.key)}) > (${table.key.map(() => "?").join(", ")})` : "";
  return sql.all<SqlRow>(
    `SELECT ${quoted(table.columns)} FROM "${table.name}" ${beyond} ORDER BY ${quoted(table.key)} LIMIT ?`,
    ...(after ?? []),
    limit,
  );
}
