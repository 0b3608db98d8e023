/** G4, T5: a plan starts when as many people have approved it as it asks for. */
import { isDestructive, TARGETS_BY_ONE } from "../../../../shared/model/approval.ts";
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { Plan } from "../../../../shared/model/plan.ts";
import type { PlanView } from "../../../../shared/model/views.ts";
import { pass, wait } from "./guard.ts";

type Given = Pick<PlanView["approvals"][number], "person" | "counts">;
type Need = PlanView["approvalsNeeded"][number];
type Asking = Pick<Plan, "id" | "approvals" | "targets" | "steps">;

/**
 * The approvals that a plan needs, each kind with the code it is refused by until it has them. Who approves first counts
 * for the plan as such, and the second person for its size (T5).
 */
export function approvalsNeeded(plan: Asking, given: readonly Given[]): Need[] {
  const people = given.filter(({ counts }) => counts).length;
  const large = plan.approvals > 1 && plan.targets.length > TARGETS_BY_ONE && plan.steps.some(isDestructive);
  const first = plan.approvals - (large ? 1 : 0);
  const needs: Need[] = [];
  if (first > 0)
    needs.push({
      code: "approval_missing",
      people: first,
      given: Math.min(first, people),
      text: `${first === 1 ? "one person" : "two people"} other than the requester`,
    });
  if (large)
    needs.push({
      code: "cap_needs_approval",
      people: 1,
      given: Math.min(1, Math.max(0, people - first)),
      text: `one more, as it destroys on ${plan.targets.length} targets, which is more than ${TARGETS_BY_ONE}`,
    });
  return needs;
}

/** What the plan still lacks, in words that read on after "waits for"; undefined when it has all. */
export function approvalMissing(
  plan: Asking,
  given: readonly Given[],
): { code: Need["code"]; text: string } | undefined {
  const open = approvalsNeeded(plan, given).filter((need) => need.given < need.people);
  // The last one: that a plan is too large for one person is what the first one must know, too.
  const code = open.at(-1)?.code;
  if (code === undefined) return undefined;
  const missing = open.reduce((sum, need) => sum + need.people - need.given, 0);
  const named = (counts: boolean) => given.filter((one) => one.counts === counts).map(({ person }) => person);
  const by = named(true).length > 0 ? `; approved by ${named(true).join(", ")}` : "";
  const over = named(false).length > 0 ? `; no longer counts: ${named(false).join(", ")}` : "";
  const people = `${missing} more ${missing === 1 ? "person" : "people"}`;
  return { code, text: `${people} to approve the plan ${plan.id}${by}${over}` };
}

export function approval(plan: Asking, given: readonly Given[]): Verdict {
  const missing = approvalMissing(plan, given);
  if (missing) return wait("approval", missing.code, missing.text);
  return pass("approval", plan.approvals === 0 ? "none is needed" : "approved");
}
