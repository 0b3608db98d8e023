/** How long steps are expected to take (G3): the sum of what their actions typically do. */
import { actionSpec, isActionName } from "../../../../shared/actions/index.ts";
import type { Millis } from "../../../../shared/deps.ts";
import type { Sql } from "../../../../shared/sql.ts";
import type { ProgressBoard } from "../progress.ts";
import { type StepRow, targetRow } from "../step-rows.ts";

/** For a step of a stored plan whose action this version no longer has: as its deadline would be (leases.ts). */
const UNKNOWN_ACTION_S = 600;

/** Sums kept at most; they never change, and are read anew for less than a step's lease costs. */
const MOST_KEPT = 20_000;

export const typicalMs = (actions: Iterable<string>): Millis => {
  let seconds = 0;
  for (const name of actions) seconds += isActionName(name) ? actionSpec(name).typicalSeconds : UNKNOWN_ACTION_S;
  return seconds * 1000;
};

/** The step and all that follow it on its machine. */
export function remainingMs(sql: Sql, board: ProgressBoard, step: Pick<StepRow, "job" | "n" | "device">): Millis {
  const key = `${step.job}/${step.n}`;
  const known = board.remaining.get(key);
  if (known !== undefined) return known;
  const target = targetRow(sql, step.job, step.device);
  const rows = target
    ? sql.all<{ action: string }>(
        "SELECT action FROM step WHERE job = ? AND n BETWEEN ? AND ? AND device = ?",
        step.job,
        step.n,
        target.to_n,
        step.device,
      )
    : [];
  const ms = typicalMs(rows.map(({ action }) => action));
  if (board.remaining.size >= MOST_KEPT) board.remaining.clear();
  board.remaining.set(key, ms);
  return ms;
}
