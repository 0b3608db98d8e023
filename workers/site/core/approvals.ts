/**
 * Who approved which plan (G4). What people signed is kept whole, judged when it comes and again when the plan starts:
 * by then it may have expired, or its key may have been taken off the fleet's list. Once a plan is used it is done with.
 */
import type { Millis } from "../../../shared/deps.ts";
import {
  type Approval,
  type ApprovalStatement,
  type Approver,
  approvedBy,
  type VerifySignature,
} from "../../../shared/model/approval.ts";
import type { Plan } from "../../../shared/model/plan.ts";
import type { PlanView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Commands } from "./commands.ts";
import { record } from "./ledger.ts";
import { type PlanRow, planRow, reviewedPlan } from "./plan-rows.ts";
import type { Tx } from "./tx.ts";

type Given = PlanView["approvals"][number];

interface ApprovalRow {
  person: string;
  at: number;
  /** The three are null in what was given before approvals were signed: it counts for nothing. */
  statement: string | null;
  key: string | null;
  signature: string | null;
}

/** By what stored approvals are judged. */
export interface Judge {
  sql: Sql;
  now: Millis;
  verify: VerifySignature;
  /** The fleet's list as it is now; where it is not known the keys are taken for those of whom they say. */
  approvers: readonly Approver[] | undefined;
}

const rowsOf = (sql: Sql, plan: string): ApprovalRow[] =>
  sql.all("SELECT person, at, statement, key, signature FROM approval WHERE plan = ? ORDER BY at, person", plan);

function stored({ statement, key, signature }: ApprovalRow): Approval | undefined {
  if (statement === null || key === null || signature === null) return undefined;
  return { statement: JSON.parse(statement) as ApprovalStatement, key, signature };
}

/** All that was signed for a plan, for an agent to judge by itself. */
export const signedApprovals = (sql: Sql, plan: string): Approval[] =>
  rowsOf(sql, plan).flatMap((row) => stored(row) ?? []);

/** Who approved the plan, and whether it counts. Of a plan that was used, what was given has counted. */
export function approvalsOf(by: Judge, plan: Plan, { hash, job }: Pick<PlanRow, "hash" | "job">): Given[] {
  return rowsOf(by.sql, plan.id).map((row) => {
    const approval = stored(row);
    const approvers = by.approvers ?? [{ key: row.key ?? "", person: row.person }];
    const counts = job !== null || (approval && approvedBy(approval, { ...by, plan, hash, approvers }).ok) === true;
    const { person, at } = row;
    return { person, at, expiresAt: approval?.statement.expiresAt ?? null, counts };
  });
}

/** Takes one person's signed approval. The very same one again changes nothing: the answer to it was lost. */
export function approve(tx: Tx, input: Commands["plan.approve"]["in"]): void {
  const { plan: id, approval, actor, person: caller, approvers } = input;
  const { statement, key, signature } = approval;
  const { person, hash, expiresAt } = statement;
  if (statement.plan !== id) return tx.fail("approval_invalid", `It approves the plan ${statement.plan}, not ${id}.`);
  const plan = reviewedPlan(tx, id, hash);
  if (plan.approvals === 0) tx.fail("approval_refused", `The plan ${id} asks for no approval.`);
  if (actor === plan.requester || (caller !== undefined && caller === plan.requesterPerson))
    tx.fail("approver_is_requester", `${caller ?? actor} asked for the plan ${id}.`);
  if (caller !== undefined && caller !== person)
    tx.fail(
      "approval_invalid",
      `The token is ${caller}'s, and the approval ${person}'s; each approves for themselves.`,
    );
  const by = { sql: tx.sql, now: tx.now, verify: tx.deps.verify, approvers };
  const judged = approvedBy(approval, { ...by, plan, hash });
  if (!judged.ok) return tx.fail(judged.problem.code, judged.problem.detail);
  if (approvalsOf(by, plan, { hash, job: null }).some((given) => given.person === person && given.counts)) {
    if (rowsOf(tx.sql, id).some((row) => row.person === person && row.signature === signature)) return;
    tx.fail("approver_repeated", `${person} has approved the plan ${id} already.`);
  }
  tx.sql.run(
    `INSERT INTO approval (plan, person, at, statement, key, signature) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET at = excluded.at, statement = excluded.statement, key = excluded.key, signature = excluded.signature`,
    id,
    person,
    tx.now,
    JSON.stringify(statement),
    key,
    signature,
  );
  const data = { plan: id, hash, person, key, expiresAt };
  record(tx, { subject: "site", id: tx.site.id, kind: "plan.approved", actor, data });
}

/** Takes an approval back, as long as the plan was not used. Any approver may: it is the safe direction, and is recorded. */
export function unapprove(tx: Tx, { plan: id, person, actor }: Commands["plan.unapprove"]["in"]): void {
  const row = planRow(tx.sql, id);
  if (!row) return tx.fail("plan_unknown", `There is no plan ${id}.`);
  if (row.job !== null) tx.fail("plan_used", `The plan ${id} was used by ${row.job}; \`turnup cancel\` ends that job.`);
  if (!rowsOf(tx.sql, id).some((given) => given.person === person))
    tx.fail("not_found", `${person} has not approved the plan ${id}.`);
  tx.sql.run("DELETE FROM approval WHERE plan = ? AND person = ?", id, person);
  const data = { plan: id, hash: row.hash, person };
  record(tx, { subject: "site", id: tx.site.id, kind: "plan.unapproved", actor, data });
}
