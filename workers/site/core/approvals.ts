/** Who approved which plan (G4): people other than the requester, each once. */
import type { Sql } from "../../../shared/sql.ts";
import type { Commands } from "./commands.ts";
import { approval } from "./guards/approval.ts";
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
  const given = approvalsOf(sql, plan.id).map(({ person }) => person);
  const { verdict, text } = approval({ plan: plan.id, needed: plan.approvals, given });
  return verdict === "pass" ? undefined : text;
}
