/**
 * The control plane's clock may be set back (C7). What it wrote before then lies in the future: a lease would outlive its
 * dead agent, a wait its limit, a row its sending to the read model, each for as long as the clock has lost. So what began
 * in the future begins now: never too early, as it began before. By a clock that is set ahead leases end that their agents
 * still have: what is lost so is read again (J4) by whoever has it, which is another agent only when that one's own time
 * vouches for ours (own-time.ts); and no limit counts while nothing may start.
 */
import type { Millis } from "../../../shared/deps.ts";
import { LEASE_TTL_MS } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import { SILENCE_MS } from "./audits.ts";
import { RETRY_MAX_MS, WAITING } from "./outbox.ts";
import { forgetWitnesses } from "./own-time.ts";
import type { ProgressBoard } from "./progress.ts";
import { standing } from "./standing.ts";
import { OPEN_STEPS, WORK_STEPS } from "./step-rows.ts";
import { LONGEST_BACKOFF_MS } from "./steps.ts";
import { OUTBOX_DELAY_MS, type Tx } from "./tx.ts";

/** Clocks are moved by some milliseconds all the time, which is worth no row. */
const NOTED_MS = 1_000;

interface Time {
  table: string;
  /** Rows whose time lies further ahead of now, `?1`, than any may. */
  where: string;
  /** What they then hold. */
  set: string;
}

/** A job's and a person's limits are not among them: of weeks a day more does no harm. */
const TIMES: readonly Time[] = [
  // L1, L3: a millisecond more than by a renewal, by which the agent's next sync sees that it was given none since.
  { ...of("agent WHERE true", "lease_until", LEASE_TTL_MS), set: `lease_until = ?1 + ${LEASE_TTL_MS + 1}` },
  { ...of("agent WHERE quiet_since IS NOT NULL", "quiet_since", 0), set: "quiet_since = ?1" },
  { ...of("agent WHERE process IS NOT NULL", "json_extract(process, '$.at')", 0), set: "process = NULL" },
  // J3: an attempt has its whole time again.
  {
    ...of(WORK_STEPS, "leased_at", 0),
    set: "at = CASE state WHEN 'unknown' THEN at ELSE at - (leased_at - ?1) END, leased_at = ?1",
  },
  { ...of(`${OPEN_STEPS} AND state = 'unknown'`, "at", 0), set: "at = ?1" },
  { ...of(`${OPEN_STEPS} AND state = 'ready'`, "at", LONGEST_BACKOFF_MS), set: "at = ?1" },
  { ...of("audit WHERE state = 'running'", "due", SILENCE_MS), set: `due = ?1 + ${SILENCE_MS}` },
  // C3
  { ...of(`${WAITING} AND fails = 0`, "at", OUTBOX_DELAY_MS), set: "at = ?1" },
  { ...of(`${WAITING} AND fails > 0`, "at", RETRY_MAX_MS), set: "at = ?1" },
];

/** `most`: how far ahead of now the time in the column `at` may lie. */
function of(from: string, at: string, most: Millis): Omit<Time, "set"> {
  const [table = "", where = ""] = from.split(" WHERE ");
  return { table, where: `${where} AND ${at} > ?1 + ${most + NOTED_MS}` };
}

/** Whether the clock was set back since the tables were written. They are asked only by an object that has just woken, or has seen a later time. */
export function wasSetBack(sql: Sql, board: ProgressBoard, now: Millis): boolean {
  // On hold time does nothing, and the tables stay as they were restored.
  if (!mayBeSetBack(board, now) || standing(sql) !== "live") return false;
  const ahead = TIMES.map(({ table, where }) => `EXISTS (SELECT 1 FROM ${table} WHERE ${where})`);
  return sql.get<{ ahead: number }>(`SELECT ${ahead.join(" OR ")} AS ahead`, now)?.ahead === 1;
}

const mayBeSetBack = (board: ProgressBoard, now: Millis): boolean =>
  board.newest === undefined || now < board.newest - NOTED_MS;

/**
 * What no time in the tables is beyond, after a command of this moment: small steps back do not add up. Tables that were
 * just asked may be ahead by as much as is not noted.
 */
export const newestOf = (board: ProgressBoard, now: Millis): Millis =>
  mayBeSetBack(board, now) ? now + NOTED_MS : Math.max(board.newest ?? now, now);

/** Writes anew what lies in the future, in the transaction of the command that meets it. */
export function heedClock(tx: Tx, board: ProgressBoard): void {
  const seen = board.passes(tx.now) > NOTED_MS;
  if (!mayBeSetBack(board, tx.now)) return;
  board.setBack(tx.now);
  const ahead = wasSetBack(tx.sql, board, tx.now);
  if (ahead || (seen && standing(tx.sql) === "live")) forgetWitnesses(tx);
  if (!ahead) return;
  board.still.moved();
  for (const { table, set, where } of TIMES) tx.sql.run(`UPDATE ${table} SET ${set} WHERE ${where}`, tx.now);
}
