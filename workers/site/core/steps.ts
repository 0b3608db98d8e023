/** What happens to a step when its attempt ends: three outcomes (J4), each with one next thing. */
import type { ActionSpec } from "../../../shared/actions/action.ts";
import { actions } from "../../../shared/actions/index.ts";
import type { Millis, Random } from "../../../shared/deps.ts";
import { isDestructive } from "../../../shared/model/approval.ts";
import type { Failure } from "../../../shared/model/job.ts";
import type { PlanStep } from "../../../shared/model/plan.ts";
import { EVIDENCE_MAX_CHARS, RESULT_MAX_CHARS, type Report } from "../../../shared/protocol/agent.ts";
import { leaveHeld } from "./handover.ts";
import { record } from "./ledger.ts";
import { move } from "./moves.ts";
import { readyAfter } from "./needs.ts";
import { type StepRow, specOf, stepBody, stepRow, targetRow } from "./step-rows.ts";
import { ending, endTarget, endWhenStill, failTarget } from "./targets.ts";
import type { Tx } from "./tx.ts";

/** Attempts that were lost without a report do not count as tries; this many in all are the bound (J10). */
export const MAX_ATTEMPTS = 40;

/** What chance adds to a delay at most, so that a rack does not retry in step. */
const JITTER = 0.2;

/** Delay before try `failures + 1`, ms: base × 2^(n-1), at most max, plus up to a fifth. */
export function backoff(spec: ActionSpec, failures: number, random: Random): Millis {
  const { baseSeconds, maxSeconds } = spec.retry;
  const delay = Math.min(baseSeconds * 2 ** (failures - 1), maxSeconds) * 1000;
  return Math.round(delay * (1 + (random.uint32() / 2 ** 32) * JITTER));
}

/** The longest such delay of all actions, ms. */
export const LONGEST_BACKOFF_MS =
  (1 + JITTER) * 1000 * Math.max(...Object.values(actions).map((a) => a.retry.maxSeconds));

/** Applies a report to the step whose lease it carries. */
export function applyReport(tx: Tx, step: StepRow, report: Report): void {
  const failure = report.outcome === "succeeded" ? unfit(stepBody(step), report.result) : report.failure;
  if (report.outcome === "succeeded" && !failure) return succeed(tx, step, report);
  tx.sql.run(
    "UPDATE step SET started_at = ?, finished_at = ?, evidence = ? WHERE job = ? AND n = ?",
    report.startedAt,
    report.finishedAt,
    evidenceOf(report),
    step.job,
    step.n,
  );
  if (report.outcome === "unknown") return loseStep(tx, step, "the agent cannot say how the attempt ended");
  const unsaid = { code: "agent_defect", detail: "The agent reported a failure without saying which." } as const;
  failStep(tx, step, failure ?? unsaid);
}

/** Why a result cannot be taken for that of a success; undefined if it can. */
function unfit(body: PlanStep, result: unknown): Failure | undefined {
  const { length } = textOf(result);
  // S4: a row holds 2 MB, and what does not fit into one must not be sent again for ever.
  if (length > RESULT_MAX_CHARS)
    return {
      code: "agent_defect",
      detail: `The result of ${body.action} has ${length} characters; its contract has at most ${RESULT_MAX_CHARS}.`,
    };
  const checked = specOf(body)?.result.safeParse(result);
  return checked && !checked.success
    ? {
        code: "agent_defect",
        detail: `The result of ${body.action} does not fit its contract: ${checked.error.issues[0]?.path.join(".")}`,
      }
    : undefined;
}

const textOf = (result: unknown): string => JSON.stringify(result ?? null);

const evidenceOf = ({ evidence }: Report): string | null => (evidence ? shown(evidence) : null);

/** Evidence is for people: of more than a step may keep, the beginning. */
function shown(evidence: Record<string, unknown>): string {
  const text = JSON.stringify(evidence);
  return text.length <= EVIDENCE_MAX_CHARS ? text : JSON.stringify({ cut: text.slice(0, EVIDENCE_MAX_CHARS / 2) });
}

/** All that the report says is one row written (C4). */
function succeed(tx: Tx, step: StepRow, report: Report): void {
  const body = stepBody(step);
  tx.sql.run(
    `UPDATE step SET state = 'succeeded', at = NULL, ended_at = ?, result = ?, failure = NULL, started_at = ?, finished_at = ?,
       evidence = ? WHERE job = ? AND n = ?`,
    tx.now,
    textOf(report.result),
    report.startedAt,
    report.finishedAt,
    evidenceOf(report),
    step.job,
    step.n,
  );
  tx.event(step.job, "step.succeeded", { device: step.device, step: body.name });
  const actor = `agent:${step.agent}`;
  for (const mark of body.marks?.success ?? []) move(tx, mark, { actor, job: step.job });
  if (body.action === "ramdisk.writeImage" || body.action === "ramdisk.overwrite")
    recordWrite(tx, step, report.result, actor);
  readyNext(tx, step);
}

/** What a medium now holds is part of its history, although its state is the same. */
function recordWrite(tx: Tx, step: StepRow, result: unknown, actor: string): void {
  const { medium, image } = stepBody(step).params as { medium: { medium: string }; image?: { name: string } };
  record(tx, {
    subject: "medium",
    id: medium.medium,
    // No erasure, and not called one (E2).
    kind: image ? "medium.written" : "medium.overwritten",
    actor,
    job: step.job,
    data: { ...(image && { image: image.name }), proof: result },
  });
}

/** Steps whose needs are met become ready, those of other targets whatever becomes of this one; with none left it has succeeded. */
export function readyNext(tx: Tx, done: StepRow): void {
  const target = targetRow(tx.sql, done.job, done.device);
  if (!target) return;
  const end = ending(tx, target);
  const over = readyAfter(tx, done, target);
  if (end) return endWhenStill(tx, target, end.state, end.failure);
  if (over) endTarget(tx, target, "succeeded", null);
}

/** A failed try: another one where the action allows it, else the end of the target (J8: it starts at this step again). */
export function failStep(tx: Tx, step: StepRow, failure: Failure): void {
  const body = stepBody(step);
  const spec = specOf(body);
  const failures = step.failures + 1;
  const again = spec?.retryOn.includes(failure.code) && failures < spec.retry.tries && step.attempt < MAX_ATTEMPTS;
  const target = targetRow(tx.sql, step.job, step.device);
  if (again && spec && target && !ending(tx, target)) {
    const at = tx.now + backoff(spec, failures, tx.random);
    tx.sql.run(
      "UPDATE step SET state = 'ready', at = ?, ready_at = ?, failures = ?, failure = ?, resolve = max(resolve, ?) WHERE job = ? AND n = ?",
      at,
      at,
      failures,
      JSON.stringify(failure),
      // J4: a failure does not say how far an act had come that is not the same done twice.
      isDestructive(body) || spec.flags.idempotent !== true ? 1 : 0,
      step.job,
      step.n,
    );
    tx.event(
      step.job,
      "step.retry",
      { device: step.device, step: body.name },
      { failure, attempt: step.attempt, notBefore: at },
    );
    return;
  }
  tx.sql.run(
    "UPDATE step SET state = 'failed', at = NULL, ended_at = ?, failures = ?, failure = ? WHERE job = ? AND n = ?",
    tx.now,
    failures,
    JSON.stringify(failure),
    step.job,
    step.n,
  );
  tx.event(step.job, "step.failed", { device: step.device, step: body.name }, { failure, attempt: step.attempt });
  if (target) failTarget(tx, target, failure);
}

/**
 * The attempt's outcome is not known: the state is read before anything else (J4), by the next attempt, which carries
 * `resolve`. A report of the lost attempt that still comes in is the truth and is taken, as long as no newer attempt
 * has been leased.
 */
export function loseStep(tx: Tx, step: StepRow, why: string): void {
  tx.sql.run(
    "UPDATE step SET state = 'unknown', at = ?, resolve = 1 WHERE job = ? AND n = ?",
    tx.now,
    step.job,
    step.n,
  );
  tx.event(
    step.job,
    "step.unknown",
    { device: step.device, step: stepBody(step).name },
    { why, attempt: step.attempt },
  );
  // J6: another attempt, even one that reads first, would be the next step of a job that was cancelled.
  const target = targetRow(tx.sql, step.job, step.device);
  const end = target && ending(tx, target);
  if (end) {
    const detail = `${end.failure.detail} How the last attempt of ${stepBody(step).name} ended is not known.`;
    return endTarget(tx, target, end.state, { ...end.failure, detail });
  }
  if (step.attempt >= MAX_ATTEMPTS) {
    const lost = stepRow(tx.sql, step.job, step.n);
    if (lost) failLost(tx, lost, `${MAX_ATTEMPTS} attempts were lost without a report.`);
  }
}

/** An attempt that was lost is given up, although nobody has said that its agent is out of its call (L2). */
export function failLost(tx: Tx, step: StepRow, detail: string): void {
  const target = targetRow(tx.sql, step.job, step.device);
  if (target) leaveHeld(tx, target, [step]);
  failStep(tx, step, { code: "agent_silent", detail });
}
