/** Rows written, counted where they are billed (C4). */
import type { Meter } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

interface Counted {
  object: number;
  d1: number;
}

/** What the tables' connection had written when it was last noted. A new connection counts from 0. */
const noted = new WeakMap<Sql, number>();

/** Adds what was written since the last note, and what D1 wrote. One row, and none when nothing was written. */
export function noteRows(tx: Tx, d1: number): void {
  const fresh = tx.sql.written() - (noted.get(tx.sql) ?? 0);
  if (fresh === 0 && d1 === 0) return;
  const before = readMeta<Counted>(tx.sql, "meter") ?? { object: 0, d1: 0 };
  // One more: the note's own row.
  writeMeta(tx.sql, "meter", { object: before.object + fresh + 1, d1: before.d1 + d1 });
  noted.set(tx.sql, tx.sql.written());
}

export function readMeter(sql: Sql): Meter {
  const counted = readMeta<Counted>(sql, "meter") ?? { object: 0, d1: 0 };
  const installs = sql.get<{ n: number }>("SELECT count(*) AS n FROM job_target WHERE state = 'succeeded'")?.n ?? 0;
  return { object: counted.object + sql.written() - (noted.get(sql) ?? 0), d1: counted.d1, installs };
}
