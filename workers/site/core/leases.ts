/**
 * Leases: the right to run one attempt of one step. At most one lives per step (L1); its epoch is higher than any
 * before (L2); it lives on as long as its agent renews, for all it holds at once.
 */
import type { Millis } from "../../../shared/deps.ts";
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { mayStart } from "./guards.ts";
import { jobRow } from "./job-views.ts";
import { move } from "./moves.ts";
import { permitOf } from "./permit.ts";
import { type StepRow, specOf, stepBody, stepRow, type TargetRow, targetBody, targetRow } from "./step-rows.ts";
import { failStep, loseStep, stateLimits } from "./steps.ts";
import { startTarget } from "./targets.ts";
import type { Tx } from "./tx.ts";

/** After the deadline given to the agent, the coordinator waits this long for the agent's own report of it. */
const DEADLINE_GRACE_MS = 60_000;

export interface AgentRow {
  id: string;
  name: string;
  key: string;
  version: string;
  enrolled_at: number;
  revoked_at: number | null;
  lease_until: number;
  row_version: number;
}
export const agentRow = (tx: Pick<Tx, "sql">, id: string) =>
  tx.sql.get<AgentRow>("SELECT * FROM agent WHERE id = ?", id);

/** Until when a step's lease lives, on the coordinator's clock: from when it was given, or from the agent's last renewal. */
const leaseUntil = (step: StepRow, agent: AgentRow | undefined): Millis =>
  Math.max((step.leased_at ?? 0) + LEASE_TTL_MS, agent?.lease_until ?? 0);

/**
 * Renews all that the agent holds: one row written for all, and none before half the time to live has gone (C4).
 * Returns the leases whose time starts anew.
 */
export function renew(tx: Tx, agent: AgentRow, holding: readonly string[]): string[] {
  const held = heldBy(tx, agent.id);
  if (!held.some((step) => leaseUntil(step, agent) <= tx.now + LEASE_TTL_MS / 2)) return [];
  agent.lease_until = tx.now + LEASE_TTL_MS;
  tx.sql.run("UPDATE agent SET lease_until = ? WHERE id = ?", agent.lease_until, agent.id);
  const mine = new Set(held.map((s) => s.lease));
  return holding.filter((lease) => mine.has(lease));
}

export const heldBy = (tx: Tx, agent: string): StepRow[] =>
  tx.sql.all<StepRow>("SELECT * FROM step WHERE state IN ('leased', 'running') AND agent = ?", agent);

/** New leases for this agent, at most `free`. */
export function handOut(tx: Tx, agent: AgentRow, free: number): Lease[] {
  const out: Lease[] = [];
  if (free === 0 || !mayStart(tx.sql, tx.now).ok) return out;
  const candidates = tx.sql.all<StepRow>(
    `SELECT * FROM step WHERE state = 'unknown' AND at <= ?1
     UNION ALL SELECT * FROM (SELECT * FROM step WHERE state = 'ready' AND at <= ?1 ORDER BY at LIMIT ?2)`,
    tx.now,
    free * 2,
  );
  for (const step of candidates) {
    if (out.length === free) break;
    const target = targetRow(tx.sql, step.job, step.device);
    if (!target || !mayTake(tx, step, target, agent)) continue;
    out.push(lease(tx, step, target, agent));
  }
  return out;
}

/**
 * Whether this agent may have the step. A target stays with its agent, in whose journal its boot is. Another takes over
 * only when the first is revoked or has been silent for its lease plus the longest single call of the action (L2).
 */
function mayTake(tx: Tx, step: StepRow, target: TargetRow, agent: AgentRow): boolean {
  // L1: steps of one target exclude each other while one is at work.
  const busy = tx.sql.get(
    "SELECT 1 FROM step WHERE job = ? AND n BETWEEN ? AND ? AND n <> ? AND device = ? AND state IN ('leased', 'running') LIMIT 1",
    target.job,
    target.from_n,
    target.to_n,
    step.n,
    target.device,
  );
  if (busy) return false;
  if (target.agent === null || target.agent === agent.id) return true;
  const other = agentRow(tx, target.agent);
  const longestCall = (specOf(stepBody(step))?.longestCallSeconds ?? 60) * 1000;
  if (step.leased_at !== null && leaseUntil(step, other) + longestCall > tx.now) return false;
  return !other || other.revoked_at !== null || other.lease_until + LEASE_TTL_MS + longestCall <= tx.now;
}

function lease(tx: Tx, step: StepRow, target: TargetRow, agent: AgentRow): Lease {
  const body = stepBody(step);
  const spec = specOf(body);
  const id = tx.id("lease");
  const epoch = tx.nextEpoch();
  const attempt = step.attempt + 1;
  const deadlineMs = (spec?.deadlineSeconds ?? 600) * 1000;
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

/** The lease as the agent is told; said again, word by word the same but for the time left. */
function asLease(tx: Tx, step: StepRow, target: TargetRow, resolve: boolean, agent: AgentRow): Lease {
  const body = stepBody(step);
  const job = jobRow(tx.sql, step.job);
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
    mode: "first-install",
    plan: { id: job?.plan ?? "", hash: job?.plan_hash ?? "" },
    deadlineMs: Math.max(0, (step.at ?? tx.now) - DEADLINE_GRACE_MS - tx.now),
  };
}

/** Leases that the agent has by our books but did not list: their reply was lost, or the agent began anew. */
export function redeliver(tx: Tx, agent: AgentRow, holding: ReadonlySet<string>): Lease[] {
  const out: Lease[] = [];
  for (const step of heldBy(tx, agent.id)) {
    if (step.lease === null || holding.has(step.lease)) continue;
    const target = targetRow(tx.sql, step.job, step.device);
    // Whether the agent had begun is not known here; it is told to look first.
    if (target) out.push(asLease(tx, step, target, true, agent));
  }
  return out;
}

const OPEN_LIMIT_MS = Math.min(stateLimits.ready.limit, stateLimits.unknown.limit);

/** Ends what has outlived its time: leases without renewal, attempts and waits past their limits (J3, J10). */
export function expire(tx: Tx): void {
  const agents = new Map(tx.sql.all<AgentRow>("SELECT * FROM agent").map((a) => [a.id, a]));
  for (const step of tx.sql.all<StepRow>("SELECT * FROM step WHERE state IN ('leased', 'running')")) {
    const agent = step.agent === null ? undefined : agents.get(step.agent);
    if (leaseUntil(step, agent) <= tx.now || agent?.revoked_at)
      loseStep(tx, step, "the lease ran out without a word from the agent");
    else if (step.at !== null && step.at <= tx.now)
      failStep(tx, step, { code: "deadline_exceeded", detail: `The attempt did not end within its deadline.` });
  }
  for (const state of ["ready", "unknown"] as const) {
    const { limit } = stateLimits[state];
    for (const step of tx.sql.all<StepRow>("SELECT * FROM step WHERE state = ? AND at <= ?", state, tx.now - limit)) {
      // Frozen is not silent: while the kill switch is on or the budget refuses, time does not count against a step.
      if (state === "ready" && permitOf(tx.sql)?.granted !== true) continue;
      const fresh = stepRow(tx.sql, step.job, step.n);
      if (fresh?.state === state)
        failStep(tx, fresh, { code: "agent_silent", detail: "No agent of the site took the step in time." });
    }
  }
}

/** When the next lease or limit runs out, or a waiting retry comes due; undefined when nothing is open. */
export function nextDue(tx: Pick<Tx, "sql" | "now">): Millis | undefined {
  const row = tx.sql.get<{ retry: number | null; lease: number | null; limit: number | null }>(
    `SELECT (SELECT min(at) FROM step WHERE state = 'ready' AND at > ?1) AS retry,
       (SELECT min(min(s.at, max(s.leased_at + ?2, coalesce(a.lease_until, 0)))) FROM step s LEFT JOIN agent a ON a.id = s.agent
          WHERE s.state IN ('leased', 'running')) AS lease,
       (SELECT min(at) FROM step WHERE state IN ('ready', 'unknown')) AS "limit"`,
    tx.now,
    LEASE_TTL_MS,
  );
  // A limit that has passed waits for the permit to come back, and is looked at again now and then.
  const limit = row?.limit == null ? null : Math.max(row.limit + OPEN_LIMIT_MS, tx.now + LEASE_TTL_MS);
  const times = [row?.retry, row?.lease, limit].filter((t): t is number => t !== null && t !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}
