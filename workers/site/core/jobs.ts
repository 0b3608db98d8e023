/** Jobs: accepted durably and once (J1), with the plan's steps as rows (J5) and the locks of all targets (L7). */
import { canonicalJson } from "../../../shared/canonical.ts";
import { isFinal } from "../../../shared/model/job.ts";
import type { Plan } from "../../../shared/model/plan.ts";
import type { Commands } from "./commands.ts";
import { jobRow } from "./job-views.ts";
import { heldAnew } from "./moves.ts";
import { makePlan, planRow, readPlan, staleness } from "./plans.ts";
import { stepsOf, type TargetRow, targetsOf } from "./step-rows.ts";
import { cancelStep, endTarget, refreshJob } from "./targets.ts";
import type { Tx } from "./tx.ts";

/** Returns the job's id and whether this call made it. */
export function createJob(tx: Tx, input: Commands["job.create"]["in"]): { job: string; created: boolean } {
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
  const plan = "plan" in input ? reviewedPlan(tx, input.plan, input.hash) : makePlan(tx, input, input.actor);
  const job = admit(tx, plan, input.actor);
  tx.sql.run(
    "INSERT INTO idempotency (actor, key, body_hash, job) VALUES (?, ?, ?, ?)",
    input.actor,
    input.key,
    bodyHash,
    job,
  );
  return { job, created: true };
}

function reviewedPlan(tx: Tx, id: string, hash: string): Plan {
  const row = planRow(tx.sql, id);
  const plan = readPlan(tx.sql, id);
  if (!row || !plan) return tx.fail("plan_unknown", `There is no plan ${id}.`);
  if (row.hash !== hash) return tx.fail("plan_stale", `The plan ${id} has the hash ${row.hash}, not ${hash}.`);
  if (row.job !== null) return tx.fail("plan_used", `The plan ${id} was used by ${row.job}.`);
  if (row.expires_at <= tx.now) return tx.fail("plan_expired", `The plan ${id} expired.`);
  const stale = staleness(tx, plan);
  if (stale !== undefined) return tx.fail("plan_stale", stale);
  return plan;
}

/** Takes all locks or none, and lays the plan out as rows. Steps without needs are ready at once. */
function admit(tx: Tx, plan: Plan, actor: string): string {
  const job = tx.id("job");
  for (const device of plan.targets.map((t) => t.device).sort()) {
    const held = tx.sql.get<{ job: string }>("SELECT job FROM lock WHERE device = ?", device);
    if (held) {
      const name = plan.targets.find((t) => t.device === device)?.name ?? device;
      tx.fail("locked", `${name} is held by ${held.job}.`);
    }
    tx.sql.run("INSERT INTO lock (device, job, since) VALUES (?, ?, ?)", device, job, tx.now);
    heldAnew(tx, device);
  }
  tx.sql.run(
    "INSERT INTO job (id, plan, plan_hash, workflow, requester, state, created_at) VALUES (?, ?, ?, ?, ?, 'queued', ?)",
    job,
    plan.id,
    planRow(tx.sql, plan.id)?.hash ?? "",
    plan.workflow,
    actor,
    tx.now,
  );
  tx.sql.run("UPDATE plan SET job = ? WHERE id = ?", job, plan.id);
  plan.targets.forEach((target, ord) => {
    const numbers = plan.steps.filter((s) => s.target === target.device).map((s) => s.n);
    tx.sql.run(
      `INSERT INTO job_target (job, device, ord, state, wrote, from_n, to_n, body) VALUES (?, ?, ?, 'queued', 0, ?, ?, ?)`,
      job,
      target.device,
      ord,
      Math.min(...numbers),
      Math.max(...numbers),
      canonicalJson(target),
    );
  });
  for (const step of plan.steps) {
    const ready = step.needs.length === 0;
    tx.sql.run(
      `INSERT INTO step (job, n, device, state, at, attempt, failures, resolve, ready_at, body) VALUES (?, ?, ?, ?, ?, 0, 0, 0, ?, ?)`,
      job,
      step.n,
      step.target,
      ready ? "ready" : "blocked",
      ready ? tx.now : null,
      ready ? tx.now : null,
      JSON.stringify(step),
    );
  }
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

/**
 * J6: nothing new starts; a step that reads or waits is called back, one that acts is left to end first. A target
 * whose step is at work is cancelled when that step reports.
 */
export function cancelJob(tx: Tx, { job, actor, reason }: Commands["job.cancel"]["in"]): void {
  const row = jobRow(tx.sql, job);
  if (!row) return tx.fail("job_unknown", `There is no job ${job}.`);
  if (isFinal.job(row.state)) return tx.fail("job_final", `${job} is ${row.state}.`);
  if (row.cancelled_by === null) {
    tx.sql.run("UPDATE job SET cancelled_by = ? WHERE id = ?", actor, job);
    tx.event(job, "job.state", {}, { cancelled: true, actor, reason });
  }
  for (const target of targetsOf(tx.sql, job)) if (!isFinal.target(target.state)) cancelTarget(tx, target);
  refreshJob(tx, job);
}

function cancelTarget(tx: Tx, target: TargetRow): void {
  const steps = stepsOf(tx.sql, target);
  const busy = steps.some((s) => (s.state === "leased" || s.state === "running") && !cancelStep(tx, s));
  if (busy) return;
  endTarget(tx, target, "cancelled", { code: "cancelled", detail: "Cancelled before the next step." });
  tx.ring();
}
