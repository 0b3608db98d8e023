/** How steps and the targets of a job lie in their tables. */

import type { ActionSpec } from "../../../shared/actions/action.ts";
import { type ActionName, actionSpec, isActionName } from "../../../shared/actions/index.ts";
import type { StepState, TargetState } from "../../../shared/model/job.ts";
import type { PlanStep, PlanTarget } from "../../../shared/model/plan.ts";
import type { Sql } from "../../../shared/sql.ts";

export interface StepRow {
  job: string;
  n: number;
  device: string;
  state: StepState;
  at: number | null;
  attempt: number;
  failures: number;
  resolve: number;
  lease: string | null;
  epoch: number | null;
  agent: string | null;
  ready_at: number | null;
  leased_at: number | null;
  started_at: number | null;
  finished_at: number | null;
  ended_at: number | null;
  failure: string | null;
  result: string | null;
  evidence: string | null;
  body: string;
  action: string;
  /** 0, or 1 for the target's first step that disrupts, which takes it out of service, and 2 for a later one (G5). */
  disruptive: number;
  rank: number;
}

export interface TargetRow {
  job: string;
  device: string;
  ord: number;
  state: TargetState;
  waiting_on: string | null;
  failure: string | null;
  /** The agent that works on it: a boot lives in one agent's journal. */
  agent: string | null;
  /** 1 from the moment a step that writes was leased. */
  wrote: number;
  from_n: number;
  to_n: number;
  started_at: number | null;
  ended_at: number | null;
  body: string;
  /** Until when it waits for a person; null unless it does. */
  due_at: number | null;
}

export const stepBody = (row: StepRow): PlanStep => JSON.parse(row.body) as PlanStep;
export const targetBody = (row: TargetRow): PlanTarget => JSON.parse(row.body) as PlanTarget;

/** The action's contract. A stored plan may name an action that this version no longer has. */
export const specOf = (body: PlanStep): ActionSpec | undefined =>
  isActionName(body.action) ? actionSpec(body.action satisfies ActionName) : undefined;

/**
 * The open steps, as what follows FROM: more conditions begin with AND. SQLite takes a partial index only where the
 * query repeats its words; without it every sync would read the steps of all jobs there ever were. INDEXED BY makes a
 * query that does not fit it fail.
 */
export const OPEN_STEPS = "step INDEXED BY step_open WHERE state IN ('ready', 'leased', 'running', 'unknown')";

/** The ready ones: of each action, and disruptive or not, in the order in which they go. */
export const READY_STEPS = "step INDEXED BY step_ready WHERE state = 'ready'";

/** Those at work, and those of which it is not known. */
export const WORK_STEPS = "step INDEXED BY step_work WHERE state IN ('leased', 'running', 'unknown')";

/** Targets that wait for a person. */
export const WAITING_TARGETS = "job_target INDEXED BY target_due WHERE due_at IS NOT NULL";

/** Goes behind a condition on steps or targets: what waits in a paused job has no deadline of its own and wants no permit. */
export const NOT_PAUSED = "AND job NOT IN (SELECT id FROM job INDEXED BY job_paused WHERE paused IS NOT NULL)";

/** A paused job that keeps a place with a lost attempt: nobody reads how that ended before the job goes on (J6, G5). */
export const pausedInLoss = (sql: Sql) =>
  sql.get<{ id: string; paused: string }>(
    `SELECT id, paused FROM job INDEXED BY job_paused WHERE paused IS NOT NULL
       AND id IN (SELECT job FROM ${WORK_STEPS} AND state = 'unknown') LIMIT 1`,
  );

export const stepRow = (sql: Sql, job: string, n: number) =>
  sql.get<StepRow>("SELECT * FROM step WHERE job = ? AND n = ?", job, n);
const OF_TARGET = "FROM step WHERE job = ? AND n BETWEEN ? AND ? AND device = ?";
const ofTarget = (t: TargetRow) => [t.job, t.from_n, t.to_n, t.device];
export const stepsOf = (sql: Sql, t: TargetRow) => sql.all<StepRow>(`SELECT * ${OF_TARGET} ORDER BY n`, ...ofTarget(t));
/** In plan order, as a person counts a target's steps: the first is number 1. */
export const stepNumbers = (sql: Sql, t: TargetRow): number[] =>
  sql.all<{ n: number }>(`SELECT n ${OF_TARGET} ORDER BY n`, ...ofTarget(t)).map(({ n }) => n);
/** Those in one state: a sync asks for few of them, hundreds of times. */
export const stepsIn = (sql: Sql, t: TargetRow, state: StepState) =>
  sql.all<StepRow>(`SELECT * ${OF_TARGET} AND state = ? ORDER BY n`, ...ofTarget(t), state);
/** Whether a step of the target is at work, beside this one. */
export const isBusy = (sql: Sql, t: TargetRow, beside = -1) =>
  sql.get(`SELECT 1 ${OF_TARGET} AND n <> ? AND state IN ('leased', 'running') LIMIT 1`, ...ofTarget(t), beside) !==
  undefined;

/** A step that is not done, in short: what it needs is told of one that is blocked or was left out, and empty of others. */
export interface UndoneStep {
  n: number;
  state: StepState;
  needs: number[];
}
/**
 * The target's steps that are not done. Whole rows would be most of what a report costs, as it asks for them each time,
 * and on the platform each row and column costs more than what is in it: so they come as one text.
 */
export function undoneOf(sql: Sql, t: TargetRow): UndoneStep[] {
  const needs = "json(CASE WHEN state IN ('blocked', 'skipped') THEN body -> '$.needs' ELSE '[]' END)";
  const row = sql.get<{ steps: string }>(
    `SELECT json_group_array(json_array(n, state, ${needs})) AS steps ${OF_TARGET} AND state <> 'succeeded'`,
    ...ofTarget(t),
  );
  const steps = JSON.parse(row?.steps ?? "[]") as [n: number, state: StepState, needs: number[]][];
  return steps.map(([n, state, needs]) => ({ n, state, needs })).sort((a, b) => a.n - b.n);
}

export const targetRow = (sql: Sql, job: string, device: string) =>
  sql.get<TargetRow>("SELECT * FROM job_target WHERE job = ? AND device = ?", job, device);
export const targetsOf = (sql: Sql, job: string) =>
  sql.all<TargetRow>("SELECT * FROM job_target WHERE job = ? ORDER BY ord", job);
