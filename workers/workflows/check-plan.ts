/** What every plan must keep, whichever workflow made it. A workflow that breaks it has a defect; the plan is refused whole. */
import { actionSpec, isActionName } from "../../shared/actions/index.ts";
import { isDestructive, leastApprovals, TARGETS_EVER } from "../../shared/model/approval.ts";
import type { Plan, PlanStep } from "../../shared/model/plan.ts";

/** The first fault of the plan in words, or undefined when it hangs together. Linear in its steps. */
export function planFault(plan: Plan): string | undefined {
  const targets = new Set(plan.targets.map((t) => t.device));
  if (targets.size !== plan.targets.length) return "a target is named twice";
  const withSteps = new Set<string>();
  for (const [i, step] of plan.steps.entries()) {
    if (step.n !== i) return `step ${step.n} stands at place ${i}`;
    if (!targets.has(step.target)) return `step ${step.n} acts on ${step.target}, which is no target`;
    withSteps.add(step.target);
    if (!isActionName(step.action)) return `step ${step.n} has the unknown action ${step.action}`;
    const params = actionSpec(step.action).params.safeParse(step.params);
    if (!params.success) return `the parameters of step ${step.n} do not fit ${step.action}`;
    if (new Set(step.needs).size !== step.needs.length) return `step ${step.n} names a need twice`;
    const missing = step.needs.find((need) => plan.steps[need] === undefined);
    if (missing !== undefined) return `step ${step.n} needs step ${missing}, which does not exist`;
  }
  const fault = disruptionFault(plan);
  if (fault !== undefined) return fault;
  const idle = plan.targets.find((t) => !withSteps.has(t.device));
  if (idle) return `the target ${idle.name} has no step`;
  const cycle = firstInCycle(plan.steps);
  if (cycle !== undefined) return `step ${cycle} needs itself in the end: a cycle`;
  // J7, G4, T5
  const least = leastApprovals(plan);
  if (plan.approvals < least)
    return `it asks for ${plan.approvals === 0 ? "no approval" : "one approval"} and needs ${least === 1 ? "one" : "two"}`;
  return undefined;
}

/** G8: whatever may touch service says so, or no guard would be asked; what is in no service yet says nothing of it. */
function disruptionFault({ mode, steps }: Plan): string | undefined {
  const wrong = steps.find((step) =>
    mode === "first-install" ? step.disrupts : !step.disrupts && (isExclusive(step) || isDestructive(step)),
  );
  if (!wrong) return undefined;
  return mode === "first-install"
    ? `step ${wrong.n} says that it disrupts, in a first install`
    : `step ${wrong.n} may take ${wrong.target} out of service and does not say that it disrupts`;
}

const isExclusive = ({ action }: PlanStep): boolean =>
  isActionName(action) && actionSpec(action).flags.exclusive === true;

/** A step that can never start because it waits for itself, by taking out one step after another that can (Kahn). */
function firstInCycle(steps: readonly PlanStep[]): number | undefined {
  const open = steps.map((s) => s.needs.length);
  const dependents = new Map<number, number[]>();
  for (const { n, needs } of steps) {
    for (const need of needs) {
      const list = dependents.get(need);
      if (list) list.push(n);
      else dependents.set(need, [n]);
    }
  }
  const free = steps.filter((s) => s.needs.length === 0).map((s) => s.n);
  for (let n = free.pop(); n !== undefined; n = free.pop()) {
    for (const next of dependents.get(n) ?? []) {
      const left = (open[next] ?? 0) - 1;
      open[next] = left;
      if (left === 0) free.push(next);
    }
  }
  const stuck = open.findIndex((left) => left > 0);
  return stuck === -1 ? undefined : stuck;
}

/** T5: why a destructive plan is larger than anybody can approve, or undefined. */
export function tooDestructive(plan: Plan): string | undefined {
  const n = plan.targets.length;
  if (n <= TARGETS_EVER || !plan.steps.some(isDestructive)) return undefined;
  return `${n} targets; a destructive plan has at most ${TARGETS_EVER}, whoever approves it.`;
}
