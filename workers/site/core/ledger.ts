/**
 * The site's history of every asset, device and medium: append-only, gapless, each event chained to the one before by
 * its hash (E1). Only this file writes to the table.
 */
import { canonicalJson } from "../../../shared/canonical.ts";
import type { Sha256 } from "../../../shared/deps.ts";
import type { LedgerEvent } from "../../../shared/model/views.ts";
import type { LedgerHead } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Tx } from "./tx.ts";

/** The hash before the first event. */
export const GENESIS = "0".repeat(64);

type Body = Omit<LedgerEvent, "hash">;

const hashOf = (event: Body, sha256: Sha256): string => sha256(canonicalJson(event));

/** The newest event, or the place before the first. */
export const ledgerHead = (sql: Sql): LedgerHead =>
  sql.get<LedgerHead>("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1") ?? { seq: 0, hash: GENESIS };

/** Appends one event and returns it. */
export function record(
  tx: Tx,
  event: {
    subject: LedgerEvent["subject"];
    id: string;
    kind: string;
    actor: string;
    job?: string | undefined;
    data?: Record<string, unknown>;
  },
): LedgerEvent {
  const head = ledgerHead(tx.sql);
  const body: Body = {
    seq: head.seq + 1,
    at: tx.now,
    subject: event.subject,
    id: event.id,
    kind: event.kind,
    actor: event.actor,
    job: event.job ?? null,
    data: event.data ?? {},
    prevHash: head.hash,
  };
  const hash = hashOf(body, tx.deps.sha256);
  tx.sql.run(
    "INSERT INTO ledger (seq, at, subject, id, kind, actor, job, data, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    body.seq,
    body.at,
    body.subject,
    body.id,
    body.kind,
    body.actor,
    body.job,
    canonicalJson(body.data),
    body.prevHash,
    hash,
  );
  return { ...body, hash };
}

/** Events after a sequence, oldest first; of one subject if asked. */
export function readLedger(sql: Sql, after: number, limit: number, subject?: string): LedgerEvent[] {
  const rows = sql.all<{
    seq: number;
    at: number;
    subject: LedgerEvent["subject"];
    id: string;
    kind: string;
    actor: string;
    job: string | null;
    data: string;
    prev_hash: string;
    hash: string;
  }>(
    "SELECT * FROM ledger WHERE seq > ?1 AND (?3 IS NULL OR id = ?3) ORDER BY seq LIMIT ?2",
    after,
    limit,
    subject ?? null,
  );
  return rows.map(({ prev_hash, data, ...row }) => ({
    ...row,
    data: JSON.parse(data) as Record<string, unknown>,
    prevHash: prev_hash,
  }));
}

/** Where a run of events stops being one unbroken chain, or undefined if it is one. `prevHash` is the hash before the first. */
export function firstBreak(
  events: readonly LedgerEvent[],
  sha256: Sha256,
  prevHash = GENESIS,
  firstSeq = 1,
): { seq: number; why: string } | undefined {
  let prev = prevHash;
  let seq = firstSeq;
  for (const { hash, ...body } of events) {
    if (body.seq !== seq) return { seq, why: `event ${seq} is missing` };
    if (body.prevHash !== prev) return { seq, why: `event ${seq} does not follow the one before` };
    if (hashOf(body, sha256) !== hash) return { seq, why: `event ${seq} was changed` };
    prev = hash;
    seq += 1;
  }
  return undefined;
}
