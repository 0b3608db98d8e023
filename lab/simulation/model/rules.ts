/** What each event does to jobs, targets and steps, as the rules say (J3, J4, J6, J8, J10, L4, L6). */
import type { ActionSpec } from "../../../shared/actions/action.ts";
import { actionSpec, actions, isActionName } from "../../../shared/actions/index.ts";
import { LEASE_TTL_MS, type Report } from "../../../shared/protocol/agent.ts";
import {
  type Attempt,
  atWork,
  ending,
  isEnded,
  isJobOpen,
  isOpen,
  type Model,
  type ModelAgent,
  type ModelJob,
  type ModelStep,
  type ModelTarget,
} from "./state.ts";

const HOUR = 3_600_000;
/** What no agent takes, or reads, within this while it might, and while nothing else is at work, has failed. */
const SILENT_MS = 6 * HOUR;
/** A person has so long to decide. */
const DECIDE_MS = 7 * 24 * HOUR;
/** After these a person decides. */
const ASKS = ["disk_not_blank", "machine_powered_on", "asset_in_service"];
/** What is not called back once an agent has it. */
const ACTS = ["bmc.bootOverride", "bmc.power", "ramdisk.writeImage", "ramdisk.bootDisk"];

export function specOf(action: string): ActionSpec {
  if (!isActionName(action)) throw new Error(`no action ${action}`);
  return actionSpec(action);
}
/** May be left out by a person, as nothing rests on what it found. */
export const isReading = ({ action }: ModelStep): boolean => specOf(action).flags.reads === true;
export const callMs = (action: string): number => specOf(action).longestCallSeconds * 1000;

/** Until when an attempt's lease lives by the coordinator's books. */
export const leaseEnd = ({ givenAt, agent }: Attempt): number => Math.max(givenAt + LEASE_TTL_MS, agent.renewedUntil);

/** Whether what the step stands for is done; one that was left out stands for its own needs. */
export function isDone(step: ModelStep): boolean {
  return step.state === "succeeded" || (step.state === "skipped" && needsOf(step).every(isDone));
}
export const needsOf = (step: ModelStep): ModelStep[] =>
  step.needs.flatMap((n) => step.target.job.targets.flatMap((t) => t.steps).filter((s) => s.n === n));

/** It can never be done: its target has ended without it. */
function isVain(step: ModelStep): boolean {
  if (step.state === "succeeded") return false;
  return step.state === "skipped" ? needsOf(step).some(isVain) : !isOpen(step.target);
}

/** What follows by itself: steps whose needs are done become ready, targets that can never succeed end. */
export function follow(m: Model): void {
  for (let again = true; again; ) {
    again = false;
    for (const target of m.openTargets()) {
      for (const step of target.state === "waiting" ? [] : target.steps) {
        if (step.state !== "blocked" || !needsOf(step).every(isDone)) continue;
        Object.assign(step, { state: "ready", at: m.now, slack: 0 });
        again = true;
      }
      const hopeless = target.steps.some((s) => !isEnded(s) && needsOf(s).some(isVain));
      if (!hopeless || target.doomed) continue;
      endWhenStill(m, target, ending(target) ?? "failed");
      again = true;
    }
  }
  // What has ended is not paused any more.
  for (const job of m.jobs) if (!isJobOpen(job)) job.pausedAt = undefined;
}

/** Ends the target; a step of it that is at work is let to its end first (J6). */
function endWhenStill(m: Model, target: ModelTarget, state: "failed" | "cancelled"): void {
  if (atWork(target)) target.doomed = true;
  else end(m, target, state);
}

function end(m: Model, target: ModelTarget, state: "succeeded" | "failed" | "cancelled"): void {
  for (const { newest } of target.steps)
    if (newest && !newest.over)
      m.left.push({ agent: newest.agent, device: target.device, until: leaseEnd(newest) + LONGEST_CALL_MS + AGREE_MS });
  for (const step of target.steps) if (!isEnded(step)) step.state = "cancelled";
  target.state = state;
  target.doomed = false;
}
export const LONGEST_CALL_MS = 60_000;
/** What the clocks of agent and coordinator may differ by. */
export const AGREE_MS = 2_000;

/** The code with which the report is refused; undefined if it is of the newest attempt (L4, L6). */
export function reported(m: Model, agent: ModelAgent, report: Report): string | undefined {
  const step = m.stepOf(report.job, report.step);
  if (!step) return "step_unknown";
  const { newest, state } = step;
  if (newest?.id !== report.lease || newest.epoch !== report.epoch || newest.agent !== agent)
    return report.epoch < (newest?.epoch ?? 0) ? "stale_epoch" : "epoch_unknown";
  // It was called back or given up before its agent told of it, which it does once.
  const late = state !== "work" && state !== "unknown" && !newest.told;
  const applied = state === "work" || (state === "unknown" && report.outcome !== "unknown");
  if (late || applied) newest.told = true;
  if (applied) apply(m, step, newest, report);
  follow(m);
  return late ? "attempt_over" : undefined;
}

function apply(m: Model, step: ModelStep, attempt: Attempt, { outcome, failure }: Report): void {
  // J4: one that does not know may have been killed within a call.
  if (outcome === "unknown") return lose(m, step);
  attempt.over = true;
  if (outcome === "failed") return fail(m, step, failure?.code ?? "agent_defect");
  step.state = "succeeded";
  done(m, step.target);
}

/** A step of the target is done, or was left out. */
function done(m: Model, target: ModelTarget): void {
  const as = ending(target);
  if (as) return endWhenStill(m, target, as);
  if (target.steps.every((s) => s.state === "succeeded" || s.state === "skipped")) end(m, target, "succeeded");
}

export function lose(m: Model, step: ModelStep): void {
  Object.assign(step, { state: "unknown", at: m.now, slack: 0, mustRead: true });
  const as = ending(step.target);
  if (as) end(m, step.target, as);
  follow(m);
}

function fail(m: Model, step: ModelStep, code: string): void {
  const { retry, retryOn } = specOf(step.action);
  const { target } = step;
  step.failures += 1;
  if (retryOn.includes(code) && step.failures < retry.tries && !ending(target)) {
    const backoff = 1000 * Math.min(retry.baseSeconds * 2 ** (step.failures - 1), retry.maxSeconds);
    Object.assign(step, { state: "ready", at: m.now + backoff, slack: backoff * 0.2 + 1 });
    return;
  }
  step.state = "failed";
  if (!ASKS.includes(code)) return endWhenStill(m, target, "failed");
  const as = ending(target);
  if (as) return endWhenStill(m, target, as);
  target.state = "waiting";
  target.dueAt = m.now + DECIDE_MS;
  for (const other of target.steps) if (other.state === "ready") other.state = "blocked";
}

/** The alarm: what has outlived its time ends. */
export function tick(m: Model): void {
  for (const target of m.openTargets())
    if (target.state === "waiting" && target.dueAt <= m.now && target.job.pausedAt === undefined) {
      end(m, target, "failed");
      follow(m);
    }
  for (const step of m.steps()) {
    if (step.state !== "work" || !step.newest) continue;
    if (leaseEnd(step.newest) <= m.now || step.newest.agent.revoked) lose(m, step);
    else if (step.newest.deadlineAt <= m.now) fail(m, step, "deadline_exceeded");
    follow(m);
  }
  const before = m.now - SILENT_MS;
  if (!m.open || m.openSince > before) return;
  const late = (step: ModelStep) => step.at <= before && step.target.job.pausedAt === undefined;
  // Who waits his turn behind others waits for nobody silent.
  const isRecent = (until: number) => until > before && until <= m.now + LEASE_TTL_MS;
  const wasGiven = ({ newest }: ModelStep) =>
    newest && !newest.begunAgain && newest.givenAt > before && newest.givenAt <= m.now;
  // Nor who waits for the place of a lost attempt in a job that a person has paused.
  const isKept = ({ state, target }: ModelStep) => state === "unknown" && target.job.pausedAt !== undefined;
  const isBusy = m.steps().some((s) => s.state === "work" || isKept(s) || wasGiven(s));
  if (isBusy || m.agents.some((a) => isRecent(a.renewedUntil))) {
    for (const step of m.steps())
      if ((step.state === "ready" || step.state === "unknown") && late(step))
        Object.assign(step, { at: m.now, slack: 0, early: false });
    return;
  }
  // What waited longest first: with it others of its job may end.
  for (const state of ["ready", "unknown"])
    for (const step of m.steps().sort((a, b) => a.at - b.at)) {
      if (step.state !== state || !late(step)) continue;
      fail(m, step, "agent_silent");
      follow(m);
    }
}

/**
 * C7: the clock was set back: what began in the future begins now. What ends later than it could from now is counted
 * anew too; when an agent may still be in a call of what has ended is then asked only by the agents' own time (L1).
 */
export function begunNow(m: Model): void {
  const isAhead = (at: number, most = 0) => at > m.now + most + NOTED_MS;
  for (const agent of m.agents)
    if (isAhead(agent.renewedUntil, LEASE_TTL_MS)) agent.renewedUntil = m.now + LEASE_TTL_MS + 1;
  for (const { newest } of m.placed()) {
    if (!newest || !isAhead(newest.givenAt)) continue;
    newest.deadlineAt -= newest.givenAt - m.now;
    newest.givenAt = m.now;
  }
  for (const step of m.steps()) if (isAhead(step.at, step.state === "ready" ? LONGEST_BACKOFF_MS : 0)) step.at = m.now;
}
/** Less is worth no row. */
const NOTED_MS = 1_000;
const LONGEST_BACKOFF_MS = 1_200 * Math.max(...Object.values(actions).map((a) => a.retry.maxSeconds));

export function revoke(m: Model, agent: ModelAgent): void {
  agent.revoked = true;
  for (const step of m.steps()) if (step.state === "work" && step.newest?.agent === agent) lose(m, step);
}

/** J6: what reads is called back, what acts is let to its end. */
export function cancel(m: Model, job: ModelJob): void {
  job.cancelled = true;
  for (const target of job.targets.filter(isOpen)) {
    for (const step of target.steps) if (step.state === "work" && !ACTS.includes(step.action)) step.state = "cancelled";
    if (!atWork(target)) end(m, target, "cancelled");
  }
  follow(m);
}

/** Time in which nothing could start, or nobody was to decide, does not count. */
export function resume(m: Model, job: ModelJob): void {
  const { pausedAt } = job;
  if (pausedAt === undefined) return;
  job.pausedAt = undefined;
  for (const target of job.targets) {
    target.dueAt += Math.max(0, m.now - Math.max(pausedAt, target.dueAt - DECIDE_MS));
    for (const step of target.steps)
      if (step.state === "ready" || step.state === "unknown") step.at = Math.max(step.at, m.now);
  }
}

/** J8: from the first incomplete step on; what was tried before is read first. */
export function reopen(target: ModelTarget): void {
  for (const step of target.steps) {
    if (step.newest) step.newest.over = true;
    if (step.state !== "failed" && step.state !== "cancelled") continue;
    if (step.attempt > 0) step.mustRead = true;
    if (step.newest) step.newest.begunAgain = true;
    Object.assign(step, { state: "blocked", attempt: 0, failures: 0 });
  }
  target.state = target.agent ? "running" : "queued";
  target.doomed = false;
}

export function skip(m: Model, step: ModelStep): void {
  if (step.target.state === "waiting" || step.target.state === "failed") reopen(step.target);
  step.state = "skipped";
  done(m, step.target);
  follow(m);
}
