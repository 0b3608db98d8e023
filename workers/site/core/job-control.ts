/** What people do to a job that was accepted, beside cancelling it: pause, resume, try again, leave a step out. */
import type { Millis } from "../../../shared/deps.ts";
import { isDestructive } from "../../../shared/model/approval.ts";
import { isFinal } from "../../../shared/model/job.ts";
import { beginAgain, isOfBoot } from "./boot-scope.ts";
import type { Commands } from "./commands.ts";
import { type JobRow, jobRow, newestJobOf } from "./job-views.ts";
import { takeLocks } from "./jobs.ts";
import { JOB_LIMIT_MS, targetLimits } from "./limits.ts";
import { move } from "./moves.ts";
import { dependents, neverMet, readyMet } from "./needs.ts";
import { planRow } from "./plan-rows.ts";
import { targetStaleness } from "./plans.ts";
import { findDevice } from "./rows.ts";
import {
  type StepRow,
  specOf,
  stepBody,
  stepsOf,
  type TargetRow,
  targetBody,
  targetRow,
  targetsOf,
} from "./step-rows.ts";
import { readyNext } from "./steps.ts";
import type { Tx } from "./tx.ts";

function openJob(tx: Tx, id: string): JobRow {
  const row = jobRow(tx.sql, id);
  if (!row) return tx.fail("job_unknown", `There is no job ${id}.`);
  if (isFinal.job(row.state)) tx.fail("job_final", `${id} has ended: ${row.state}.`);
  return row;
}

export function pauseJob(tx: Tx, { job, actor, reason }: Commands["job.pause"]["in"]): void {
  if (openJob(tx, job).paused !== null) return;
  tx.sql.run("UPDATE job SET paused = ? WHERE id = ?", JSON.stringify({ by: actor, at: tx.now, reason }), job);
  tx.event(job, "job.state", {}, { paused: true, actor, reason });
  tx.changedJobs.add(job);
}

export function resumeJob(tx: Tx, { job, actor }: Commands["job.resume"]["in"]): void {
  const { paused } = openJob(tx, job);
  if (paused === null) return;
  tx.sql.run("UPDATE job SET paused = NULL WHERE id = ?", job);
  // Paused is not silent: time in which nothing could start does not count against what waits (J3).
  tx.sql.run("UPDATE step SET at = ?1 WHERE job = ?2 AND state IN ('ready', 'unknown') AND at < ?1", tx.now, job);
  // Nor against who is to decide about a target: it has as much time left as when the pause, or its wait in it, began.
  const { at } = JSON.parse(paused) as { at: Millis };
  tx.sql.run(
    "UPDATE job_target SET due_at = due_at + max(0, ?1 - max(?2, due_at - ?3)) WHERE job = ?4 AND due_at IS NOT NULL",
    tx.now,
    at,
    targetLimits.waiting.limit,
    job,
  );
  tx.event(job, "job.state", {}, { paused: false, actor });
  tx.changedJobs.add(job);
  tx.ring();
}

/** J8: from the first incomplete step on; what is done stays done, and the targets are those of the plan. */
export function retryJob(tx: Tx, { job, device, actor }: Commands["job.retry"]["in"]): void {
  const row = jobRow(tx.sql, job);
  if (!row) return tx.fail("job_unknown", `There is no job ${job}.`);
  if (row.cancelled_by) tx.fail("retry_refused", `${job} was cancelled; plan again.`);
  const chosen = targetsOf(tx.sql, job).filter((t) => device === undefined || isTarget(tx, t, device));
  if (chosen.length === 0) tx.fail("retry_refused", `${job} has no target ${device}.`);
  const stuck = chosen.filter((t) => t.state === "failed" || t.state === "waiting");
  if (stuck.length === 0)
    tx.fail("retry_refused", `No target ${device === undefined ? `of ${job} ` : ""}has failed or waits for a person.`);
  takeLocks(
    tx,
    job,
    stuck.filter((t) => t.state === "failed").map((t) => targetBody(t)),
  );
  for (const target of stuck) reopen(tx, row, target, actor);
  for (const target of stuck) mayGoOn(tx, target);
  tx.sql.run("UPDATE job SET due_at = ? WHERE id = ?", tx.now + JOB_LIMIT_MS, job);
  tx.changedJobs.add(job);
  tx.ring();
}

const isTarget = (tx: Tx, target: TargetRow, device: string): boolean =>
  target.device === device || target.device === findDevice(tx.sql, device)?.id;

/** The target goes on: its failed and cancelled steps are as if never tried, and so are those whose boot has ended. */
function reopen(tx: Tx, job: JobRow, target: TargetRow, actor: string): void {
  const ended = target.state === "failed";
  mayStillRun(tx, job);
  if (ended) mayReopen(tx, job, target);
  const steps = stepsOf(tx.sql, target);
  const again = steps.filter((s) => s.state === "failed" || s.state === "cancelled" || (ended && isOfBoot(s)));
  beginAgain(tx, again);
  tx.sql.run(
    "UPDATE job_target SET state = ?, waiting_on = NULL, due_at = NULL, failure = NULL, ended_at = NULL WHERE job = ? AND device = ?",
    target.started_at === null ? "queued" : "running",
    target.job,
    target.device,
  );
  // What the steps that stay done had made of the device; the others make it anew when they start.
  for (const step of stepsOf(tx.sql, target))
    if (step.state === "succeeded")
      for (const mark of [...(stepBody(step).marks?.start ?? []), ...(stepBody(step).marks?.success ?? [])])
        if (mark.subject === "device") move(tx, mark, { actor, job: target.job, data: { retry: true } });
  tx.event(target.job, "target.retry", { device: target.device }, { actor, from: target.state });
  readyMet(tx, target);
}

/** G4: an approval ends with its plan. */
function mayStillRun(tx: Tx, { plan: id }: JobRow): void {
  const plan = planRow(tx.sql, id);
  if (plan && plan.approvals > 0 && plan.expires_at <= tx.now)
    tx.fail("retry_refused", `The plan ${id} has expired, and its approvals with it. Plan again.`);
}

/** A target that had ended left its device to others: it must still be the one that was planned. */
function mayReopen(tx: Tx, job: JobRow, target: TargetRow): void {
  const { name } = targetBody(target);
  const newest = newestJobOf(tx.sql, target.device);
  if (newest?.id !== job.id) tx.fail("retry_refused", `${name} has been in ${newest?.id} since; plan again.`);
  const stale = targetStaleness(tx, targetBody(target), tx.deps.workflows.get(job.workflow)?.startsFrom);
  if (stale !== undefined) tx.fail("retry_refused", `${stale} Plan again.`);
}

/** J10: one that needs what has ended would wait in vain. */
function mayGoOn(tx: Tx, target: TargetRow): void {
  const vain = neverMet(tx, target);
  if (vain !== undefined) tx.fail("retry_refused", `${vain}, which has ended without it; try that again too.`);
}

/**
 * Leaves a step out, with the reason in the job's events (E4): one that has not begun, or that failed; a target that
 * ended with it goes on.
 */
export function skipStep(tx: Tx, { job, device, step: named, reason, actor }: Commands["job.skip"]["in"]): void {
  const row = jobRow(tx.sql, job);
  if (!row) return tx.fail("job_unknown", `There is no job ${job}.`);
  if (row.cancelled_by) tx.fail("skip_refused", `${job} was cancelled; plan again.`);
  const target = targetsOf(tx.sql, job).find((t) => isTarget(tx, t, device));
  if (!target) return tx.fail("skip_refused", `${job} has no target ${device}.`);
  const steps = stepsOf(tx.sql, target);
  // The number is the one that a plan is shown with: within the target, from 1.
  const step = steps.find((s) => stepBody(s).name === named) ?? steps.find((_, i) => String(i + 1) === named);
  if (!step) {
    const there = steps.map((s, i) => `${i + 1} ${stepBody(s).name}`).join(", ");
    return tx.fail("skip_refused", `${targetBody(target).name} has no step ${named} in ${job}: it has ${there}.`);
  }
  const { name } = stepBody(step);
  if (!["blocked", "ready", "failed"].includes(step.state)) tx.fail("skip_refused", `${name} is ${step.state}.`);
  const why = needed(tx, step);
  if (why !== undefined) tx.fail("skip_refused", `${name} ${why}.`);
  if (target.state === "failed") takeLocks(tx, job, [targetBody(target)]);
  if (target.state === "failed" || target.state === "waiting") {
    reopen(tx, row, target, actor);
    // A job that had ended has a deadline again (J3).
    tx.sql.run("UPDATE job SET due_at = ? WHERE id = ?", tx.now + JOB_LIMIT_MS, job);
  }
  tx.sql.run("UPDATE step SET state = 'skipped', at = NULL, ended_at = ? WHERE job = ? AND n = ?", tx.now, job, step.n);
  if (isFinal.target(target.state)) mayGoOn(tx, target);
  tx.event(job, "step.skipped", { device: target.device, step: name }, { actor, reason, from: step.state });
  readyNext(tx, step);
  tx.changedJobs.add(job);
  tx.ring();
}

/** Why a step must run: its effect, its mark in the ledger, or its proof is what a later step rests on. */
function needed(tx: Tx, step: StepRow): string | undefined {
  const body = stepBody(step);
  const spec = specOf(body);
  if (isDestructive(body) || body.writes || spec?.flags.reads !== true) return "does more than read";
  if (body.marks?.start || body.marks?.success) return "moves the device in the ledger";
  if (spec.proves === undefined) return undefined;
  const later = laterThan(tx, step).map(stepBody);
  return later.some((s) => isDestructive(s) || s.writes)
    ? `proves ${spec.proves}, and a later step that writes rests on it`
    : undefined;
}

/** All that could rest on a step: what needs it, or stands after it in its own target, and so on from there. */
function laterThan(tx: Tx, step: StepRow): StepRow[] {
  const ofDevice = new Map<string, StepRow[]>();
  const own = ({ device }: StepRow): StepRow[] => {
    const target = ofDevice.has(device) ? undefined : targetRow(tx.sql, step.job, device);
    if (target) ofDevice.set(device, stepsOf(tx.sql, target));
    return ofDevice.get(device) ?? [];
  };
  const later = new Map<number, StepRow>();
  const open = [step];
  for (let next = open.pop(); next; next = open.pop()) {
    const { n } = next;
    const after = own(next).filter((s) => s.n > n || stepBody(s).needs.includes(n));
    for (const found of [...after, ...dependents(tx, next)]) {
      if (later.has(found.n)) continue;
      later.set(found.n, found);
      open.push(found);
    }
  }
  later.delete(step.n);
  return [...later.values()];
}
