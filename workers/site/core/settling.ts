/**
 * After a restored site's release nothing starts before every call has ended that an agent began by a lease of the object
 * that was replaced (L1, L2). Who has such a lease is not known here: agents were left out, some may have enrolled after
 * the export, and what the others told may be old. So it holds for the whole site and for every agent.
 */
import type { Millis } from "../../../shared/deps.ts";
import { LEASE_TTL_MS } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import { LONGEST_CALL_MS } from "./handover.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

/** For so long a part of the control plane that has not heard of a restore still asks the old object. */
export const OLD_OBJECT_ASKED_MS = 30_000;

/** From the moment when the new object is found by its name: the old one's last renewal, its lease, and the call begun last. */
const SETTLE_MS = OLD_OBJECT_ASKED_MS + LEASE_TTL_MS + LONGEST_CALL_MS;

export interface Settling {
  until: Millis;
  /** Of the object that was released. */
  generation: number;
}

export const settlingOf = (sql: Sql): Settling | undefined => readMeta<Settling>(sql, "settling");

/** `found`: when the released object was surely found by its name. */
export const beginSettling = (tx: Tx, found: Millis, generation: number): void =>
  writeMeta(tx.sql, "settling", { until: Math.min(found, tx.now) + SETTLE_MS, generation } satisfies Settling);

export function endSettling(tx: Tx): void {
  tx.sql.run("DELETE FROM meta WHERE key = 'settling'");
}

/** C7: an end further ahead than any is of before the clock was set back; it takes as long anew. */
export const isTooFar = ({ until }: Settling, now: Millis): boolean => until > now + SETTLE_MS;

/** Until when no step may start; undefined when the calls of before have ended. */
export function settlesAt(sql: Sql, now: Millis): Millis | undefined {
  const until = settlingOf(sql)?.until;
  return until !== undefined && until > now ? until : undefined;
}
