/** The product's workflows, and two of the simulation's own: targets that need each other, and branches on one machine. */
import { ok } from "../../shared/errors.ts";
import type { PlanStep } from "../../shared/model/plan.ts";
import { workflows as product } from "../../workers/workflows/index.ts";
import { serverInstall } from "../../workers/workflows/server-install.ts";
import type { Workflow } from "../../workers/workflows/workflow.ts";

/** What each step needs, by name, in the order of the steps; `before/NAME`: that step of the target before it. */
type Needs = Readonly<Record<string, readonly string[]>>;

/** The product's steps of a server's install, with other needs and in another order. */
function rewired(name: string, needs: Needs): Workflow {
  return {
    ...serverInstall,
    name,
    plan(input) {
      const plan = serverInstall.plan(input);
      if (!plan.ok) return plan;
      const devices = plan.value.targets.map((t) => t.device);
      const steps = devices.flatMap((device) =>
        Object.keys(needs).flatMap((step) => plan.value.steps.filter((s) => s.target === device && s.name === step)),
      );
      /** None where the target is the first one. */
      const numbers = ({ target }: PlanStep, need: string): number[] => {
        const [, before, step] = /^(before\/)?(.*)$/.exec(need) ?? [];
        const device = devices[devices.indexOf(target) - (before ? 1 : 0)];
        const n = steps.findIndex((s) => s.target === device && s.name === step);
        return n === -1 ? [] : [n];
      };
      const linked = steps.map((step, n) => ({
        ...step,
        n,
        needs: (needs[step.name] ?? []).flatMap((need) => numbers(step, need)),
      }));
      return ok({ ...plan.value, workflow: name, steps: linked });
    },
  };
}

const fromRamOn: Needs = {
  "boot-disk": ["write-image"],
  "first-boot": ["boot-disk"],
  acceptance: ["first-boot"],
};

/** Installs servers of which each is begun only when the one before it has started its system. */
const inTurn = rewired("sim.in-turn", {
  identify: ["before/first-boot"],
  inventory: ["identify"],
  "arm-netboot": ["inventory"],
  "boot-override": ["arm-netboot"],
  "power-on": ["boot-override"],
  "in-ram": ["power-on"],
  "inventory-inside": ["in-ram"],
  "prove-blank": ["inventory-inside"],
  "write-image": ["prove-blank"],
  ...fromRamOn,
});

/**
 * Branches that come together: a reading and two writes before the power, two readings in RAM; and a branch of each
 * machine waits for one of the machine before it.
 */
const branches = rewired("sim.branches", {
  identify: [],
  "boot-override": ["identify", "before/in-ram"],
  "arm-netboot": ["identify"],
  inventory: ["identify"],
  "power-on": ["inventory", "arm-netboot", "boot-override"],
  "in-ram": ["power-on"],
  "prove-blank": ["in-ram"],
  "inventory-inside": ["in-ram"],
  "write-image": ["inventory-inside", "prove-blank"],
  ...fromRamOn,
});

export const workflows: ReadonlyMap<string, Workflow> = new Map([
  ...product,
  ...[inTurn, branches].map((workflow) => [workflow.name, workflow] as const),
]);
