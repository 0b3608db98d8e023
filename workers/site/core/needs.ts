/** Needs between steps: within a target they stand in the step's body, across targets in a table of their own. */
import type { Failure } from "../../../shared/model/job.ts";
import { isFinal } from "../../../shared/model/job.ts";
import type { Plan } from "../../../shared/model/plan.ts";
import { type StepRow, stepBody, stepRow, stepsIn, type TargetRow, targetBody, targetRow } from "./step-rows.ts";
import type { Tx } from "./tx.ts";

/** Lays down the needs that cross from one target to another, so that a step's end finds who waits for it. */
export function keepNeeds(tx: Tx, job: string, plan: Plan): void {
  for (const { n, target, needs } of plan.steps)
    for (const need of needs)
      if (plan.steps[need]?.target !== target)
        tx.sql.run("INSERT INTO step_need (job, need, n) VALUES (?, ?, ?)", job, need, n);
}

const isEnd = (step: StepRow | undefined): boolean => step?.state === "succeeded" || step?.state === "skipped";

/** Whether what the step stands for has been done. One that was left out is done when its own needs are. */
function isDone(tx: Tx, job: string, n: number): boolean {
  const state = tx.sql.get<Pick<StepRow, "state">>("SELECT state FROM step WHERE job = ? AND n = ?", job, n)?.state;
  const step = state === "skipped" ? stepRow(tx.sql, job, n) : undefined;
  return step ? stepBody(step).needs.every((need) => isDone(tx, job, need)) : state === "succeeded";
}

/** A step is done: what waited for it, and for nothing else any more, becomes ready, in its target and in others. */
export function readyAfter(tx: Tx, done: StepRow, target: TargetRow): void {
  readyMet(tx, target);
  const ends = [done, ...stepsIn(tx.sql, target, "skipped")];
  for (const end of ends) for (const step of dependents(tx, end)) readyIfMet(tx, step);
}

/** All blocked steps of the target whose needs are met become ready. */
export function readyMet(tx: Tx, target: TargetRow): void {
  for (const step of stepsIn(tx.sql, target, "blocked")) readyIfMet(tx, step);
}

function readyIfMet(tx: Tx, step: StepRow): void {
  if (step.state !== "blocked" || !stepBody(step).needs.every((n) => isDone(tx, step.job, n))) return;
  tx.sql.run(
    "UPDATE step SET state = 'ready', at = ?1, ready_at = ?1 WHERE job = ?2 AND n = ?3",
    tx.now,
    step.job,
    step.n,
  );
}

/** Steps of other targets that need this one. */
const dependents = (tx: Tx, { job, n }: StepRow): StepRow[] =>
  tx.sql.all<StepRow>(
    "SELECT s.* FROM step_need d JOIN step s ON s.job = d.job AND s.n = d.n WHERE d.job = ? AND d.need = ?",
    job,
    n,
  );

/** The targets that can never end because they need a step of this ended one that was not done; each with the reason. */
export function doomedBy(tx: Tx, ended: TargetRow, steps: readonly StepRow[]): { target: TargetRow; why: Failure }[] {
  const out = new Map<string, { target: TargetRow; why: Failure }>();
  for (const step of steps) {
    if (isEnd(step)) continue;
    for (const dependent of dependents(tx, step)) {
      const target = targetRow(tx.sql, step.job, dependent.device);
      if (!target || isFinal.target(target.state) || out.has(target.device)) continue;
      const detail = `${stepBody(dependent).name} needs ${stepBody(step).name} of ${targetBody(ended).name}, which did not succeed.`;
      out.set(target.device, { target, why: { code: "need_failed", detail } });
    }
  }
  return [...out.values()];
}
