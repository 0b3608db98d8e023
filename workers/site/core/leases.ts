/**
 * Leases: the right to run one attempt of one step. At most one lives per step (L1); its epoch is higher than any
 * before (L2); it lives on as long as its agent renews, for all it holds at once.
 */
import type { Millis } from "../../../shared/deps.ts";
import type { PlanStep } from "../../../shared/model/plan.ts";
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { type AgentRow, leaseUntil } from "./agent-rows.ts";
import { stepFor } from "./boot-scope.ts";
import { placesNow } from "./caps.ts";
import { guardWorld, siteHeldBy } from "./guards/index.ts";
import type { Counted } from "./guards/places.ts";
import { StepGuards } from "./guards/step-guards.ts";
import { mayHaveTarget, TAKEOVER_MS } from "./handover.ts";
import { jobRow } from "./job-views.ts";
import { expireJobs } from "./jobs.ts";
import { stepLimits } from "./limits.ts";
import { move } from "./moves.ts";
import { openSince } from "./permit.ts";
import type { ProgressBoard } from "./progress.ts";
import { type Place, ReadyQueue, readyKinds, type Whose } from "./ready-queue.ts";
import {
  isBusy,
  NOT_PAUSED,
  OPEN_STEPS,
  pausedInLoss,
  type StepRow,
  specOf,
  stepBody,
  stepRow,
  type TargetRow,
  targetBody,
  targetRow,
  WAITING_TARGETS,
  WORK_STEPS,
} from "./step-rows.ts";
import { failLost, failStep, loseStep } from "./steps.ts";
import { ending, expireTargets, startTarget } from "./targets.ts";
import type { Tx } from "./tx.ts";
import { isUnread } from "./unread.ts";

/** After the deadline given to the agent, the coordinator waits this long for the agent's own report of it. */
export const DEADLINE_GRACE_MS = 60_000;
/** For a step of a stored plan whose action this version no longer has. */
const UNKNOWN_ACTION_S = 600;

/** A lease that an agent has by our books; no more is read of it, as there may be thousands in each sync. */
type Held = Pick<StepRow, "job" | "n" | "lease" | "leased_at">;

export const heldBy = (tx: Tx, agent: string): Held[] =>
  tx.sql.all<Held>(`SELECT job, n, lease, leased_at FROM ${WORK_STEPS} AND state <> 'unknown' AND agent = ?`, agent);

/**
 * Renews all that the agent holds: one row written for all, and none before half the time to live has gone (C4).
 * Returns the leases whose time starts anew.
 */
export function renew(tx: Tx, agent: AgentRow, held: readonly Held[], holding: ReadonlySet<string>): string[] {
  // An end beyond a whole time to live was written before the clock was set back: by it, nothing would ever be renewed.
  const fresh = (until: Millis) => until > tx.now + LEASE_TTL_MS / 2 && until <= tx.now + LEASE_TTL_MS;
  if (fresh(agent.lease_until) || held.every((step) => fresh(leaseUntil(step, agent)))) return [];
  agent.lease_until = tx.now + LEASE_TTL_MS;
  tx.sql.run("UPDATE agent SET lease_until = ? WHERE id = ?", agent.lease_until, agent.id);
  return held.flatMap(({ lease }) => (lease !== null && holding.has(lease) ? [lease] : []));
}

/** Waiting steps that the agent may not have and that are passed over in one sync; the next one goes on behind them. */
const MAX_PASSED = 200;
/** The same of steps that guards hold. */
const MAX_HELD = 1_000;

/**
 * New leases for this agent, at most `free`: first what was lost, then its own and new targets, then another's; within
 * each the lowest rank first. Every guard is asked in here, in the transaction that starts the step (G8).
 */
export function handOut(tx: Tx, agent: AgentRow, free: number, board: ProgressBoard): Lease[] {
  const out: Lease[] = [];
  if (free === 0 || siteHeldBy(guardWorld(tx.sql, tx.now))) return out;
  const places = placesNow(tx.sql);
  const guards = guardsOf(tx, board);
  board.heldUntil = undefined;
  /** Whether a guard keeps the step from starting; when it may start is kept for the alarm. */
  const isHeld = (step: StepRow): boolean => {
    const until = guards.heldBy(step);
    if (until?.until) board.heldUntil = Math.min(until.until, board.heldUntil ?? Number.POSITIVE_INFINITY);
    return until !== undefined;
  };
  /** Leases the step if it may start. */
  const take = (step: StepRow): boolean => {
    const target = targetRow(tx.sql, step.job, step.device);
    if (!target || !mayTake(tx, board, step, target, agent)) return false;
    out.push(lease(tx, stepFor(tx, step, target, agent.id), target, agent));
    guards.took(step);
    return true;
  };
  // J4: before its machine's other branches, which whoever may have it may have too. A lost attempt has kept its place.
  const lost = `${OPEN_STEPS} AND state = 'unknown' ${NOT_PAUSED}`;
  for (const step of tx.sql.all<StepRow>(`SELECT * FROM ${lost} ORDER BY rank, job, n`))
    if (out.length < free && !isHeld(step)) take(step);
  const kinds = readyKinds(tx.sql);
  for (const whose of ["own", "others"] as const) {
    const queue = new ReadyQueue(tx.sql, tx.now, agent.id, whose, kinds, heldBefore(board, agent, whose));
    for (let passed = 0, held = 0; out.length < free; ) {
      const step = queue.next((kind) => places.full(kind) === undefined && !(kind.disruptive === 1 && guards.full));
      if (!step) break;
      if (isHeld(step)) held += 1;
      else if (take(step)) places.take(step);
      else passed += 1;
      if (held < MAX_HELD && passed < MAX_PASSED) continue;
      board.behind.set(queueKey(agent, whose, step), { rank: step.rank, job: step.job, n: step.n });
      break;
    }
  }
  return out;
}

const queueKey = (agent: AgentRow, whose: Whose, { action, disruptive }: Counted): string =>
  `${agent.id} ${whose} ${action} ${disruptive}`;

/** The place of each queue behind which this sync goes on, once: the one after it begins at the first step again. */
function heldBefore(board: ProgressBoard, agent: AgentRow, whose: Whose): (kind: Counted) => Place | undefined {
  return (kind) => {
    const key = queueKey(agent, whose, kind);
    const place = board.behind.get(key);
    board.behind.delete(key);
    return place;
  };
}

const guardsOf = (tx: Tx, board: ProgressBoard): StepGuards =>
  new StepGuards({ sql: tx.sql, now: tx.now, site: tx.site, board });

function mayTake(tx: Tx, board: ProgressBoard, step: StepRow, target: TargetRow, agent: AgentRow): boolean {
  if (ending(tx, target)) return false;
  // Nothing becomes unread while a site is at work, and mostly nothing is.
  const anyUnread = () => tx.sql.get("SELECT 1 FROM unread LIMIT 1") !== undefined;
  if (tx.once("unread", anyUnread) && isUnread(tx.sql, step.device)) return false;
  if (!mayHaveTarget(tx, board, target, agent)) return false;
  // L1: steps of one target exclude each other while one is at work.
  return !isBusy(tx.sql, target, step.n);
}

function lease(tx: Tx, step: StepRow, target: TargetRow, agent: AgentRow): Lease {
  const body = stepBody(step);
  const id = tx.id("lease");
  const epoch = tx.nextEpoch();
  const attempt = step.attempt + 1;
  const deadlineMs = attemptMsOf(body);
  if (step.attempt === 0)
    for (const mark of body.marks?.start ?? []) move(tx, mark, { actor: `agent:${agent.id}`, job: step.job });
  // A new holder reads first, whatever the last one left behind (L2).
  const resolve = step.resolve === 1 || (target.agent !== null && target.agent !== agent.id);
  startTarget(tx, target, agent.id, body.writes === true);
  tx.sql.run(
    `UPDATE step SET state = 'leased', at = ?, attempt = ?, lease = ?, epoch = ?, agent = ?, leased_at = ?, resolve = 0,
       started_at = NULL, finished_at = NULL WHERE job = ? AND n = ?`,
    tx.now + deadlineMs + DEADLINE_GRACE_MS,
    attempt,
    id,
    epoch,
    agent.id,
    tx.now,
    step.job,
    step.n,
  );
  tx.event(
    step.job,
    "step.leased",
    { device: step.device, step: body.name },
    { attempt, agent: agent.name, ...(resolve && { resolve }) },
  );
  return asLease(
    tx,
    {
      ...step,
      lease: id,
      epoch,
      attempt,
      agent: agent.id,
      leased_at: tx.now,
      at: tx.now + deadlineMs + DEADLINE_GRACE_MS,
    },
    target,
    resolve,
    agent,
  );
}

/** What one attempt may take: as the plan says for this hardware, else as its action does. */
const attemptMsOf = (body: PlanStep): Millis =>
  (body.deadlineSeconds ?? specOf(body)?.deadlineSeconds ?? UNKNOWN_ACTION_S) * 1000;

/** The lease as the agent is told; said again, word by word the same but for the time left. */
function asLease(tx: Tx, step: StepRow, target: TargetRow, resolve: boolean, agent: AgentRow): Lease {
  const body = stepBody(step);
  // What is said of it never changes.
  const job = tx.once(`job ${step.job}`, () => jobRow(tx.sql, step.job));
  const until = leaseUntil(step, agent);
  return {
    id: step.lease ?? "",
    epoch: step.epoch ?? 0,
    ttlMs: Math.max(0, Math.min(LEASE_TTL_MS, until - tx.now)),
    notAfter: until,
    site: tx.site.id,
    job: step.job,
    step: step.n,
    name: body.name,
    attempt: step.attempt,
    resolve,
    action: body.action,
    params: body.params,
    target: targetBody(target),
    // J9: as the plan says, whatever the machine looks like.
    mode: job?.mode ?? "first-install",
    plan: { id: job?.plan ?? "", hash: job?.plan_hash ?? "" },
    deadlineMs: Math.max(0, (step.at ?? tx.now) - DEADLINE_GRACE_MS - tx.now),
    attemptMs: attemptMsOf(body),
  };
}

/**
 * Leases that the agent has by our books but did not list: their reply was lost, or the agent began anew. They are said
 * again; while nothing may start they are taken back (G5, G6), as the agent does not have them.
 */
export function redeliver(
  tx: Tx,
  agent: AgentRow,
  held: readonly Held[],
  holding: ReadonlySet<string>,
  board: ProgressBoard,
): Lease[] {
  const out: Lease[] = [];
  const guards = guardsOf(tx, board);
  const open = siteHeldBy(guardWorld(tx.sql, tx.now)) === undefined;
  for (const { job, n, lease } of held) {
    const step = lease === null || holding.has(lease) ? undefined : stepRow(tx.sql, job, n);
    if (!step) continue;
    const target = targetRow(tx.sql, step.job, step.device);
    if (!open || guards.heldBy(step)) loseStep(tx, step, "it may not start now, and the agent does not have the lease");
    // Whether the agent had begun is not known here; it is told to look first.
    else if (target) out.push(asLease(tx, step, target, true, agent));
  }
  return out;
}

/** Steps at work whose time is over. Told from the indexes: of what an agent renews no row is read. */
const OVERDUE = `SELECT job, n FROM ${WORK_STEPS} AND state <> 'unknown' AND (
      leased_at <= ?1 - ?2 AND agent NOT IN (SELECT id FROM agent WHERE lease_until > ?1)
      OR agent IN (SELECT id FROM agent WHERE revoked_at IS NOT NULL))
  UNION SELECT job, n FROM ${OPEN_STEPS} AND state IN ('leased', 'running') AND at <= ?1`;

/**
 * Whether an agent has had steps of the site at work since then. An end of leases too far ahead is from before the clock
 * was set back. Last, as it reads the steps of all jobs of that time: whether one was handed out that was never renewed.
 */
const wereAtWork = (tx: Tx, since: Millis): boolean =>
  [
    `SELECT 1 FROM ${WORK_STEPS} AND state <> 'unknown' AND ?1 < ?2 LIMIT 1`,
    `SELECT 1 FROM agent WHERE lease_until > ?1 AND lease_until <= ?2 + ${LEASE_TTL_MS}`,
    `SELECT 1 FROM step WHERE job IN (SELECT id FROM job WHERE ended_at IS NULL OR ended_at > ?1)
       AND leased_at > ?1 AND leased_at <= ?2 LIMIT 1`,
  ].some((asked) => tx.sql.get(asked, since, tx.now) !== undefined);

const OPEN_LIMIT_MS = Math.min(stepLimits.ready.limit, stepLimits.unknown.limit);

/** Ends what has outlived its time: leases without renewal, attempts and waits past their limits (J3, J10). */
export function expire(tx: Tx, board: ProgressBoard): void {
  if (board.heldUntil !== undefined && board.heldUntil <= tx.now) board.heldUntil = undefined;
  expireJobs(tx);
  expireTargets(tx);
  const agents = new Map(tx.sql.all<AgentRow>("SELECT * FROM agent").map((a) => [a.id, a]));
  for (const { job, n } of tx.sql.all<Pick<StepRow, "job" | "n">>(OVERDUE, tx.now, LEASE_TTL_MS)) {
    const step = stepRow(tx.sql, job, n);
    if (step?.state !== "leased" && step?.state !== "running") continue;
    const agent = step.agent === null ? undefined : agents.get(step.agent);
    if (leaseUntil(step, agent) <= tx.now || agent?.revoked_at)
      loseStep(tx, step, "the lease ran out without a word from the agent");
    else if (step.at !== null && step.at <= tx.now)
      failStep(tx, step, { code: "deadline_exceeded", detail: `The attempt did not end within its deadline.` });
  }
  // Frozen is not silent: time in which nothing may start does not count against what waits.
  const open = openSince(tx.sql, tx.now);
  if (open === undefined) return;
  for (const state of ["ready", "unknown"] as const) {
    const before = tx.now - stepLimits[state].limit;
    if (open > before) continue;
    const late = `AND state = ?1 AND at <= ?2 ${NOT_PAUSED}`;
    // Nor does a wait of one's turn, for a place or for an agent's hands, while others are at work: it begins anew.
    // J10: and whoever paused a job with a lost attempt decides when its place is free again.
    if (wereAtWork(tx, before) || pausedInLoss(tx.sql)) {
      tx.sql.run(`UPDATE ${OPEN_STEPS.replace("WHERE", "SET at = ?3 WHERE")} ${late}`, state, before, tx.now);
      continue;
    }
    const guards = guardsOf(tx, board);
    for (const step of tx.sql.all<StepRow>(`SELECT * FROM ${OPEN_STEPS} ${late}`, state, before)) {
      const fresh = stepRow(tx.sql, step.job, step.n);
      // Nor does a wait for a window, or for what a guard says.
      if (fresh?.state === state && guards.heldBy(fresh))
        tx.sql.run("UPDATE step SET at = ? WHERE job = ? AND n = ?", tx.now, step.job, step.n);
      else if (fresh?.state === state) failLost(tx, fresh, "No agent of the site took the step in time.");
    }
  }
}

type Timer = "retry" | "leased" | "running" | "lease" | "takeover" | "vouched" | "ready" | "unknown" | "job" | "target";

/** When the next lease or limit runs out, or a waiting retry comes due; undefined when nothing is open. */
export function nextDue(tx: Pick<Tx, "sql" | "now">): Millis | undefined {
  const row = tx.sql.get<Record<Timer, number | null>>(
    `SELECT (SELECT min(at) FROM ${OPEN_STEPS} AND state = 'ready' AND at > ?1) AS retry,
       (SELECT min(at) FROM ${OPEN_STEPS} AND state = 'leased') AS leased,
       (SELECT min(at) FROM ${OPEN_STEPS} AND state = 'running') AS running,
       (SELECT min(max(lease_until, ?2 + (SELECT leased_at FROM ${WORK_STEPS} AND agent = a.id AND state <> 'unknown'
          ORDER BY leased_at LIMIT 1))) FROM agent a) AS lease,
       (SELECT min(quiet_since) + ?3 FROM agent WHERE revoked_at IS NULL AND quiet_since > ?1 - ?3) AS takeover,
       (SELECT min(json_extract(process, '$.at')) + ?3 FROM agent
          WHERE revoked_at IS NULL AND json_extract(process, '$.at') > ?1 - ?3
            AND EXISTS (SELECT 1 FROM ${OPEN_STEPS} AND state IN ('ready', 'unknown') ${NOT_PAUSED})) AS vouched,
       (SELECT at FROM ${OPEN_STEPS} AND state = 'ready' ${NOT_PAUSED} ORDER BY at LIMIT 1) AS ready,
       (SELECT at FROM ${OPEN_STEPS} AND state = 'unknown' ${NOT_PAUSED} ORDER BY at LIMIT 1) AS unknown,
       (SELECT min(due_at) FROM job INDEXED BY job_due WHERE due_at IS NOT NULL) AS job,
       (SELECT min(due_at) FROM ${WAITING_TARGETS} ${NOT_PAUSED}) AS target`,
    tx.now,
    LEASE_TTL_MS,
    TAKEOVER_MS,
  );
  if (!row) return undefined;
  const { ready, unknown, ...fixed } = row;
  // Time in which nothing may start does not count against what waits.
  const open = openSince(tx.sql, tx.now);
  const limits = [ready, unknown].map((at) =>
    at === null || open === undefined ? null : Math.max(at, open) + OPEN_LIMIT_MS,
  );
  const times = [...Object.values(fixed), ...limits].filter((t) => t !== null);
  return times.length === 0 ? undefined : Math.min(...times);
}
