/** How plans lie in their table. */
import type { Plan } from "../../../shared/model/plan.ts";
import type { Sql } from "../../../shared/sql.ts";
import { readText } from "./tx.ts";

export interface PlanRow {
  id: string;
  hash: string;
  created_at: number;
  expires_at: number;
  job: string | null;
  approvals: number;
}
export const planRow = (sql: Sql, id: string) => sql.get<PlanRow>("SELECT * FROM plan WHERE id = ?", id);

/** The stored plan itself. */
export function readPlan(sql: Sql, id: string): Plan | undefined {
  const text = readText(sql, id);
  return text === undefined ? undefined : (JSON.parse(text) as Plan);
}
