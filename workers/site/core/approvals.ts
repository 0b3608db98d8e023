/** Who approved which plan (G4): people other than the requester, each once. */
import type { PlanView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Commands } from "./commands.ts";
import { record } from "./ledger.ts";
import { reviewedPlan } from "./plan-rows.ts";
import type { Tx } from "./tx.ts";

export const approvalsOf = (sql: Sql, plan: string): { person: string; at: number }[] =>
  sql.all("SELECT person, at FROM approval WHERE plan = ? ORDER BY at, person", plan);

export function approve(tx: Tx, { plan: id, hash, actor }: Commands["plan.approve"]["in"]): void {
  const plan = reviewedPlan(tx, id, hash);
  if (plan.approvals === 0) tx.fail("approval_refused", `The plan ${id} asks for no approval.`);
  if (actor === plan.requester) tx.fail("approval_refused", `${actor} asked for the plan ${id}.`);
  if (approvalsOf(tx.sql, id).some((a) => a.person === actor)) return;
  tx.sql.run("INSERT INTO approval (plan, person, at) VALUES (?, ?, ?)", id, actor, tx.now);
  record(tx, { subject: "site", id: tx.site.id, kind: "plan.approved", actor, data: { plan: id, hash } });
}

/** Which approvals the plan still lacks, in words; undefined when it has all. */
export function approvalMissing(sql: Sql, plan: { id: string; approvals: number }): string | undefined {
  const given = approvalsOf(sql, plan.id);
  const missing = plan.approvals - given.length;
  if (missing <= 0) return undefined;
  const by = given.length === 0 ? "" : `; approved by ${given.map((a) => a.person).join(", ")}`;
  return `${missing} more ${missing === 1 ? "person" : "people"} to approve the plan ${plan.id}${by}`;
}

export function approvalVerdict(sql: Sql, plan: { id: string; approvals: number }): PlanView["guards"][number] {
  const missing = approvalMissing(sql, plan);
  if (missing !== undefined) return { guard: "approval", verdict: "wait", text: missing };
  return { guard: "approval", verdict: "pass", text: plan.approvals === 0 ? "none is needed" : "approved" };
}
