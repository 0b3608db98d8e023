/** Needs between steps: within a target they stand in the step's body, across targets in a table of their own. */
import type { Failure } from "../../../shared/model/job.ts";
import { isFinal } from "../../../shared/model/job.ts";
import type { Plan } from "../../../shared/model/plan.ts";
import {
  type StepRow,
  stepBody,
  stepRow,
  stepsIn,
  stepsOf,
  type TargetRow,
  targetBody,
  targetRow,
  type UndoneStep,
  undoneOf,
} from "./step-rows.ts";
import type { Tx } from "./tx.ts";

/** Lays down the needs that cross from one target to another, so that a step's end finds who waits for it. */
export function keepNeeds(tx: Tx, job: string, plan: Plan): void {
  for (const { n, target, needs } of plan.steps)
    for (const need of needs)
      if (plan.steps[need]?.target !== target)
        tx.sql.run("INSERT INTO step_need (job, need, n) VALUES (?, ?, ?)", job, need, n);
  tx.forget(`needs ${job}`);
}

/** Whether what the step stands for has been done. One that was left out is done when its own needs are. */
function isDone(tx: Tx, job: string, n: number): boolean {
  const state = tx.sql.get<Pick<StepRow, "state">>("SELECT state FROM step WHERE job = ? AND n = ?", job, n)?.state;
  const step = state === "skipped" ? stepRow(tx.sql, job, n) : undefined;
  return step ? stepBody(step).needs.every((need) => isDone(tx, job, need)) : state === "succeeded";
}

/**
 * A step is done, or was left out: what waited for it, and for nothing else any more, becomes ready, in its target and in
 * others. Returns whether the target has nothing left to do.
 */
export function readyAfter(tx: Tx, done: StepRow, target: TargetRow): boolean {
  const undone = readyMet(tx, target, done.n);
  const skipped = undone.filter((step) => step.state === "skipped");
  for (const { n } of [done, ...skipped])
    for (const step of waitingFor(tx, { job: done.job, n }))
      if (step.state === "blocked" && stepBody(step).needs.every((need) => isDone(tx, step.job, need)))
        makeReady(tx, step);
  return skipped.length === undone.length;
}

/**
 * All blocked steps of the target whose needs are met become ready. Returns its steps that were not done before. `done`:
 * one of its own that is done, or was left out, which is not asked for then.
 */
export function readyMet(tx: Tx, target: TargetRow, done?: number): UndoneStep[] {
  const undone = undoneOf(tx.sql, target);
  const own = new Map(undone.map((step) => [step.n, step]));
  const isMet = (need: number): boolean => {
    const step = own.get(need);
    if (step === undefined) return need === done || isDone(tx, target.job, need);
    return step.state === "skipped" && step.needs.every(isMet);
  };
  for (const { n, state, needs } of undone)
    if (state === "blocked" && needs.every(isMet)) makeReady(tx, { ...target, n });
  return undone;
}

function makeReady(tx: Tx, { job, device, n }: Pick<StepRow, "job" | "device" | "n">): void {
  // A target that waits goes on when a person has decided.
  const goesOn = "NOT EXISTS (SELECT 1 FROM job_target WHERE job = ?2 AND device = ?4 AND state = 'waiting')";
  const ready = "UPDATE step SET state = 'ready', at = ?1, ready_at = ?1 WHERE job = ?2 AND n = ?3";
  tx.sql.run(`${ready} AND ${goesOn}`, tx.now, job, n, device);
}

/** Steps of other targets that need this one. Few jobs have any: those that have none are asked once for a command. */
export function dependents(tx: Tx, { job, n }: Pick<StepRow, "job" | "n">): StepRow[] {
  const any = () => tx.sql.get("SELECT 1 FROM step_need WHERE job = ? LIMIT 1", job) !== undefined;
  if (!tx.once(`needs ${job}`, any)) return [];
  return tx.sql.all<StepRow>(
    "SELECT s.* FROM step_need d JOIN step s ON s.job = d.job AND s.n = d.n WHERE d.job = ? AND d.need = ?",
    job,
    n,
  );
}

/** Open steps of other targets that wait for this one, directly or for one of their own that was left out. */
function waitingFor(tx: Tx, step: Pick<StepRow, "job" | "n">): StepRow[] {
  const left = (skipped: StepRow): StepRow[] => {
    const target = targetRow(tx.sql, skipped.job, skipped.device);
    const own = target ? stepsOf(tx.sql, target).filter((s) => stepBody(s).needs.includes(skipped.n)) : [];
    return [...own, ...dependents(tx, skipped)];
  };
  const open = (s: StepRow): StepRow[] =>
    s.state === "skipped" ? left(s).flatMap(open) : isFinal.step(s.state) ? [] : [s];
  return dependents(tx, step).flatMap(open);
}

/** The targets that can never end because they need a step of this ended one that was not done; each with the reason. */
export function doomedBy(tx: Tx, ended: TargetRow, steps: readonly StepRow[]): { target: TargetRow; why: Failure }[] {
  const out = new Map<string, { target: TargetRow; why: Failure }>();
  for (const step of steps) {
    if (isDone(tx, step.job, step.n)) continue;
    for (const dependent of waitingFor(tx, step)) {
      const target = targetRow(tx.sql, step.job, dependent.device);
      if (!target || isFinal.target(target.state) || out.has(target.device)) continue;
      const detail = `${stepBody(dependent).name} needs ${stepBody(step).name} of ${targetBody(ended).name}, which did not succeed.`;
      out.set(target.device, { target, why: { code: "need_failed", detail } });
    }
  }
  return [...out.values()];
}

/** What an open target waits for in vain, in words: a step of a target that has ended without it. */
export function neverMet(tx: Tx, target: TargetRow): string | undefined {
  const vain = (n: number): StepRow | undefined => {
    const need = stepRow(tx.sql, target.job, n);
    if (!need || need.state === "succeeded") return undefined;
    if (need.state === "skipped") return firstVain(need);
    const other = targetRow(tx.sql, need.job, need.device);
    return other && isFinal.target(other.state) ? need : undefined;
  };
  const firstVain = (step: StepRow): StepRow | undefined =>
    stepBody(step)
      .needs.map(vain)
      .find((need) => need !== undefined);
  for (const step of stepsIn(tx.sql, target, "blocked")) {
    const need = firstVain(step);
    const other = need && targetRow(tx.sql, need.job, need.device);
    if (need && other) return `${stepBody(step).name} needs ${stepBody(need).name} of ${targetBody(other).name}`;
  }
  return undefined;
}
