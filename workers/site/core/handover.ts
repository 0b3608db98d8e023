/**
 * When one agent may act on a machine on which another one has acted (L1, L2): after its lease and its longest single
 * call have run out, by our clock and by its own (own-time.ts). Silence is a fact of the tables, as the object forgets; it
 * costs a row only when it is suspected.
 */
import { actions } from "../../../shared/actions/index.ts";
import type { Millis } from "../../../shared/deps.ts";
import { LEASE_TTL_MS, type SyncRequest } from "../../../shared/protocol/agent.ts";
import { type AgentRow, agentRow, leaseUntil } from "./agent-rows.ts";
import { AGREE_MS, vouchedFor } from "./own-time.ts";
import type { ProgressBoard } from "./progress.ts";
import { type StepRow, specOf, stepBody, stepsOf, type TargetRow } from "./step-rows.ts";
import type { Tx } from "./tx.ts";

export const LONGEST_CALL_MS = 1000 * Math.max(...Object.values(actions).map((a) => a.longestCallSeconds));
/** Silence after which an agent's targets go to another one; as by our clock, it may be told too long by what is not seen. */
export const TAKEOVER_MS = LEASE_TTL_MS + LONGEST_CALL_MS + AGREE_MS;

const longestCallMs = (step: StepRow): Millis => {
  const spec = specOf(stepBody(step));
  return spec ? spec.longestCallSeconds * 1000 : LONGEST_CALL_MS;
};

/** An agent that may still be in a call on a device, and until when by our clock. */
interface Held {
  agent: string;
  until: Millis;
}

/** Whether this agent may have a step of the target, which another one may have begun, or a job before. */
export function mayHaveTarget(tx: Tx, board: ProgressBoard, target: TargetRow, agent: AgentRow): boolean {
  // It went to this one only when all others were out of their calls.
  if (target.agent === agent.id) return true;
  const other = target.agent === null ? undefined : agentRow(tx, target.agent);
  const quiet = other && other.revoked_at === null ? quietFor(tx, board, other) : Number.POSITIVE_INFINITY;
  if (quiet === undefined) return false;
  // Of the whole machine, not of one step alone: a branch that nobody has begun is on the same one.
  const before = heldFromNow(tx, target.device);
  const held = [before, target.agent === null ? undefined : inCall(tx, stepsOf(tx.sql, target))];
  const others = held.filter((h) => h && h.agent !== agent.id);
  if (target.agent === null && others.length === 0) return true;
  // Asked in any case: its count begins with the wait.
  const vouched = tx.once(`vouched ${agent.id}`, () => vouchedFor(tx, board, agent.id));
  if (Math.min(quiet, vouched) < TAKEOVER_MS || !others.every((h) => !h || h.until <= tx.now)) return false;
  // Over by all counts, and asked no more.
  if (before && before.agent !== agent.id) tx.sql.run("UPDATE device SET held = NULL WHERE id = ?", target.device);
  return true;
}

/**
 * For how long the agent has been silent, since that was noted; undefined while it is there: a target stays with its agent,
 * in whose journal its boot is, as long.
 */
function quietFor(tx: Tx, board: ProgressBoard, other: AgentRow): Millis | undefined {
  if (other.quiet_since !== null) return tx.now - other.quiet_since;
  const heardAt = board.heardAt(other.id);
  if (heardAt !== undefined && heardAt + LEASE_TTL_MS > tx.now) return undefined;
  tx.sql.run("UPDATE agent SET quiet_since = ? WHERE id = ?", tx.now, other.id);
  // It is called once more before it is given up.
  tx.ring();
  return 0;
}

/** The agent is there: nobody waits for a word from it any longer. */
export function heard(tx: Tx, board: ProgressBoard, agent: AgentRow, request: SyncRequest): void {
  board.hear(agent.id, tx.now, request);
  if (agent.quiet_since === null) return;
  agent.quiet_since = null;
  tx.sql.run("UPDATE agent SET quiet_since = NULL WHERE id = ?", agent.id);
}

function heldBefore(tx: Tx, device: string): Held | undefined {
  const text = tx.sql.get<{ held: string | null }>("SELECT held FROM device WHERE id = ?", device)?.held;
  return text ? (JSON.parse(text) as Held) : undefined;
}

/** C7: of a time further ahead than any is of before the clock was set back; the device is closed as long anew. */
function heldFromNow(tx: Tx, device: string): Held | undefined {
  const held = heldBefore(tx, device);
  if (!held || held.until <= tx.now + TAKEOVER_MS) return held;
  const anew = { ...held, until: tx.now + TAKEOVER_MS };
  tx.sql.run("UPDATE device SET held = ? WHERE id = ?", JSON.stringify(anew), device);
  return anew;
}

/** Until when an agent may still be in a call on the device; undefined when none can be. */
export function heldUntil(tx: Tx, device: string): Millis | undefined {
  const held = heldBefore(tx, device);
  return held && held.until > tx.now ? held.until : undefined;
}

/**
 * Whose attempt of a step of the target may not be over: nobody has said how it ended. There is one at most, as steps of
 * one target exclude each other (L1), and what a target that ended left behind is kept with the device.
 */
function inCall(tx: Tx, steps: readonly StepRow[]): Held | undefined {
  const open = steps.find((s) => s.leased_at !== null && (s.finished_at === null || s.state === "unknown"));
  if (!open?.agent) return undefined;
  return { agent: open.agent, until: leaseUntil(open, agentRow(tx, open.agent)) + longestCallMs(open) + AGREE_MS };
}

/**
 * The target ends although an agent has not said that its attempt did (a cancel, a deadline, a loss): the device stays
 * closed to others until that agent's lease and call have run out.
 */
export function leaveHeld(tx: Tx, target: TargetRow, steps: readonly StepRow[]): void {
  const held = inCall(tx, steps);
  // C7: also one that is over by our clock.
  if (!held) return;
  // Of an earlier job the same agent may have left a call that ends later.
  const before = heldBefore(tx, target.device);
  const until = before?.agent === held.agent ? Math.max(before.until, held.until) : held.until;
  tx.sql.run("UPDATE device SET held = ? WHERE id = ?", JSON.stringify({ ...held, until }), target.device);
}
