/** Findings: what an audit saw that should not be, keyed by (check, object). A repeat ages one, two clean reads close it. */

import type { z } from "zod";
import type { checks, Finding } from "../../../shared/model/finding.ts";
import type { Page } from "../../../shared/model/views.ts";
import type { Unknown } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { SiteRecord, Tx } from "./tx.ts";

export type Check = (typeof checks)[number];

/** Clean reads that close a finding. One may be luck. */
const CLEAN_READS = 2;

export interface FindingRow {
  check: Check;
  object: string;
  name: string;
  severity: Finding["severity"];
  state: Finding["state"];
  text: string;
  next: string;
  opened_at: number;
  last_seen_at: number;
  closed_at: number | null;
  times: number;
  clean: number;
  version: number;
}

export const findingId = (check: string, object: string): string => `${check}/${object}`;
export const findingRow = (sql: Sql, check: string, object: string) =>
  sql.get<FindingRow>(`SELECT * FROM finding WHERE "check" = ? AND object = ?`, check, object);

export interface Seen {
  check: Check;
  object: string;
  name: string;
  severity: Finding["severity"];
  text: string;
  next: string;
}

/** Opens the finding, or ages the open one. Returns true if it was opened now. */
export function found(tx: Tx, seen: Seen): boolean {
  const row = findingRow(tx.sql, seen.check, seen.object);
  const opened = row?.state !== "open";
  const version = (row?.version ?? 0) + 1;
  tx.sql.run(
    `INSERT INTO finding ("check", object, name, severity, state, text, next, opened_at, last_seen_at, times, clean, version)
     VALUES (?1, ?2, ?3, ?4, 'open', ?5, ?6, ?7, ?7, 1, 0, ?8)
     ON CONFLICT DO UPDATE SET name = ?3, severity = ?4, state = 'open', text = ?5, next = ?6, last_seen_at = ?7, clean = 0, version = ?8,
       closed_at = NULL, opened_at = CASE WHEN state = 'open' THEN opened_at ELSE ?7 END, times = CASE WHEN state = 'open' THEN times + 1 ELSE 1 END`,
    seen.check,
    seen.object,
    seen.name,
    seen.severity,
    seen.text,
    seen.next,
    tx.now,
    version,
  );
  tx.dirty("finding", findingId(seen.check, seen.object), version);
  return opened;
}

/** The object was read and is as it should be. Returns true if that closed a finding. Without an open one nothing is written. */
export function clean(tx: Tx, check: Check, object: string): boolean {
  const row = findingRow(tx.sql, check, object);
  if (row?.state !== "open") return false;
  const closes = row.clean + 1 >= CLEAN_READS;
  // A first clean read shows nowhere, so it is no new version: one that is not sent would leave the read model behind (E3).
  const version = closes ? row.version + 1 : row.version;
  tx.sql.run(
    `UPDATE finding SET clean = clean + 1, version = ?, state = ?, closed_at = ? WHERE "check" = ? AND object = ?`,
    version,
    closes ? "closed" : "open",
    closes ? tx.now : null,
    check,
    object,
  );
  if (closes) tx.dirty("finding", findingId(check, object), version);
  return closes;
}

/** What the finding said is settled by other means than reading its object clean. */
export function closeFinding(tx: Tx, check: Check, object: string): void {
  const row = findingRow(tx.sql, check, object);
  if (row?.state !== "open") return;
  tx.sql.run(
    `UPDATE finding SET state = 'closed', closed_at = ?, version = version + 1 WHERE "check" = ? AND object = ?`,
    tx.now,
    check,
    object,
  );
  tx.dirty("finding", findingId(check, object), row.version + 1);
}

/** T6: recorded, and nothing acts on it. Once is enough: a MAC that keeps asking writes nothing more. */
export function foundUnknown(tx: Tx, { mac, seen }: z.infer<typeof Unknown>): void {
  if (findingRow(tx.sql, "unknown-hardware", mac)?.state === "open") return;
  // A planned machine that asks outside of a boot is no stranger: the agent knows only those that it had a boot for.
  if (tx.sql.get("SELECT 1 FROM device WHERE instr(doc, ?) LIMIT 1", JSON.stringify(mac.toLowerCase()))) return;
  found(tx, {
    check: "unknown-hardware",
    object: mac,
    name: mac,
    severity: "medium",
    text: `The MAC ${mac} asked (${seen}), and no device of this site has it.`,
    next: "Find out what it is; add it to the site file if it belongs here.",
  });
}

export function findingView(site: SiteRecord, row: FindingRow): Finding {
  return {
    site: site.id,
    check: row.check,
    object: row.object,
    objectName: row.name,
    severity: row.severity,
    state: row.state,
    text: row.text,
    next: row.next,
    openedAt: row.opened_at,
    lastSeenAt: row.last_seen_at,
    closedAt: row.closed_at,
    times: row.times,
    version: row.version,
  };
}

/** By check and object; the cursor is the last one's id. */
export function findingPage(
  sql: Sql,
  site: SiteRecord,
  input: { limit: number; cursor?: string | undefined; state?: "open" | "closed" | undefined },
): Page<Finding> {
  const rows = sql.all<FindingRow>(
    `SELECT * FROM finding WHERE (?1 IS NULL OR "check" || '/' || object > ?1) AND (?2 IS NULL OR state = ?2) ORDER BY "check", object LIMIT ?3`,
    input.cursor ?? null,
    input.state ?? null,
    input.limit + 1,
  );
  const items = rows.slice(0, input.limit);
  const last = rows.length > input.limit ? items.at(-1) : undefined;
  return { items: items.map((r) => findingView(site, r)), next: last ? findingId(last.check, last.object) : null };
}
