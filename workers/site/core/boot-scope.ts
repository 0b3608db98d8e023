/**
 * Steps whose result lives in a boot: the machine's RAM environment speaks to the agent that armed the boot, with a nonce
 * that stands in that agent's journal (A5, L5). When the boot has ended, or its agent is gone, they count as not done.
 */
import { isFinal } from "../../../shared/model/job.ts";
import { readyMet } from "./needs.ts";
import { type StepRow, stepBody, stepsOf, type TargetRow } from "./step-rows.ts";
import type { Tx } from "./tx.ts";

export const isOfBoot = (step: StepRow): boolean => step.state !== "skipped" && stepBody(step).boot === true;

/**
 * As if never tried, but for one thing: what an earlier attempt has left behind is read first (J4). By a person's retry its
 * attempts count anew; what begins again by itself counts on, or it would never come to its bound (J10).
 */
export function beginAgain(tx: Tx, steps: readonly StepRow[], attempts: "anew" | "count on" = "anew"): void {
  for (const step of steps)
    tx.sql.run(
      `UPDATE step SET state = 'blocked', at = NULL, ready_at = NULL, leased_at = NULL, ended_at = NULL, failures = 0, attempt = ?,
         resolve = ?, failure = NULL, result = NULL WHERE job = ? AND n = ?`,
      attempts === "anew" ? 0 : step.attempt,
      step.attempt > 0 ? 1 : step.resolve,
      step.job,
      step.n,
    );
}

/**
 * Another agent is about to take the target up: if a boot is under way with the agent that is gone, its first step is the
 * one to do, since only its own boot answers to the new one. Where another branch is taken up first, the boot begins anew
 * all the same, and that branch goes on. Returns the step to lease.
 */
export function stepFor(tx: Tx, step: StepRow, target: TargetRow, agent: string): StepRow {
  if (target.agent === null || target.agent === agent) return step;
  const ofBoot = stepsOf(tx.sql, target).filter(isOfBoot);
  const underWay = ofBoot.some((s) => s.state === "succeeded") && ofBoot.some((s) => !isFinal.step(s.state));
  if (!underWay) return step;
  // What is done in the boot and outlives it, as a written drive, needs the boot all the same.
  const within = !isOfBoot(step) && ofBoot.some((s) => s.n < step.n) && ofBoot.some((s) => s.n > step.n);
  beginAgain(tx, within ? [...ofBoot, step] : ofBoot, "count on");
  readyMet(tx, target);
  tx.event(
    target.job,
    "target.retry",
    { device: target.device, step: stepBody(step).name },
    { from: "running", why: "its boot was with an agent that is gone", agent },
  );
  if (!isOfBoot(step) && !within) return step;
  return stepsOf(tx.sql, target).find((s) => s.state === "ready" && isOfBoot(s)) ?? step;
}
