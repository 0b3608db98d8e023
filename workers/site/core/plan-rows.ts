/** How plans lie in their table. */
import type { Plan } from "../../../shared/model/plan.ts";
import type { Sql } from "../../../shared/sql.ts";
import { readText, type Tx } from "./tx.ts";

export interface PlanRow {
  id: string;
  hash: string;
  created_at: number;
  expires_at: number;
  job: string | null;
  approvals: number;
  outlived: number;
}
export const planRow = (sql: Sql, id: string) => sql.get<PlanRow>("SELECT * FROM plan WHERE id = ?", id);

/** The stored plan itself. */
export function readPlan(sql: Sql, id: string): Plan | undefined {
  const text = readText(sql, id);
  return text === undefined ? undefined : (JSON.parse(text) as Plan);
}

/** The plan that people have reviewed under this hash, as long as it is neither used nor expired; else the refusal. */
export function reviewedPlan(tx: Tx, id: string, hash: string): Plan {
  const row = planRow(tx.sql, id);
  const plan = readPlan(tx.sql, id);
  if (!row || !plan) return tx.fail("plan_unknown", `There is no plan ${id}.`);
  if (row.hash !== hash) tx.fail("plan_stale", `The plan ${id} has the hash ${row.hash}, not ${hash}.`);
  if (row.job !== null) tx.fail("plan_used", `The plan ${id} was used by ${row.job}.`);
  if (row.expires_at <= tx.now) tx.fail("plan_expired", `The plan ${id} expired.`);
  if (row.outlived === 1)
    tx.fail("plan_stale", `The plan ${id} is older than the site's restore: it may have run after the export.`);
  return plan;
}
