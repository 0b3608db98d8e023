/**
 * When one agent may act on a machine on which another one has acted (L1, L2): after its lease and its longest single
 * call have run out. Silence is a fact of the tables, as the object forgets; it costs a row only when it is suspected.
 */
import { actions } from "../../../shared/actions/index.ts";
import type { Millis } from "../../../shared/deps.ts";
import { LEASE_TTL_MS } from "../../../shared/protocol/agent.ts";
import { type AgentRow, agentRow, leaseUntil } from "./agent-rows.ts";
import type { ProgressBoard } from "./progress.ts";
import { type StepRow, specOf, stepBody, stepsOf, type TargetRow } from "./step-rows.ts";
import type { Tx } from "./tx.ts";

const LONGEST_CALL_MS = 1000 * Math.max(...Object.values(actions).map((a) => a.longestCallSeconds));
/** Silence after which an agent's targets go to another one. */
export const TAKEOVER_MS = LEASE_TTL_MS + LONGEST_CALL_MS;

const longestCallMs = (step: StepRow): Millis => {
  const spec = specOf(stepBody(step));
  return spec ? spec.longestCallSeconds * 1000 : LONGEST_CALL_MS;
};

/** An agent that may still be in a call on a device, and until when. */
interface Held {
  agent: string;
  until: Millis;
}

/** Whether this agent may have a step of the target, which another one may have begun, or a job before. */
export function mayHaveTarget(tx: Tx, board: ProgressBoard, target: TargetRow, agent: AgentRow): boolean {
  // It went to this one only when all others were out of their calls.
  if (target.agent === agent.id) return true;
  if (target.agent !== null) {
    const other = agentRow(tx, target.agent);
    if (other && other.revoked_at === null && !isSilent(tx, board, other)) return false;
  }
  // Of the whole machine, not of one step alone: a branch that nobody has begun is on the same one.
  const held = [
    heldFromNow(tx, target.device),
    target.agent === null ? undefined : inCall(tx, stepsOf(tx.sql, target)),
  ];
  return held.every((h) => !h || h.agent === agent.id || h.until <= tx.now);
}

/** A target stays with its agent, in whose journal its boot is, as long as that agent is there. */
function isSilent(tx: Tx, board: ProgressBoard, other: AgentRow): boolean {
  const heardAt = board.heardAt(other.id);
  if (heardAt !== undefined && heardAt + LEASE_TTL_MS > tx.now) return false;
  if (other.quiet_since !== null) return other.quiet_since + TAKEOVER_MS <= tx.now;
  tx.sql.run("UPDATE agent SET quiet_since = ? WHERE id = ?", tx.now, other.id);
  // It is called once more before it is given up.
  tx.ring();
  return false;
}

/** The agent is there: nobody waits for a word from it any longer. */
export function heard(tx: Tx, board: ProgressBoard, agent: AgentRow): void {
  board.hear(agent.id, tx.now);
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
  return { agent: open.agent, until: leaseUntil(open, agentRow(tx, open.agent)) + longestCallMs(open) };
}

/**
 * The target ends although an agent has not said that its attempt did (a cancel, a deadline, a loss): the device stays
 * closed to others until that agent's lease and call have run out.
 */
export function leaveHeld(tx: Tx, target: TargetRow, steps: readonly StepRow[]): void {
  const held = inCall(tx, steps);
  if (held && held.until > tx.now)
    tx.sql.run("UPDATE device SET held = ? WHERE id = ?", JSON.stringify(held), target.device);
}
