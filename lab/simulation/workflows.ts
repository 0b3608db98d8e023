/** The product's workflows, and two of the simulation's own: targets that need each other, and branches on one machine. */
import { ok } from "../../shared/errors.ts";
import type { PlanStep, PlanTarget } from "../../shared/model/plan.ts";
import { workflows as product } from "../../workers/workflows/index.ts";
import { serverInstall } from "../../workers/workflows/server-install.ts";
import type { Workflow } from "../../workers/workflows/workflow.ts";

/** What a step needs, by name; `before/NAME`: that step of the target before it. Undefined: what it needs in the product. */
type Needs = Readonly<Record<string, readonly string[]>>;

function rewired(name: string, needs: Needs): Workflow {
  return {
    ...serverInstall,
    name,
    plan(input) {
      const plan = serverInstall.plan(input);
      if (!plan.ok) return plan;
      const { steps, targets } = plan.value;
      const linked = steps.map((step) => {
        const own = needs[step.name];
        return own ? { ...step, needs: own.flatMap((need) => numbers(steps, targets, step, need)) } : step;
      });
      return ok({ ...plan.value, workflow: name, steps: linked });
    },
  };
}

/** None where the target is the first one. */
function numbers(
  steps: readonly PlanStep[],
  targets: readonly PlanTarget[],
  { target }: PlanStep,
  need: string,
): number[] {
  const [, before, name] = /^(before\/)?(.*)$/.exec(need) ?? [];
  const place = targets.findIndex((t) => t.device === target) - (before ? 1 : 0);
  const step = steps.find((s) => s.target === targets[place]?.device && s.name === name);
  return step ? [step.n] : [];
}

/** Installs servers of which each is begun only when the one before it has started its system. */
const inTurn = rewired("sim.in-turn", { identify: ["before/first-boot"] });

/**
 * Branches that come together: two readings and two writes before the power, two readings in RAM; and a branch of each
 * machine waits for one of the machine before it.
 */
const branches = rewired("sim.branches", {
  inventory: ["identify"],
  "arm-netboot": ["identify"],
  "boot-override": ["identify", "before/in-ram"],
  "power-on": ["inventory", "arm-netboot", "boot-override"],
  "inventory-inside": ["in-ram"],
  "prove-blank": ["in-ram"],
  "write-image": ["inventory-inside", "prove-blank"],
});

export const workflows: ReadonlyMap<string, Workflow> = new Map([
  ...product,
  ...[inTurn, branches].map((workflow) => [workflow.name, workflow] as const),
]);
