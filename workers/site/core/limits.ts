/**
 * How long anything may stay in a state, and what then happens (J3). The tables are total over the states, so that a new
 * state without a deadline does not compile.
 */
import type { Millis } from "../../../shared/deps.ts";
import { isFinal, type JobState, type StepState, type TargetState } from "../../../shared/model/job.ts";

/**
 * A time in ms; `action`: what the action, or the device type, allows one attempt; `step`: as long as its steps, of which
 * one is always open; `job`: as long as its job; `none`: final.
 */
interface Limit {
  limit: Millis | "action" | "step" | "job" | "none";
  ends: string;
}
const HOUR = 3_600_000;
const final = { limit: "none", ends: "final" } as const;

export const stepLimits = {
  blocked: { limit: "job", ends: "is cancelled with its job" },
  ready: { limit: 6 * HOUR, ends: "fails with agent_silent" },
  leased: { limit: "action", ends: "fails with deadline_exceeded" },
  running: { limit: "action", ends: "fails with deadline_exceeded" },
  unknown: { limit: 6 * HOUR, ends: "fails with agent_silent" },
  succeeded: final,
  failed: final,
  skipped: final,
  cancelled: final,
} as const satisfies { readonly [S in StepState]: Limit };

export const targetLimits = {
  queued: { limit: "step", ends: "as its first steps do" },
  running: { limit: "step", ends: "as its open steps do" },
  // Time in a paused job does not count.
  waiting: { limit: 7 * 24 * HOUR, ends: "fails with nobody_decided and frees the device" },
  succeeded: final,
  failed: final,
  cancelled: final,
} as const satisfies { readonly [S in TargetState]: Limit };

/** A job that has not ended is given up after this, ms: longer than any grace between two of its steps. */
export const JOB_LIMIT_MS = 30 * 24 * HOUR;
const open = { limit: JOB_LIMIT_MS, ends: "is cancelled with deadline_exceeded" } as const;

export const jobLimits = {
  queued: open,
  running: open,
  waiting: open,
  paused: open,
  succeeded: final,
  partly: final,
  failed: final,
  cancelled: final,
} as const satisfies { readonly [S in JobState]: Limit };

/** When a step's present state must have ended. `at` is its row's time: since when it waits, or its attempt's deadline. */
export function stepDueAt(state: StepState, at: Millis | null, jobDueAt: Millis | null): Millis | null {
  if (isFinal.step(state)) return null;
  const { limit } = stepLimits[state];
  if (limit === "job" || at === null) return jobDueAt;
  return typeof limit === "number" ? at + limit : at;
}
