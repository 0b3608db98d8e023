import { z } from "zod";
import { Verdict } from "./guard.ts";

/** States of a step. `unknown` is not an end: the state is read first, then it goes on (J4). */
export const stepStates = [
  "blocked",
  "ready",
  "leased",
  "running",
  "unknown",
  "succeeded",
  "failed",
  "skipped",
  "cancelled",
] as const;
export const StepState = z.enum(stepStates);
export type StepState = z.infer<typeof StepState>;
export const finalStepStates = ["succeeded", "failed", "skipped", "cancelled"] as const satisfies readonly StepState[];

/** States of one target within a job. `waiting` is for a human, who is named in `waitingOn`. */
export const targetStates = ["queued", "running", "waiting", "succeeded", "failed", "cancelled"] as const;
export const TargetState = z.enum(targetStates);
export type TargetState = z.infer<typeof TargetState>;
export const finalTargetStates = ["succeeded", "failed", "cancelled"] as const satisfies readonly TargetState[];

/** States of a job, derived from its targets. `partly`: all final, some but not all succeeded. `paused`: by a person. */
export const jobStates = [
  "queued",
  "running",
  "waiting",
  "paused",
  "succeeded",
  "partly",
  "failed",
  "cancelled",
] as const;
export const JobState = z.enum(jobStates);
export type JobState = z.infer<typeof JobState>;
export const finalJobStates = ["succeeded", "partly", "failed", "cancelled"] as const satisfies readonly JobState[];

export const isFinal = {
  step: (s: StepState): boolean => (finalStepStates as readonly string[]).includes(s),
  target: (s: TargetState): boolean => (finalTargetStates as readonly string[]).includes(s),
  job: (s: JobState): boolean => (finalJobStates as readonly string[]).includes(s),
};

/** Priorities of jobs: a higher one goes first, within what `rank` allows (no job starves). */
export const PRIORITY_MIN = 0;
export const PRIORITY_MAX = 9;
export const PRIORITY_DEFAULT = 5;
export const Priority = z.number().int().min(PRIORITY_MIN).max(PRIORITY_MAX);

/** The state of a job whose targets are in these states. */
export function jobStateOf(targets: readonly TargetState[], paused = false): JobState {
  const has = (s: TargetState) => targets.includes(s);
  if (paused && targets.some((s) => !isFinal.target(s))) return "paused";
  if (targets.every((s) => s === "queued")) return "queued";
  if (has("running") || has("queued")) return "running";
  if (has("waiting")) return "waiting";
  if (targets.every((s) => s === "succeeded")) return "succeeded";
  if (has("succeeded")) return "partly";
  return targets.every((s) => s === "cancelled") ? "cancelled" : "failed";
}

/** What an open job waits for when nobody paused it, in words; `open` targets have not ended. */
export function jobWaitingOn(state: JobState, open: number): string | null {
  if (isFinal.job(state)) return null;
  const who = state === "waiting" ? "a person to decide about" : "the steps of";
  return `${who} ${open} target${open === 1 ? "" : "s"}`;
}

/** How and why something failed, in the words of the error catalog. */
export const Failure = z.object({ code: z.string(), detail: z.string() });
export type Failure = z.infer<typeof Failure>;

export const TargetView = z.object({
  device: z.string(),
  name: z.string(),
  serial: z.string(),
  state: TargetState,
  /** Name of the step it is at; null when all are done. */
  step: z.string().nullable(),
  stepsDone: z.number().int(),
  stepsTotal: z.number().int(),
  /** Names of the steps that a person left out; they count as done. */
  skipped: z.array(z.string()),
  /** 0 to 100 within the current step where the executor tells; else null. */
  percent: z.number().nullable(),
  /** In words; null once final. */
  waitingOn: z.string().nullable(),
  /** The guard that keeps its next step from starting, and until when; absent when none does. */
  heldBy: Verdict.optional(),
  /** When its present state must have ended (J3); null once final. */
  dueAt: z.number().nullable(),
  failure: Failure.nullable(),
  /** Attempts beyond the first, over all steps. */
  retries: z.number().int(),
  startedAt: z.number().nullable(),
  endedAt: z.number().nullable(),
});
export type TargetView = z.infer<typeof TargetView>;

export const JobView = z.object({
  id: z.string(),
  site: z.string(),
  siteName: z.string(),
  workflow: z.string(),
  plan: z.string(),
  planHash: z.string(),
  requester: z.string(),
  priority: Priority,
  state: JobState,
  /** Who paused it; null while it is not. Steps at work then are let to their end. */
  paused: z.object({ by: z.string(), at: z.number(), reason: z.string() }).nullable(),
  /** In words; null once final. */
  waitingOn: z.string().nullable(),
  /** When it is given up if it has not ended (J3); null once final. */
  dueAt: z.number().nullable(),
  createdAt: z.number(),
  endedAt: z.number().nullable(),
  /** Grows with every change; the ETag is made of it. */
  version: z.number().int(),
  /** Sequence of the newest event. */
  lastEvent: z.number().int(),
  targets: z.array(TargetView),
});
export type JobView = z.infer<typeof JobView>;

/** A line in a list of jobs: the view without its targets. */
export const JobSummary = JobView.omit({ targets: true }).extend({
  counts: z.object({
    total: z.number(),
    succeeded: z.number(),
    failed: z.number(),
    waiting: z.number(),
    running: z.number(),
    cancelled: z.number(),
  }),
});
export type JobSummary = z.infer<typeof JobSummary>;

export const StepView = z.object({
  /** Position in the plan, from 0: over all targets. */
  n: z.number().int(),
  /** Position among the steps of its target, from 1: the number that a plan is shown with, and that a skip takes. */
  number: z.number().int(),
  device: z.string(),
  name: z.string(),
  action: z.string(),
  state: StepState,
  attempt: z.number().int(),
  waitingOn: z.string().nullable(),
  /** The guard that keeps it from starting, and until when; absent when none does. */
  heldBy: Verdict.optional(),
  readyAt: z.number().nullable(),
  leasedAt: z.number().nullable(),
  /** By the executor's own clock, as its report says: the step dead time is next start minus this end. */
  startedAt: z.number().nullable(),
  finishedAt: z.number().nullable(),
  endedAt: z.number().nullable(),
  /** When the current state must have ended; null once final. */
  dueAt: z.number().nullable(),
  failure: Failure.nullable(),
  /** Who left it out, and why; null unless it is skipped. */
  skipped: z.object({ by: z.string(), reason: z.string() }).nullable(),
  result: z.unknown(),
  evidence: z.unknown(),
});
export type StepView = z.infer<typeof StepView>;

export const eventKinds = [
  "job.accepted",
  "job.state",
  "target.state",
  "target.retry",
  "step.ready",
  "step.leased",
  "step.running",
  "step.progress",
  "step.succeeded",
  "step.failed",
  "step.retry",
  "step.unknown",
  "step.cancelled",
  "step.skipped",
  "report.dropped",
] as const;
export const JobEvent = z.object({
  job: z.string(),
  /** Gapless per job from 1. Progress is broadcast with the number of the last stored event and is not stored. */
  seq: z.number().int(),
  at: z.number(),
  kind: z.enum(eventKinds),
  device: z.string().nullable(),
  step: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type JobEvent = z.infer<typeof JobEvent>;
