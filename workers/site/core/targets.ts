/** A target's way through its job: started by its first lease, ended by its last step, a failure, or a cancel. */

import { isDestructive } from "../../../shared/model/approval.ts";
import { type Failure, isFinal, jobStateOf, type TargetState } from "../../../shared/model/job.ts";
import { isCancelled } from "./cancelled.ts";
import { closeFinding, found } from "./findings.ts";
import { leaveHeld } from "./handover.ts";
import { jobRow } from "./job-views.ts";
import { targetLimits } from "./limits.ts";
import { heldAnew, move } from "./moves.ts";
import { doomedBy } from "./needs.ts";
import { deviceById } from "./rows.ts";
import {
  isBusy,
  NOT_PAUSED,
  type StepRow,
  specOf,
  stepBody,
  stepsIn,
  stepsOf,
  type TargetRow,
  WAITING_TARGETS,
} from "./step-rows.ts";
import type { Tx } from "./tx.ts";

/** The target's first step is leased, or a later one by another agent. */
export function startTarget(tx: Tx, target: TargetRow, agent: string, writes: boolean): void {
  const wrote = target.wrote === 1 || writes ? 1 : 0;
  if (target.state === "running" && target.agent === agent && target.wrote === wrote) return;
  tx.sql.run(
    "UPDATE job_target SET state = 'running', agent = ?, wrote = ?, started_at = coalesce(started_at, ?) WHERE job = ? AND device = ?",
    agent,
    wrote,
    tx.now,
    target.job,
    target.device,
  );
  if (target.state === "running") return;
  tx.event(target.job, "target.state", { device: target.device }, { state: "running" });
  tx.changedJobs.add(target.job);
}

/** Codes after which only a person can decide; the words are what the job then waits for. */
const humanDecides: Readonly<Record<string, string>> = {
  disk_not_blank: "a person to decide about the data on the planned drive: blank it by hand and retry, or cancel",
  machine_powered_on: "a person to find out what runs on the machine: power it off by hand and retry, or cancel",
  asset_in_service:
    "a person: the asset reached service through this agent; cancel, and plan server.reinstall if it is meant",
};

/**
 * Why nothing more of an open target may start, and as what it ends once its step at work has ended (J6): its job was
 * cancelled, or a step of another target that it needs did not succeed.
 */
export function ending(tx: Tx, target: TargetRow): { state: "cancelled" | "failed"; failure: Failure } | undefined {
  if (isCancelled(tx, target.job))
    return { state: "cancelled", failure: { code: "cancelled", detail: "Cancelled before the next step." } };
  if (target.state === "waiting" || target.failure === null) return undefined;
  return { state: "failed", failure: JSON.parse(target.failure) as Failure };
}

/** The step failed for good: either a person must decide, or the target has failed. */
export function failTarget(tx: Tx, target: TargetRow, failure: Failure): void {
  // A code is any text: also "constructor".
  const waitingOn = Object.hasOwn(humanDecides, failure.code) ? humanDecides[failure.code] : undefined;
  if (waitingOn === undefined) return endWhenStill(tx, target, "failed", failure);
  // J6: whoever cancelled the job has decided already.
  const end = ending(tx, target);
  if (end) return endWhenStill(tx, target, end.state, failure);
  // No branch of it goes on meanwhile, nor does its time run: a retry makes it ready again.
  for (const step of stepsIn(tx.sql, target, "ready"))
    tx.sql.run(
      "UPDATE step SET state = 'blocked', at = NULL, ready_at = NULL WHERE job = ? AND n = ?",
      step.job,
      step.n,
    );
  const dueAt = tx.now + targetLimits.waiting.limit;
  tx.sql.run(
    "UPDATE job_target SET state = 'waiting', waiting_on = ?, failure = ?, due_at = ? WHERE job = ? AND device = ?",
    waitingOn,
    JSON.stringify(failure),
    dueAt,
    target.job,
    target.device,
  );
  tx.event(target.job, "target.state", { device: target.device }, { state: "waiting", waitingOn, dueAt, failure });
  tx.changedJobs.add(target.job);
}

/** J3: nobody decided about a waiting target within its limit; the device is free again. In a paused job time stands still. */
export function expireTargets(tx: Tx): void {
  const late = tx.sql.all<TargetRow>(`SELECT * FROM ${WAITING_TARGETS} AND due_at <= ? ${NOT_PAUSED}`, tx.now);
  for (const target of late) {
    const detail = `It waited ${targetLimits.waiting.limit / 86_400_000} days for ${target.waiting_on}.`;
    endTarget(tx, target, "failed", { code: "nobody_decided", detail });
  }
}

/** Ends the target: open steps are cancelled, the device leaves `installing`, the lock is released. */
export function endTarget(
  tx: Tx,
  target: TargetRow,
  state: "succeeded" | "failed" | "cancelled",
  failure: Failure | null,
): void {
  const steps = stepsOf(tx.sql, target);
  leaveHeld(tx, target, steps);
  for (const step of steps) {
    if (!isFinal.step(step.state))
      tx.sql.run(
        "UPDATE step SET state = 'cancelled', at = NULL, ended_at = ? WHERE job = ? AND n = ?",
        tx.now,
        step.job,
        step.n,
      );
  }
  leaveDevice(tx, target, state, failure);
  tx.sql.run("DELETE FROM lock WHERE device = ? AND job = ?", target.device, target.job);
  heldAnew(tx, target.device);
  tx.sql.run(
    "UPDATE job_target SET state = ?, waiting_on = NULL, due_at = NULL, failure = ?, ended_at = ? WHERE job = ? AND device = ?",
    state,
    failure ? JSON.stringify(failure) : null,
    tx.now,
    target.job,
    target.device,
  );
  tx.event(target.job, "target.state", { device: target.device }, { state, ...(failure && { failure }) });
  if (state !== "succeeded") for (const doomed of doomedBy(tx, target, steps)) doom(tx, doomed.target, doomed.why);
  tx.changedJobs.add(target.job);
}

/** Where the device stands when the job lets go of it; one that is left out of service by no success is a finding. */
function leaveDevice(
  tx: Tx,
  target: TargetRow,
  state: "succeeded" | "failed" | "cancelled",
  failure: Failure | null,
): void {
  const device = deviceById(tx.sql, target.device);
  if (!device) return;
  if (state === "succeeded") return closeFinding(tx, "left-out-of-service", device.id);
  const out = device.state === "draining" || device.state === "maintenance";
  if (device.state !== "installing" && !out) return;
  // Nothing was written: the place is as it was, or the system is still on its drive. Else a person looks first.
  const to = target.wrote === 1 ? "failed" : out ? undefined : "planned";
  const why = { actor: "turnup", job: target.job, data: failure ? { failure } : {} };
  if (to !== undefined) move(tx, { subject: "device", id: device.id, to }, why);
  if (!out) return;
  found(tx, {
    check: "left-out-of-service",
    object: device.id,
    name: device.name,
    severity: "high",
    text: `${device.name} was taken out of service by ${target.job}, which ${state === "failed" ? "failed" : "was cancelled"}; it is ${to ?? device.state} now.`,
    next: "Mend the cause and `turnup retry JOB`, or plan anew: until a job brings it back it stays out.",
  });
}

/** The target cannot succeed any more. */
function doom(tx: Tx, target: TargetRow, why: Failure): void {
  // J6: in a job that was cancelled nothing fails for the sake of another.
  const end = ending(tx, target) ?? { state: "failed", failure: why };
  endWhenStill(tx, target, end.state, end.failure);
}

/** Ends the target; a step of it that is at work is let to its end first (J6), and none other starts. */
export function endWhenStill(tx: Tx, target: TargetRow, state: "failed" | "cancelled", failure: Failure): void {
  if (!isBusy(tx.sql, target)) return endTarget(tx, target, state, failure);
  tx.sql.run(
    "UPDATE job_target SET failure = ? WHERE job = ? AND device = ?",
    JSON.stringify(failure),
    target.job,
    target.device,
  );
}

/** Derives the states of the jobs that a command has touched; once for each, as a job may have thousands of targets. */
export function settleJobs(tx: Tx): void {
  for (const job of tx.changedJobs) settleJob(tx, job);
  tx.changedJobs.clear();
}

function settleJob(tx: Tx, job: string): void {
  const row = jobRow(tx.sql, job);
  if (!row) return;
  const states = tx.sql.all<{ state: TargetState }>(
    "SELECT DISTINCT state FROM job_target INDEXED BY target_state WHERE job = ?",
    job,
  );
  const state = jobStateOf(
    states.map((t) => t.state),
    row.paused !== null,
  );
  if (state !== row.state) {
    const over = isFinal.job(state);
    tx.sql.run(
      "UPDATE job SET state = ?, ended_at = ?, due_at = CASE WHEN ? THEN NULL ELSE due_at END, paused = CASE WHEN ? THEN NULL ELSE paused END WHERE id = ?",
      state,
      over ? tx.now : null,
      over ? 1 : 0,
      over ? 1 : 0,
      job,
    );
    tx.event(job, "job.state", {}, { state });
  }
  tx.dirty("job", job, tx.lastEvent(job));
}

/**
 * Cancels one step if that is safe now: what has not started, and what may be called back (an ensure that holds
 * nothing exclusively). Returns false if it must be left to end (J6).
 */
export function cancelStep(tx: Tx, step: StepRow): boolean {
  const body = stepBody(step);
  const flags = specOf(body)?.flags ?? {};
  const waits = body.action === "ramdisk.await" || body.action === "os.firstBoot";
  if (isDestructive(body) || (flags.exclusive && !waits)) return false;
  tx.sql.run(
    "UPDATE step SET state = 'cancelled', at = NULL, ended_at = ? WHERE job = ? AND n = ?",
    tx.now,
    step.job,
    step.n,
  );
  tx.event(step.job, "step.cancelled", { device: step.device, step: body.name });
  return true;
}
