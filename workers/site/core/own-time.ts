/**
 * Whether the control plane's clock has been set ahead, as an agent's own clock tells (C7, L2). By a clock that was, another
 * agent's lease and its longest call are over although no time has passed. So an agent that is to take over what another
 * one has had to do with vouches for the time first: since a sync of the same process, as long ago as any lease and call
 * may take, both clocks have gone on alike. What was given before that sync is over by the agent's own count, and what was
 * given since by a clock that has not been set.
 *
 * The first sync of a process is kept in its agent's row, as the object sleeps between two; it is written anew only when it
 * is asked for and the clocks do not agree.
 */
import type { Millis } from "../../../shared/deps.ts";
import type { AgentRow } from "./agent-rows.ts";
import type { ProgressBoard } from "./progress.ts";
import type { Tx } from "./tx.ts";

/** What two clocks, and the ways of two messages, may differ by and still agree. */
export const AGREE_MS: Millis = 2_000;

/** A process of an agent, how long it had run by its own count when it sent a sync, and when that came in. */
export interface Witness {
  instance: string;
  uptimeMs: Millis;
  at: Millis;
}

/** The count begins with the process. */
export function beginCount(tx: Tx, board: ProgressBoard, agent: AgentRow): void {
  const told = board.toldTime(agent.id);
  if (told && witnessOf(agent.process)?.instance !== told.instance) begin(tx, agent.id, told);
}

/**
 * For how long, up to the agent's sync of just now, its clock has vouched for ours, ms. Begins the count anew if the clocks
 * do not agree: one of them was set, the process or its machine has stood still, or a message was under way for long.
 * Without end for an agent that does not tell its time.
 */
export function vouchedFor(tx: Tx, board: ProgressBoard, agent: string): Millis {
  const told = board.toldTime(agent);
  if (!told) return Number.POSITIVE_INFINITY;
  const row = tx.sql.get<{ process: string | null }>("SELECT process FROM agent WHERE id = ?", agent);
  const first = witnessOf(row?.process ?? null);
  if (first?.instance === told.instance) {
    const own = told.uptimeMs - first.uptimeMs;
    if (own >= 0 && Math.abs(tx.now - first.at - own) <= AGREE_MS) return own;
  }
  begin(tx, agent, told);
  return 0;
}

const witnessOf = (process: string | null): Witness | undefined =>
  process === null ? undefined : (JSON.parse(process) as Witness);

function begin(tx: Tx, agent: string, told: Omit<Witness, "at">): void {
  const witness: Witness = { ...told, at: tx.now };
  tx.sql.run("UPDATE agent SET process = ? WHERE id = ?", JSON.stringify(witness), agent);
}

/** The clock was set back: nobody knows what it was ahead by meanwhile. */
export const forgetWitnesses = (tx: Tx): void =>
  tx.sql.run("UPDATE agent SET process = NULL WHERE process IS NOT NULL");
