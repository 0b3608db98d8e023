/** The product's workflows, and one of the simulation's own whose targets need each other: a DAG across machines. */
import { ok } from "../../shared/errors.ts";
import { workflows as product } from "../../workers/workflows/index.ts";
import { serverInstall } from "../../workers/workflows/server-install.ts";
import type { Workflow } from "../../workers/workflows/workflow.ts";

/** Installs servers of which each is begun only when the one before it has started its system. */
const inTurn: Workflow = {
  ...serverInstall,
  name: "sim.in-turn",
  plan(input) {
    const plan = serverInstall.plan(input);
    if (!plan.ok) return plan;
    const { steps, targets } = plan.value;
    const of = (device: string, name: string) => steps.find((s) => s.target === device && s.name === name);
    const linked = steps.map((step) => {
      const before = targets[targets.findIndex((t) => t.device === step.target) - 1];
      const needed = before && step.name === "identify" ? of(before.device, "first-boot") : undefined;
      return needed ? { ...step, needs: [...step.needs, needed.n] } : step;
    });
    return ok({ ...plan.value, workflow: inTurn.name, steps: linked });
  },
};

export const workflows: ReadonlyMap<string, Workflow> = new Map([...product, [inTurn.name, inTurn]]);
