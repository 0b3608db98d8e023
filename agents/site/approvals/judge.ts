/**
 * Whether an approved plan lets a step through, judged on site (G4, T5): by the plan itself, by this agent's own list of
 * approvers, its own minimum and its own clock. Nothing that the cloud says of an approval is believed.
 */
import { canonicalJson } from "../../../shared/canonical.ts";
import type { Millis } from "../../../shared/deps.ts";
import { type Outcome, ok, type Problem, refuse } from "../../../shared/errors.ts";
import {
  type ApprovedPlan,
  type Approver,
  approvedBy,
  leastApprovals,
  TARGETS_BY_ONE,
  TARGETS_EVER,
} from "../../../shared/model/approval.ts";
import { type Plan, planHash } from "../../../shared/model/plan.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import type { PlanPast } from "../journal/plans.ts";
import { sha256, verifySignature } from "./ed25519.ts";

export interface Asked {
  lease: Pick<Lease, "site" | "step" | "name" | "action" | "params" | "target" | "mode" | "plan">;
  approved: ApprovedPlan | undefined;
  approvers: readonly Approver[];
  /** How many people this agent asks for at least, by its configuration. */
  least: number;
  /** It ends data that is there. */
  destructive: boolean;
  past: PlanPast;
  now: Millis;
}

/** The persons whose approvals count, or why the step is not let through. */
export function judge(asked: Asked): Outcome<string[]> {
  const { lease, approved, past, destructive, now } = asked;
  if (!approved) return refuse("approval_missing", `No approved plan ${lease.plan.id} came from the control plane.`);
  const { plan } = approved;
  const other = differs(lease, plan);
  if (other !== undefined) return refuse("plan_mismatch", other);
  const row = plan.steps[lease.step];
  if (past.over)
    return refuse(
      "step_already_run",
      `The plan ${plan.id} has ended for ${lease.target.name}: it is in service again.`,
    );
  // What belongs to a boot is done anew in each; what was destroyed, or took the machine out of service, was so once.
  if (past.done && (destructive || row?.boot !== true))
    return refuse("step_already_run", `${lease.name} of the plan ${plan.id} has run on ${lease.target.name}.`);
  if (plan.targets.length > TARGETS_EVER)
    return refuse(
      "cap_exceeded",
      `The plan ${plan.id} has ${plan.targets.length} targets; at most ${TARGETS_EVER} are acted on by one plan.`,
    );
  // A machine that this plan has taken out of service is not left there, half done, because the day is over.
  const goesOn = destructive ? past.destroyed : past.begun;
  if (!goesOn && plan.expiresAt <= now) return refuse("plan_expired", `The plan ${plan.id} has expired.`);
  return enough(asked, plan, approved, goesOn ? 0 : now);
}

/** T5, G4: different people, none of them the requester; more of them for many targets. */
function enough({ approvers, least }: Asked, plan: Plan, { approvals }: ApprovedPlan, now: Millis): Outcome<string[]> {
  const hash = planHash(plan, sha256);
  const persons = new Set<string>();
  let first: Problem | undefined;
  for (const approval of approvals) {
    const person = approvedBy(approval, { plan, hash, approvers, now, verify: verifySignature });
    if (!person.ok) first ??= person.problem;
    else if (persons.has(person.value))
      first ??= { code: "approver_repeated", detail: `${person.value} has approved it twice.` };
    else persons.add(person.value);
  }
  const wanted = Math.max(plan.approvals, leastApprovals(plan), least);
  const byCap = plan.targets.length > TARGETS_BY_ONE ? 2 : 1;
  if (persons.size >= Math.max(wanted, byCap)) return ok([...persons].sort());
  const given = `${persons.size} of ${Math.max(wanted, byCap)} people have approved the plan ${plan.id}`;
  if (first) return refuse(first.code, `${first.detail} ${given}.`);
  if (persons.size > 0 && byCap > 1 && wanted <= byCap)
    return refuse("cap_needs_approval", `${given}; it has ${plan.targets.length} targets.`);
  return refuse("approval_missing", `${given}.`);
}

/** How the lease differs from the plan that it names; undefined if it is a row of just that plan. */
function differs(lease: Asked["lease"], plan: Plan): string | undefined {
  if (plan.id !== lease.plan.id) return `The lease names the plan ${lease.plan.id}; what came is ${plan.id}.`;
  const hash = planHash(plan, sha256);
  if (hash !== lease.plan.hash) return `The lease names the hash ${lease.plan.hash}; the plan has ${hash}.`;
  if (plan.site !== lease.site) return `The plan ${plan.id} is of the site ${plan.site}.`;
  if (plan.mode !== lease.mode) return `The lease says ${lease.mode}; the plan ${plan.id} says ${plan.mode}.`;
  const row = plan.steps[lease.step];
  const target = plan.targets.find((t) => t.device === row?.target);
  if (!row || !target) return `The plan ${plan.id} has no step ${lease.step}.`;
  const said = { name: lease.name, action: lease.action, params: lease.params, target: lease.target };
  const planned = { name: row.name, action: row.action, params: row.params, target };
  for (const key of ["target", "name", "action", "params"] as const)
    if (canonicalJson(said[key]) !== canonicalJson(planned[key]))
      return `Step ${lease.step} of the plan ${plan.id} has another ${key} than the lease.`;
  return undefined;
}
