/** Takes a site's outbox into the read model: idempotent and order-free by the version of each row (C3, E3). */
import type { SiteView } from "../../shared/model/views.ts";
import type { OutboxEntry, OutboxKind } from "../site/core/commands.ts";

interface Target {
  table: string;
  /** Columns beside site, id, version and doc, and where in the view each comes from. */
  columns: Readonly<Record<string, string>>;
}

const targets: Readonly<Record<OutboxKind, Target>> = {
  site: { table: "rm_site", columns: {} },
  device: { table: "rm_device", columns: { name: "$.name", state: "$.state" } },
  asset: { table: "rm_asset", columns: { serial: "$.serial", state: "$.state" } },
  job: { table: "rm_job", columns: { state: "$.state", created_at: "$.createdAt" } },
  finding: { table: "rm_finding", columns: { state: "$.state", severity: "$.severity" } },
  agent: { table: "rm_agent", columns: {} },
};

/** Fencing (L2): of a site that was restored, the object of an older generation writes nothing, told of it or not. */
const newest = (n: "?2" | "?3") => `coalesce((SELECT generation FROM site WHERE site.id = ?1), ${n}) <= ${n}`;

/** One statement per kind, however many rows: they travel as one JSON text (D1 takes at most 100 parameters). */
function upsert(kind: OutboxKind): string {
  const { table, columns } = targets[kind];
  const extra = Object.keys(columns);
  const all = ["site", "id", "version", "doc", ...extra];
  const doc = "CASE WHEN json_type(value, '$.row') = 'null' THEN NULL ELSE value -> 'row' END";
  const paths = Object.values(columns).map((path) => `json_extract(value -> 'row', '${path}')`);
  const values = ["?1", "value ->> 'id'", "value ->> 'version'", doc, ...paths];
  // When it was made never changes; naming it here would cost its index's row at every update.
  const set = all
    .slice(2)
    .filter((c) => c !== "created_at")
    .map((c) => `${c} = excluded.${c}`);
  return `INSERT INTO ${table} (${all.join(", ")}) SELECT ${values.join(", ")} FROM json_each(?2) WHERE ${newest("?3")}
    ON CONFLICT (site, id) DO UPDATE SET ${set.join(", ")} WHERE excluded.version > ${table}.version`;
}

/** As much of D1 as is needed here, so that a simulation can be the other side. */
export interface ReadModel<S = unknown> {
  prepare(statement: string): { bind(...values: (string | number)[]): S };
  batch(statements: S[]): Promise<{ meta: { rows_written: number } }[]>;
}

/** Delivers the rows in one transaction and returns how many D1 says it wrote. Throws what D1 throws. */
export async function project<S>(
  db: ReadModel<S>,
  site: Pick<SiteView, "id" | "generation">,
  entries: readonly OutboxEntry[],
): Promise<number> {
  const byKind = Map.groupBy(entries, (entry) => entry.kind);
  const statements = [...byKind].map(([kind, rows]) =>
    db
      .prepare(upsert(kind))
      .bind(site.id, JSON.stringify(rows.map(({ id, version, row }) => ({ id, version, row }))), site.generation),
  );
  if (statements.length === 0) return 0;
  const results = await db.batch(statements);
  return results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
}

/** All tables of the read model, in an order that stays. */
export const readTables: readonly string[] = Object.values(targets)
  .map((target) => target.table)
  .sort();

/** Throws the site's rows away, unless a newer generation has taken over; returns how many D1 says it wrote. */
export async function forget<S>(db: ReadModel<S>, site: Pick<SiteView, "id" | "generation">): Promise<number> {
  const results = await db.batch(forgetting(db, site));
  return results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
}

/** The statements of `forget`, for a batch that does more. */
export const forgetting = <S>(db: ReadModel<S>, site: Pick<SiteView, "id" | "generation">): S[] =>
  Object.values(targets).map(({ table }) =>
    db.prepare(`DELETE FROM ${table} WHERE site = ?1 AND ${newest("?2")}`).bind(site.id, site.generation),
  );
