/** Jobs: accepted durably and once (J1), with the plan's steps as rows (J5) and the locks of all targets (L7). */
import { canonicalJson } from "../../../shared/canonical.ts";
import { type Failure, isFinal, PRIORITY_DEFAULT, PRIORITY_MAX } from "../../../shared/model/job.ts";
import type { Plan } from "../../../shared/model/plan.ts";
import { approvalsOf } from "./approvals.ts";
import { setCancelled } from "./cancelled.ts";
import type { Commands } from "./commands.ts";
import { approvalMissing } from "./guards/approval.ts";
import { jobRow } from "./job-views.ts";
import { JOB_LIMIT_MS } from "./limits.ts";
import { heldAnew } from "./moves.ts";
import { keepNeeds } from "./needs.ts";
import { planRow, reviewedPlan } from "./plan-rows.ts";
import { makePlan, mustBeCurrent, mustHold, policyApprovals, staleness } from "./plans.ts";
import type { ProgressBoard } from "./progress.ts";
import { stepsOf, type TargetRow, targetRow, targetsOf } from "./step-rows.ts";
import { cancelStep, endTarget } from "./targets.ts";
import type { Tx } from "./tx.ts";

/** Returns the job's id and whether this call made it. */
export function createJob(
  tx: Tx,
  input: Commands["job.create"]["in"],
  board: ProgressBoard,
): { job: string; created: boolean } {
  const bodyHash = tx.deps.sha256(input.body);
  const used = tx.sql.get<{ body_hash: string; job: string }>(
    "SELECT body_hash, job FROM idempotency WHERE actor = ? AND key = ?",
    input.actor,
    input.key,
  );
  if (used) {
    if (used.body_hash !== bodyHash)
      tx.fail("idempotency_key_reused", `The key ${input.key} made ${used.job} from another body.`);
    return { job: used.job, created: false };
  }
  const plan = "plan" in input ? currentPlan(tx, input.plan, input.hash, board) : makePlan(tx, input, input, board);
  // J7, G4
  const approvers = "plan" in input ? (input.approvers ?? []) : [];
  const row = { hash: planRow(tx.sql, plan.id)?.hash ?? "", job: null };
  const judge = { sql: tx.sql, now: tx.now, verify: tx.deps.verify, approvers };
  const missing = approvalMissing(plan, approvalsOf(judge, plan, row));
  if (missing) tx.fail(missing.code, `Waits for ${missing.text}.`);
  const job = admit(tx, plan, input.actor, input.priority ?? PRIORITY_DEFAULT);
  tx.sql.run(
    "INSERT INTO idempotency (actor, key, body_hash, job) VALUES (?, ?, ?, ?)",
    input.actor,
    input.key,
    bodyHash,
    job,
  );
  return { job, created: true };
}

/** The reviewed plan, if it still fits the world. */
function currentPlan(tx: Tx, id: string, hash: string, board: ProgressBoard): Plan {
  const plan = reviewedPlan(tx, id, hash);
  const stale = staleness(tx, plan);
  const [first] = stale;
  if (first) return tx.fail("plan_stale", `${first.text}.`, stale.slice(0, MOST_STALE));
  // G4: how many must approve stands in the plan, so a policy that asks for more since then needs another plan.
  const asked = policyApprovals(tx, board, plan.workflow);
  if (asked > plan.approvals)
    tx.fail(
      "plan_stale",
      `The policy asks ${asked} people to approve ${plan.workflow} now; the plan ${plan.approvals}.`,
    );
  // J5, J7, J10: rows of a plan that cannot run would wait for ever.
  mustHold(tx, plan);
  mustBeCurrent(tx, plan);
  return plan;
}

/** Targets that a refusal names at most. */
const MOST_STALE = 50;

/** What one step of priority is worth: such a job goes before so many that were accepted just before it. */
const PRIORITY_WORTH = 20;

/**
 * Lower goes first: oldest first, but for priority, and of two that are worth the same the older one. It is made of the
 * job's number and never changes, so nothing starves: fewer than 180 later jobs ever go before one.
 */
const rankOf = (seq: number, priority: number): number =>
  (PRIORITY_MAX + 1) * (seq - PRIORITY_WORTH * priority) + priority;

/** L7: takes the locks of these devices, all or none, in sorted order; a refusal names the holder. */
export function takeLocks(tx: Tx, job: string, targets: readonly { device: string; name: string }[]): void {
  for (const { device, name } of [...targets].sort((a, b) => (a.device < b.device ? -1 : 1))) {
    const held = tx.sql.get<{ job: string }>("SELECT job FROM lock WHERE device = ?", device);
    if (held) tx.fail("locked", `${name} is held by ${held.job}.`);
    tx.sql.run("INSERT INTO lock (device, job, since) VALUES (?, ?, ?)", device, job, tx.now);
    heldAnew(tx, device);
  }
}

/** Takes all locks or none, and lays the plan out as rows (J5). Steps without needs are ready at once. */
function admit(tx: Tx, plan: Plan, actor: string, priority: number): string {
  const job = tx.id("job");
  takeLocks(tx, job, plan.targets);
  const seq = 1 + (tx.sql.get<{ seq: number | null }>("SELECT max(seq) AS seq FROM job INDEXED BY job_seq")?.seq ?? 0);
  tx.sql.run(
    `INSERT INTO job (id, plan, plan_hash, workflow, requester, state, created_at, mode, priority, due_at, seq)
     VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?)`,
    job,
    plan.id,
    planRow(tx.sql, plan.id)?.hash ?? "",
    plan.workflow,
    actor,
    tx.now,
    plan.mode,
    priority,
    tx.now + JOB_LIMIT_MS,
    seq,
  );
  tx.sql.run("UPDATE plan SET job = ? WHERE id = ?", job, plan.id);
  layTargets(tx, job, plan);
  const rank = rankOf(seq, priority);
  const disrupted = new Set<string>();
  for (const step of plan.steps) {
    const ready = step.needs.length === 0;
    const disruptive = step.disrupts ? (disrupted.has(step.target) ? 2 : 1) : 0;
    if (step.disrupts) disrupted.add(step.target);
    tx.sql.run(
      `INSERT INTO step (job, n, device, state, at, attempt, failures, resolve, ready_at, body, action, disruptive, rank)
       VALUES (?, ?, ?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?)`,
      job,
      step.n,
      step.target,
      ready ? "ready" : "blocked",
      ready ? tx.now : null,
      ready ? tx.now : null,
      JSON.stringify(step),
      step.action,
      disruptive,
      rank,
    );
  }
  keepNeeds(tx, job, plan);
  tx.event(
    job,
    "job.accepted",
    {},
    { plan: plan.id, hash: planRow(tx.sql, plan.id)?.hash, actor, targets: plan.targets.length },
  );
  tx.dirty("job", job, 1);
  tx.ring();
  return job;
}

function layTargets(tx: Tx, job: string, plan: Plan): void {
  const range = new Map<string, { from: number; to: number }>();
  for (const { target, n } of plan.steps) range.set(target, { from: range.get(target)?.from ?? n, to: n });
  plan.targets.forEach((target, ord) => {
    tx.sql.run(
      `INSERT INTO job_target (job, device, ord, state, wrote, from_n, to_n, body) VALUES (?, ?, ?, 'queued', 0, ?, ?, ?)`,
      job,
      target.device,
      ord,
      range.get(target.device)?.from ?? 0,
      range.get(target.device)?.to ?? 0,
      canonicalJson(target),
    );
  });
}

/**
 * J6: nothing new starts; a step that reads or waits is called back, one that acts is left to end first. A target
 * whose step is at work is cancelled when that step reports.
 */
export function cancelJob(tx: Tx, { job, actor, reason }: Commands["job.cancel"]["in"]): void {
  const row = jobRow(tx.sql, job);
  if (!row) return tx.fail("job_unknown", `There is no job ${job}.`);
  if (isFinal.job(row.state)) return tx.fail("job_final", `${job} has ended: ${row.state}.`);
  if (row.cancelled_by === null) {
    setCancelled(tx, job, actor);
    tx.event(job, "job.state", {}, { cancelled: true, actor, reason });
  }
  cancelTargets(tx, job, { code: "cancelled", detail: "Cancelled before the next step." });
}

/** J3: a job that has not ended within its limit is cancelled, whoever it waits for. */
export function expireJobs(tx: Tx): void {
  for (const { id, cancelled_by } of tx.sql.all<{ id: string; cancelled_by: string | null }>(
    "SELECT id, cancelled_by FROM job INDEXED BY job_due WHERE due_at IS NOT NULL AND due_at <= ?",
    tx.now,
  )) {
    if (cancelled_by === null) {
      setCancelled(tx, id, "turnup");
      tx.event(id, "job.state", {}, { cancelled: true, actor: "turnup", reason: "it did not end within its limit" });
    }
    cancelTargets(tx, id, { code: "deadline_exceeded", detail: "The job did not end within its limit." });
    // What acts is let to its end (J6), and the job with it: until then that step's limit is the job's.
    tx.sql.run(
      "UPDATE job SET due_at = (SELECT max(at) FROM step WHERE job = ?1 AND state IN ('leased', 'running')) WHERE id = ?1",
      id,
    );
  }
}

function cancelTargets(tx: Tx, job: string, failure: Failure): void {
  for (const { device } of targetsOf(tx.sql, job)) {
    // Read again: a target may have ended with the one before it.
    const target = targetRow(tx.sql, job, device);
    if (target && !isFinal.target(target.state)) cancelTarget(tx, target, failure);
  }
  tx.changedJobs.add(job);
}

function cancelTarget(tx: Tx, target: TargetRow, failure: Failure): void {
  const steps = stepsOf(tx.sql, target);
  const busy = steps.some((s) => (s.state === "leased" || s.state === "running") && !cancelStep(tx, s));
  if (busy) return;
  endTarget(tx, target, "cancelled", failure);
  tx.ring();
}
