/** A target's way through its job: started by its first lease, ended by its last step, a failure, or a cancel. */
import { type Failure, isFinal, jobStateOf, type TargetState } from "../../../shared/model/job.ts";
import { leaveHeld } from "./handover.ts";
import { jobRow } from "./job-views.ts";
import { heldAnew, move } from "./moves.ts";
import { deviceById } from "./rows.ts";
import { type StepRow, specOf, stepBody, stepsOf, type TargetRow } from "./step-rows.ts";
import { lastEvent, type Tx } from "./tx.ts";

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
  refreshJob(tx, target.job);
}

/** Codes after which only a person can decide; the words are what the job then waits for. */
const humanDecides: Readonly<Record<string, string>> = {
  disk_not_blank:
    "a person to decide about the data on the planned drive: cancel, then replace the drive or blank it by hand",
  machine_powered_on: "a person to find out what runs on the machine: power it off and plan again, or cancel",
  asset_in_service:
    "a person: the asset reached service through this agent, and no workflow reinstalls such a one yet; cancel",
};

/** The step failed for good: either a person must decide, or the target has failed. */
export function failTarget(tx: Tx, target: TargetRow, failure: Failure): void {
  const waitingOn = humanDecides[failure.code];
  if (waitingOn === undefined) return endTarget(tx, target, "failed", failure);
  // J6: whoever cancelled the job has decided already.
  if (jobRow(tx.sql, target.job)?.cancelled_by) return endTarget(tx, target, "cancelled", failure);
  tx.sql.run(
    "UPDATE job_target SET state = 'waiting', waiting_on = ?, failure = ? WHERE job = ? AND device = ?",
    waitingOn,
    JSON.stringify(failure),
    target.job,
    target.device,
  );
  tx.event(target.job, "target.state", { device: target.device }, { state: "waiting", waitingOn, failure });
  refreshJob(tx, target.job);
}

/** Ends the target: open steps are cancelled, the device leaves `installing`, the lock is released. */
export function endTarget(
  tx: Tx,
  target: TargetRow,
  state: "succeeded" | "failed" | "cancelled",
  failure: Failure | null,
): void {
  leaveHeld(tx, target);
  for (const step of stepsOf(tx.sql, target)) {
    if (!isFinal.step(step.state))
      tx.sql.run(
        "UPDATE step SET state = 'cancelled', at = NULL, ended_at = ? WHERE job = ? AND n = ?",
        tx.now,
        step.job,
        step.n,
      );
  }
  if (state !== "succeeded" && deviceById(tx.sql, target.device)?.state === "installing") {
    // Nothing was written: the place is as it was. Else a person looks first.
    const to = target.wrote === 1 ? "failed" : "planned";
    move(
      tx,
      { subject: "device", id: target.device, to },
      { actor: "turnup", job: target.job, data: failure ? { failure } : {} },
    );
  }
  tx.sql.run("DELETE FROM lock WHERE device = ? AND job = ?", target.device, target.job);
  heldAnew(tx, target.device);
  tx.sql.run(
    "UPDATE job_target SET state = ?, waiting_on = NULL, failure = ?, ended_at = ? WHERE job = ? AND device = ?",
    state,
    failure ? JSON.stringify(failure) : null,
    tx.now,
    target.job,
    target.device,
  );
  tx.event(target.job, "target.state", { device: target.device }, { state, ...(failure && { failure }) });
  refreshJob(tx, target.job);
}

/** Derives the job's state from its targets. */
export function refreshJob(tx: Tx, job: string): void {
  const row = jobRow(tx.sql, job);
  if (!row) return;
  const states = tx.sql.all<{ state: TargetState }>("SELECT state FROM job_target WHERE job = ?", job);
  const state = jobStateOf(states.map((t) => t.state));
  if (state !== row.state) {
    tx.sql.run("UPDATE job SET state = ?, ended_at = ? WHERE id = ?", state, isFinal.job(state) ? tx.now : null, job);
    tx.event(job, "job.state", {}, { state });
  }
  tx.dirty("job", job, lastEvent(tx.sql, job));
}

/**
 * Cancels one step if that is safe now: what has not started, and what may be called back (an ensure that holds
 * nothing exclusively). Returns false if it must be left to end (J6).
 */
export function cancelStep(tx: Tx, step: StepRow): boolean {
  const body = stepBody(step);
  const flags = specOf(body)?.flags ?? {};
  const waits = body.action === "ramdisk.await" || body.action === "os.firstBoot";
  if ((flags.exclusive || flags.destructive) && !waits) return false;
  tx.sql.run(
    "UPDATE step SET state = 'cancelled', at = NULL, ended_at = ? WHERE job = ? AND n = ?",
    tx.now,
    step.job,
    step.n,
  );
  tx.event(step.job, "step.cancelled", { device: step.device, step: body.name });
  return true;
}
