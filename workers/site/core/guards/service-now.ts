/** The counts of what is in service, kept in memory and brought up to date from the ledger: every move is an event there. */
import type { ResolvedPolicy } from "../../../../shared/model/policy/resolve.ts";
import type { Sql } from "../../../../shared/sql.ts";
import { ledgerHead } from "../ledger.ts";
import type { ProgressBoard } from "../progress.ts";
import { type Machine, Service } from "./service.ts";

/** Counts, and the ledger's event up to which they are right. */
export interface KeptService {
  policy: ResolvedPolicy;
  seq: number;
  hash: string;
  service: Service;
}

/** More events than these since, and counting anew is cheaper than following them. */
const MOST_EVENTS = 2_000;

/**
 * What is in service now. Read anew after the policy or the site's file has changed, and when the ledger is not the one
 * that was followed: a transaction that was rolled back, or a restore.
 */
export function serviceNow(sql: Sql, board: ProgressBoard, policy: ResolvedPolicy): Service {
  const head = ledgerHead(sql);
  const kept = board.service;
  if (kept?.policy === policy) {
    if (kept.seq === head.seq && kept.hash === head.hash) return kept.service;
    if (follow(sql, kept)) {
      board.service = { ...kept, ...head };
      return kept.service;
    }
  }
  const service = new Service(machinesOf(sql), policy);
  board.service = { policy, ...head, service };
  return service;
}

function follow(sql: Sql, { seq, hash, service }: KeptService): boolean {
  const events = sql.all<{ seq: number; hash: string; subject: string; id: string }>(
    "SELECT seq, hash, subject, id FROM ledger WHERE seq >= ? ORDER BY seq LIMIT ?",
    seq,
    MOST_EVENTS,
  );
  const [last, ...since] = events;
  if (last?.seq !== seq || last.hash !== hash || events.length === MOST_EVENTS) return false;
  for (const id of new Set(since.filter(({ subject }) => subject === "device").map((event) => event.id))) {
    const row = sql.get<Pick<Machine, "state">>("SELECT state FROM device WHERE id = ?", id);
    if (row) service.move(id, row.state);
  }
  return true;
}

function* machinesOf(sql: Sql): Generator<Machine> {
  const rows = sql.all<Omit<Machine, "known"> & { known: number }>(
    `SELECT id, name, state, json_extract(doc, '$.rack') AS rack, json_type(doc, '$.install') IS NOT NULL AS known FROM device`,
  );
  for (const row of rows) yield { ...row, known: row.known === 1 };
}
