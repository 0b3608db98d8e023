/** The one exchange with an agent: reports in, renewals, new leases and audit questions out. Repeating it is harmless. */
import type { ErrorCode } from "../../../shared/errors.ts";
import { siteOfId } from "../../../shared/ids.ts";
import { isFinal } from "../../../shared/model/job.ts";
import {
  AGENT_PROTOCOL,
  type BootRef,
  POLL_BUSY_MS,
  POLL_IDLE_MS,
  type Progress,
  type Report,
  type SyncReply,
  type SyncRequest,
} from "../../../shared/protocol/agent.ts";
import { type AgentRow, agentRow } from "./agent-rows.ts";
import { changeFor } from "./approver-changes.ts";
import { auditTargets, noteAnswer, takeObservations } from "./audits.ts";
import { foundUnknown } from "./findings.ts";
import { heard } from "./handover.ts";
import { generationOf } from "./hold.ts";
import { handOut, heldBy, redeliver, renew } from "./leases.ts";
import { ledgerHead } from "./ledger.ts";
import { beginCount } from "./own-time.ts";
import type { ProgressBoard } from "./progress.ts";
import { stepBody, stepRow, targetRow } from "./step-rows.ts";
import { applyReport, loseStep } from "./steps.ts";
import { heldBack } from "./told.ts";
import type { Tx } from "./tx.ts";

export function sync(tx: Tx, agentId: string, request: SyncRequest, board: ProgressBoard): SyncReply {
  const agent = agentRow(tx, agentId);
  if (!agent || agent.revoked_at !== null) return tx.fail("agent_revoked", `The agent ${agentId} may not work here.`);
  if (request.v !== AGENT_PROTOCOL)
    return tx.fail(
      "version_unsupported",
      `Version ${request.v} of the agent protocol is not spoken here; ${AGENT_PROTOCOL} is.`,
    );
  if (request.generation !== undefined && request.generation > generationOf(tx.sql))
    return tx.fail(
      "site_fenced",
      `The agent has seen generation ${request.generation} of this site; this is an older one.`,
    );
  heard(tx, board, agent, request);
  const refused = request.reports.map((report) => takeReport(tx, agent, report)).filter((r) => r !== undefined);
  const acks = request.reports.map((report) => report.lease);
  for (const progress of request.progress) takeProgress(tx, agent, progress, board);
  noteAnswer(tx, agent.id, board);
  if (request.audit) takeObservations(tx, request.audit.window, request.audit.observations, board);
  for (const unknown of request.unknown ?? []) foundUnknown(tx, unknown);
  noteVersion(tx, agent, request.version);

  const common = { v: AGENT_PROTOCOL, now: tx.now, acks, generation: generationOf(tx.sql), ledger: ledgerHead(tx.sql) };
  const approvers = changeFor(tx, agent.id, request.approvers, board);
  const quiet = heldBack(tx, agent, request);
  if (quiet)
    return {
      ...common,
      ...approvers,
      ...(refused.length > 0 && { refused }),
      leases: [],
      renewed: [],
      revoked: [],
      ...quiet,
    };

  beginCount(tx, board, agent);
  const holding = new Set(request.holding);
  // First of all, so that leases given below count from now and no second renewal is due for them.
  const held = heldBy(tx, agent.id);
  const renewed = renew(tx, agent, held, holding);
  const again = redeliver(tx, agent, held, holding, board);
  const fresh = handOut(tx, agent, request.free, board);
  const mine = new Set(held.map((s) => s.lease));
  const audit = auditTargets(tx, board);
  const busy = held.length > 0 || fresh.length > 0;
  return {
    ...common,
    ...approvers,
    ...(refused.length > 0 && { refused }),
    leases: [...again, ...fresh],
    renewed,
    revoked: request.holding.filter((lease) => !mine.has(lease) && !acks.includes(lease)),
    ...(request.boots && { ended: request.boots.filter((b) => bootEnded(tx, agent, b)) }),
    ...(audit && { audit }),
    more: fresh.length > 0 && fresh.length === request.free,
    nextPollMs: busy ? POLL_BUSY_MS : POLL_IDLE_MS,
  };
}

/** A boot serves its target until that has ended or went to another agent, which opens its own (A5). */
function bootEnded(tx: Tx, agent: AgentRow, { job, device }: BootRef): boolean {
  const target = targetRow(tx.sql, job, device);
  return !target || isFinal.target(target.state) || (target.agent !== null && target.agent !== agent.id);
}

type Refusal = NonNullable<SyncReply["refused"]>[number];

/**
 * L4, L6: applied once, and only if it is of the attempt that the step is at; anything else changes nothing, is kept in
 * the job's events, and is answered with the reason.
 */
function takeReport(tx: Tx, agent: AgentRow, report: Report): Refusal | undefined {
  const refused = (code: ErrorCode, detail: string): Refusal => ({ lease: report.lease, code, detail });
  // T3
  if ((siteOfId(report.job) ?? tx.site.id) !== tx.site.id)
    return refused("wrong_site", `${report.job} is no job of the site ${tx.site.name}.`);
  const step = stepRow(tx.sql, report.job, report.step);
  if (!step) return refused("step_unknown", `There is no step ${report.step} of ${report.job} here.`);
  const current = step.lease === report.lease && step.epoch === report.epoch && step.agent === agent.id;
  if (current && (step.state === "leased" || step.state === "running" || step.state === "unknown")) {
    if (report.outcome !== "unknown" || step.state !== "unknown") applyReport(tx, step, report);
    return undefined;
  }
  // The same report again, its acknowledgement was lost: nothing to say.
  if (current && step.finished_at !== null) return undefined;
  const dropped = { lease: report.lease, epoch: report.epoch, newest: step.epoch, outcome: report.outcome };
  tx.event(report.job, "report.dropped", { device: step.device, step: stepBody(step).name }, dropped);
  if (current) {
    // The agent's call is over, and nobody else has to wait for it any more.
    tx.sql.run("UPDATE step SET finished_at = ? WHERE job = ? AND n = ?", report.finishedAt, step.job, step.n);
    return refused("attempt_over", `${stepBody(step).name} was ${step.state} before the agent told how it had ended.`);
  }
  const newest = step.epoch ?? 0;
  return report.epoch < newest
    ? refused("stale_epoch", `Epoch ${report.epoch} is lower than ${newest}, the newest of this step (L4).`)
    : refused("epoch_unknown", `Lease ${report.lease} with epoch ${report.epoch} was never given for this step.`);
}

function takeProgress(tx: Tx, agent: AgentRow, progress: Progress, board: ProgressBoard): void {
  const step = stepRow(tx.sql, progress.job, progress.step);
  if (!step || step.lease !== progress.lease || step.agent !== agent.id) return;
  if (step.state === "leased") {
    tx.sql.run("UPDATE step SET state = 'running' WHERE job = ? AND n = ?", step.job, step.n);
    tx.event(step.job, "step.running", { device: step.device, step: stepBody(step).name });
  } else if (step.state !== "running") return;
  board.set(step.job, step.n, progress);
  // Sent and not stored; in its place among the others, so that its number is one that a watcher has seen.
  tx.events.push({
    job: step.job,
    seq: tx.lastEvent(step.job),
    at: tx.now,
    kind: "step.progress",
    device: step.device,
    step: stepBody(step).name,
    data: { percent: progress.percent, ...(progress.text !== undefined && { text: progress.text }) },
  });
}

function noteVersion(tx: Tx, agent: AgentRow, said: string): void {
  // As it comes back from the table, where half a character is none.
  const version = said.toWellFormed();
  if (agent.version === version) return;
  tx.sql.run("UPDATE agent SET version = ?, row_version = row_version + 1 WHERE id = ?", version, agent.id);
  tx.dirty("agent", agent.id, agent.row_version + 1);
}

/** An agent that starts anew may hold leases that it will never report on; when it is revoked they are lost at once. */
export function loseAllOf(tx: Tx, agent: string, why: string): void {
  for (const { job, n } of heldBy(tx, agent)) {
    const step = stepRow(tx.sql, job, n);
    if (step) loseStep(tx, step, why);
  }
}
