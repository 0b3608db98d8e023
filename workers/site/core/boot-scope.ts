/**
 * Steps whose result lives in a boot: the machine's RAM environment speaks to the agent that armed the boot, with a nonce
 * that stands in that agent's journal (A5, L5). When the boot has ended, or its agent is gone, they count as not done.
 */
import { readyMet } from "./needs.ts";
import { type StepRow, stepBody, stepsOf, type TargetRow } from "./step-rows.ts";
import type { Tx } from "./tx.ts";

export const isOfBoot = (step: StepRow): boolean => step.state !== "skipped" && stepBody(step).boot === true;

/** As if never tried, but for one thing: what an earlier attempt has left behind is read first (J4). */
export function beginAgain(tx: Tx, steps: readonly StepRow[]): void {
  for (const step of steps)
    tx.sql.run(
      `UPDATE step SET state = 'blocked', at = NULL, ready_at = NULL, leased_at = NULL, ended_at = NULL, failures = 0, attempt = 0,
         resolve = ?, failure = NULL, result = NULL WHERE job = ? AND n = ?`,
      step.attempt > 0 ? 1 : step.resolve,
      step.job,
      step.n,
    );
}

/**
 * Another agent is about to take the target up: if the boot that its steps rest on is with the agent that is gone, the
 * first of them is the one to do, since only its own boot answers to the new one. Returns the step to lease.
 */
export function stepFor(tx: Tx, step: StepRow, target: TargetRow, agent: string): StepRow {
  if (target.agent === null || target.agent === agent) return step;
  const ofBoot = stepsOf(tx.sql, target).filter(isOfBoot);
  // What is done in the boot and outlives it, as a written drive, needs the boot all the same.
  const within = isOfBoot(step) || (ofBoot.some((s) => s.n < step.n) && ofBoot.some((s) => s.n > step.n));
  if (!within || !ofBoot.some((s) => s.state === "succeeded")) return step;
  beginAgain(tx, isOfBoot(step) ? ofBoot : [...ofBoot, step]);
  readyMet(tx, target);
  tx.event(
    target.job,
    "target.retry",
    { device: target.device, step: stepBody(step).name },
    { from: "running", why: "its boot was with an agent that is gone", agent },
  );
  return stepsOf(tx.sql, target).find((s) => s.state === "ready" && isOfBoot(s)) ?? step;
}
