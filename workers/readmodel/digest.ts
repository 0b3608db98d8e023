/** A hash over a site's rows in the read model, in one order whatever way they came: equal before and after a rebuild (E3). */
import { createHash } from "node:crypto";
import { canonicalJson } from "../../shared/canonical.ts";
import { readTables } from "./projection.ts";

const PAGE = 500;

/**
 * What of a row is hashed. A job's version and newest event are left out: they count more than its row shows, and the row
 * is not sent for each of them.
 */
function shown(table: string, version: number, doc: string): unknown {
  const { version: _, lastEvent: __, ...row } = JSON.parse(doc) as Record<string, unknown>;
  return table === JOBS ? row : { ...row, version };
}
const JOBS = "rm_job";

/** Rows that are gone keep their place and version for a while; they are not counted. */
export async function digest(db: D1Database, site: string): Promise<{ rows: number; hash: string }> {
  const hash = createHash("sha256");
  let rows = 0;
  for (const table of readTables) {
    let after = "";
    for (let more = true; more; ) {
      const { results } = await db
        .prepare(
          `SELECT id, version, doc FROM ${table} WHERE site = ? AND id > ? AND doc IS NOT NULL ORDER BY id LIMIT ${PAGE}`,
        )
        .bind(site, after)
        .all<{ id: string; version: number; doc: string }>();
      for (const { id, version, doc } of results)
        hash.update(`${table}\t${id}\t${canonicalJson(shown(table, version, doc))}\n`);
      rows += results.length;
      after = results.at(-1)?.id ?? after;
      more = results.length === PAGE;
    }
  }
  return { rows, hash: hash.digest("hex") };
}
