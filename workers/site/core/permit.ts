/** The cross-site permit (G5): a lease on the right to work, fetched by the alarm and checked in the transaction that starts a step. */
import type { Millis } from "../../../shared/deps.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Permit } from "./commands.ts";
import { holdOf } from "./hold.ts";
import { NOT_PAUSED, OPEN_STEPS } from "./step-rows.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

/** A permit is asked for anew this long before it ends, ms, so that one lost answer stops nothing. */
const PERMIT_MARGIN_MS = 30_000;
/** A budget that did not answer is asked again after this, ms. */
const PERMIT_RETRY_MS = 2_000;
/** No permit lives longer than this from when it was asked for, ms: its end is by another machine's clock (L3). */
const PERMIT_MAX_MS = 5 * 60_000;

/** As last heard, and when to ask again after a silence. */
export interface KeptPermit extends Permit {
  /** When the site heard it. In the future: the clock was set back since, and how long it lives is not known. */
  heardAt?: Millis;
  retryAt?: Millis;
  /** True when this is no word of the budget: it did not answer, or was not asked since the kill switch was turned. */
  silent?: boolean;
  /** Since when steps may start without a break. */
  openSince?: Millis;
  /** When the kill switch was last turned on here. */
  frozenAt?: Millis;
}

export const permitOf = (sql: Sql): KeptPermit | undefined => readMeta<KeptPermit>(sql, "permit");

/** Whether the budget has granted it and it is within its life. */
export const permitLives = (permit: KeptPermit | undefined, now: Millis): boolean =>
  permit?.granted === true && (permit.heardAt ?? 0) <= now && permit.expiresAt > now;

export const openWork = (sql: Sql): boolean =>
  sql.get(`SELECT 1 FROM ${OPEN_STEPS} ${NOT_PAUSED} LIMIT 1`) !== undefined;

/** When the budget is to be asked, or undefined while no work is open: an idle site asks nothing. */
export function permitDueAt(sql: Sql, now: Millis): Millis | undefined {
  if (!openWork(sql) || holdOf(sql)) return undefined;
  const permit = permitOf(sql);
  if (!permit || (permit.heardAt ?? 0) > now) return now;
  return Math.max(permit.granted ? permit.expiresAt - PERMIT_MARGIN_MS : permit.expiresAt, permit.retryAt ?? 0);
}

/** Since when steps may start without a break, or undefined while they may not. */
export function openSince(sql: Sql, now: Millis): Millis | undefined {
  const permit = permitOf(sql);
  return permitLives(permit, now) && permit?.frozen === false ? (permit.openSince ?? 0) : undefined;
}

/** Keeps what the budget answered. A silence leaves a permit that still lives, and is no permit otherwise. */
export function setPermit(tx: Tx, answer: Permit | null, askedAt?: Millis): null {
  const before = permitOf(tx.sql);
  const lives = permitLives(before, tx.now);
  // G6: the switch was turned on while the answer was under way; what it grants is of the time before.
  // One turned on in the future was so before the clock was set back (C7), and whatever was asked then is asked again.
  const frozenAt = before?.frozenAt ?? Number.NEGATIVE_INFINITY;
  const stale = askedAt !== undefined && (askedAt > tx.now || (frozenAt >= askedAt && frozenAt <= tx.now));
  const permit = stale ? null : answer;
  const retryAt = tx.now + PERMIT_RETRY_MS;
  const silent: KeptPermit =
    before && (lives || stale)
      ? { ...before, retryAt }
      : {
          granted: false,
          frozen: before?.frozen ?? false,
          expiresAt: retryAt,
          reason: "it does not answer",
          silent: true,
          heardAt: tx.now,
        };
  const heard: KeptPermit | null = permit && {
    ...permit,
    heardAt: tx.now,
    expiresAt: askedAt === undefined ? permit.expiresAt : Math.min(permit.expiresAt, askedAt + PERMIT_MAX_MS),
    openSince: lives ? (before?.openSince ?? 0) : tx.now,
  };
  writeMeta(tx.sql, "permit", heard ?? silent);
  if (permit?.granted && !lives) tx.ring();
  return null;
}

/** The kill switch was turned: on, it takes effect here and now; off, the budget is asked before anything starts. */
export function setFrozen(tx: Tx, frozen: boolean): null {
  const before = permitOf(tx.sql);
  if (!frozen && before?.frozen === false) return null;
  const reason = frozen ? "the kill switch is on" : "the kill switch was just turned off";
  const frozenAt = frozen ? tx.now : before?.frozenAt;
  const kept: KeptPermit = {
    granted: false,
    frozen,
    expiresAt: tx.now,
    heardAt: tx.now,
    reason,
    silent: true,
    ...(frozenAt !== undefined && { frozenAt }),
  };
  writeMeta(tx.sql, "permit", kept);
  return null;
}
