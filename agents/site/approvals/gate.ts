/** Asked before anything that a machine in service would feel, and before anything that ends data (T5, G4). */
import { isActionName } from "../../../shared/actions/index.ts";
import type { Problem, TurnupError } from "../../../shared/errors.ts";
import { planHash } from "../../../shared/model/plan.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import type { AgentConfig } from "../config.ts";
import { sleep } from "../deps.ts";
import { failing, type Step, type World } from "../executor/step.ts";
import { sha256 } from "./ed25519.ts";
import { judge } from "./judge.ts";

/** Between two tries to get a plan while the control plane cannot be reached, ms. */
const AGAIN_MS = 5_000;

/**
 * Lets the step through if an approved plan does, and journals that it begins (A2). Throws otherwise; a refusal is logged
 * and counted, and its code is what the step fails with. A plan or approvals that are not here yet are fetched; while the
 * control plane does not answer it waits (A1), as long as the attempt may.
 */
export async function mustBeApproved(step: Step, world: World, destructive: boolean): Promise<void> {
  const { lease, target } = step;
  const { plans } = world.journal;
  const { hash } = lease.plan;
  let verdict = ask(lease, world, destructive);
  // Approvals may have been given since, or the plan never came here.
  if (!verdict.ok && verdict.problem.code !== "step_already_run") {
    await fetchPlan(step, world);
    verdict = ask(lease, world, destructive);
  }
  if (!verdict.ok) throw refused(step, world, verdict.problem);
  if (!plans.past(hash, lease.step, target.asset).begun) step.evidence({ approvedBy: verdict.value });
  plans.begin(hash, lease.step, { asset: target.asset, destructive }, world.clock.now());
  await world.journal.durable();
}

/** The refusal as the step's failure, logged and counted. */
export function refused(step: Step, world: World, problem: Problem): TurnupError {
  world.metrics.actsRefused.inc({ code: problem.code });
  world.log.warn(
    { code: problem.code, step: step.lease.name, device: step.target.name, plan: step.lease.plan.id },
    `refused: ${problem.detail}`,
  );
  return failing(problem.code, problem.detail);
}

function ask(lease: Lease, world: World, destructive: boolean) {
  const { plans, approvers } = world.journal;
  return judge({
    lease,
    approved: plans.get(lease.plan.hash),
    approvers: approvers.get().approvers,
    least: leastOf(world.config.approvals, lease),
    destructive,
    past: plans.past(lease.plan.hash, lease.step, lease.target.asset),
    now: world.clock.now(),
  });
}

/** What this site asks for, whatever the plan says: at least one person, two for a wipe, more where its file says so. */
export function leastOf(config: AgentConfig["approvals"], { action, mode }: Pick<Lease, "action" | "mode">): number {
  return Math.max(
    config.least,
    mode === "wipe" ? config.wipe : 0,
    isActionName(action) ? (config.actions[action] ?? 0) : 0,
  );
}

/** What came is kept only if it is the plan that the lease names, by its hash as it is computed here. */
async function fetchPlan(step: Step, world: World): Promise<void> {
  const { id, hash } = step.lease.plan;
  for (;;) {
    const got = await world.planOf(id);
    if (got === "unreachable") {
      await sleep(world.timers, AGAIN_MS, step.signal);
      continue;
    }
    if (got && planHash(got.plan, sha256) === hash) world.journal.plans.put(hash, got, world.clock.now());
    else if (got)
      throw refused(step, world, {
        code: "plan_mismatch",
        detail: `The lease names the plan ${id} with another hash than what came as that plan.`,
      });
    return;
  }
}
