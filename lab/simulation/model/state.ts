/**
 * What the model knows: agents with what is in their hands, jobs with their targets and steps, and two clocks. It is
 * written from the rules (docs/spec.md), not from the core, and is told nothing but commands and their replies.
 */
import type { Lease, Report } from "../../../shared/protocol/agent.ts";

/** `work`: leased or running; the protocol does not tell one from the other. */
export type StepState = "blocked" | "ready" | "work" | "unknown" | "succeeded" | "failed" | "cancelled" | "skipped";
export type TargetState = "queued" | "running" | "waiting" | "succeeded" | "failed" | "cancelled";

/** The newest attempt of a step. */
export interface Attempt {
  id: string;
  epoch: number;
  agent: ModelAgent;
  givenAt: number;
  /** When the coordinator gives it up. */
  deadlineAt: number;
  /** The coordinator was told that the agent is done with it. */
  over: boolean;
  /** Its step was begun again: it counts as if it had never been given. */
  begunAgain: boolean;
  /** Its report has come in. */
  told: boolean;
}

export interface ModelStep {
  target: ModelTarget;
  n: number;
  name: string;
  action: string;
  needs: readonly number[];
  state: StepState;
  /** ready: not before this; unknown: since then. By the coordinator's clock. */
  at: number;
  /** The backoff's jitter: the coordinator may have chosen a time this much later, ms; seen in the next comparison. */
  slack: number;
  attempt: number;
  failures: number;
  newest: Attempt | undefined;
  /** J4: how the last attempt left the machine is not known, so the next one must be told to read first. */
  mustRead: boolean;
}

export interface ModelTarget {
  job: ModelJob;
  device: string;
  name: string;
  state: TargetState;
  /** The last agent that was given a step of it. */
  agent: ModelAgent | undefined;
  /** It can only fail, but a step of it is at work. */
  doomed: boolean;
  /** Until when it waits for a person. */
  dueAt: number;
  steps: ModelStep[];
}

export interface ModelJob {
  id: string;
  /** What it was accepted with: the same again must give the same job (J1). */
  key: string;
  body: string;
  priority: number;
  /** By the coordinator's clock. */
  pausedAt: number | undefined;
  cancelled: boolean;
  targets: ModelTarget[];
}

/** A lease that reached its agent: until when the agent may be in a call of it, by real time. */
export interface Hand {
  lease: Lease;
  until: number;
  /** What the agent has found out and not said yet; its call is over. */
  report: Report | undefined;
}

export interface ModelAgent {
  id: string;
  name: string;
  revoked: boolean;
  /** What it holds by its own count, by lease. */
  hands: Map<string, Hand>;
  /** Calls that may go on although it does not hold the lease any more. */
  late: { device: string; until: number }[];
  /** Reports that it sent, any of which may come once more. */
  sent: Report[];
  /** By real time; what nobody answered counts too. */
  heardAt: number;
  /** By real time: since when it is kept from a machine that another agent has had to do with, and no clock was set. */
  waitsSince: number | undefined;
  /** By the coordinator's books: until when what it holds lives, as of its last renewal. */
  renewedUntil: number;
}

/** An attempt that nobody has reported the end of, on a target that has ended: the device is its agent's until then. */
export interface Left {
  agent: ModelAgent;
  device: string;
  until: number;
}

export class Model {
  /** The coordinator's clock; it may be set back, or ahead. */
  now: number;
  /** Time as it is: agents count by it (L3). */
  real = 0;
  agents: ModelAgent[] = [];
  jobs: ModelJob[] = [];
  left: Left[] = [];
  /** Whether steps may start: the kill switch, and the permit's end. */
  frozen = false;
  /** Heard at a time that is still to come: the clock was set back, and nobody knows how long it lives. */
  permit = { heardAt: 0, until: 0 };
  openSince = 0;
  caps: { steps: number; actions: Readonly<Record<string, number>> } = { steps: Number.POSITIVE_INFINITY, actions: {} };
  /** The highest epoch ever given, per device. */
  readonly epochs = new Map<string, number>();
  /** Commands so far, for numbers that are never used twice. */
  count = 0;

  constructor(now: number) {
    this.now = now;
  }

  get open(): boolean {
    return !this.frozen && this.permit.heardAt <= this.now && this.permit.until > this.now;
  }
  targets(): ModelTarget[] {
    return this.jobs.flatMap((j) => j.targets);
  }
  steps(): ModelStep[] {
    return this.targets().flatMap((t) => t.steps);
  }
  /** Steps that hold a place: at work, or lost and not read yet. */
  placed(): ModelStep[] {
    return this.steps().filter((s) => s.state === "work" || s.state === "unknown");
  }
  openTargets(): ModelTarget[] {
    return this.targets().filter(isOpen);
  }
  holder(device: string): ModelJob | undefined {
    return this.openTargets().find((t) => t.device === device)?.job;
  }
  stepOf(job: string, n: number): ModelStep | undefined {
    return this.jobs
      .find((j) => j.id === job)
      ?.targets.flatMap((t) => t.steps)
      .find((s) => s.n === n);
  }
}

export const isOpen = (t: Pick<ModelTarget, "state">): boolean =>
  t.state === "queued" || t.state === "running" || t.state === "waiting";
export const isEnded = (s: ModelStep): boolean => ["succeeded", "failed", "cancelled", "skipped"].includes(s.state);
export const atWork = (t: ModelTarget): boolean => t.steps.some((s) => s.state === "work");
export const isJobOpen = (j: ModelJob): boolean => j.targets.some(isOpen);

/** Nothing more of it may start; as what it will end. */
export function ending({ job, state, doomed }: ModelTarget): "cancelled" | "failed" | undefined {
  if (job.cancelled) return "cancelled";
  return state !== "waiting" && doomed ? "failed" : undefined;
}

/** A rule that did not hold. */
export function violated(rule: string, what: string): never {
  throw new Error(`[${rule}] ${what}`);
}

export const label = (s: ModelStep): string => `${s.target.name}/${s.name}`;
