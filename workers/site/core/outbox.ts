/** What goes to the read model: keys wait here, payloads are read when they are sent, so only the newest is ever sent (C3, E3). */

import type { OutboxState } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { type AgentRow, agentRow } from "./agent-rows.ts";
import { agentView } from "./agents.ts";
import type { AgentPresence, Commands, OutboxEntry, OutboxKind } from "./commands.ts";
import { type FindingRow, findingRow, findingView, found } from "./findings.ts";
import { jobRow, jobSummary } from "./job-views.ts";
import { type AssetRow, assetById, assetView, type DeviceRow, deviceById, deviceView } from "./rows.ts";
import { siteView } from "./site.ts";
import { lastEvent, readMeta, type SiteRecord, type Tx, writeMeta } from "./tx.ts";

/** Failed tries after which a row is parked and a person is told. */
const MAX_FAILS = 10;
const RETRY_BASE_MS = 2_000;
const RETRY_MAX_MS = 300_000;

interface OutboxRow {
  kind: OutboxKind;
  id: string;
  version: number;
  at: number;
  fails: number;
}

/** The next rows that are due, oldest first. */
export function nextEntries(sql: Sql, site: SiteRecord, now: number, limit: number): OutboxEntry[] {
  const rows = sql.all<OutboxRow>(
    "SELECT * FROM outbox WHERE parked IS NULL AND at <= ? ORDER BY at LIMIT ?",
    now,
    limit,
  );
  return rows.map(({ kind, id, version }) => ({ kind, id, version, row: payload(sql, site, kind, id) }));
}

export const outboxDueAt = (sql: Sql): number | undefined =>
  sql.get<{ at: number | null }>("SELECT min(at) AS at FROM outbox WHERE parked IS NULL")?.at ?? undefined;

/** What has not been sent, for people: parked rows first. */
export function outboxState(sql: Sql, limit: number): OutboxState {
  const count = (where: string) => sql.get<{ n: number }>(`SELECT count(*) AS n FROM outbox WHERE ${where}`)?.n ?? 0;
  return {
    waiting: count("parked IS NULL"),
    parked: count("parked IS NOT NULL"),
    items: sql.all("SELECT * FROM outbox ORDER BY parked IS NULL, at, kind, id LIMIT ?", limit),
  };
}

function payload(sql: Sql, site: SiteRecord, kind: OutboxKind, id: string): Record<string, unknown> | null {
  switch (kind) {
    case "site":
      return siteView(sql, site);
    case "device": {
      const row = deviceById(sql, id);
      return row ? deviceView(sql, site.id, row) : null;
    }
    case "asset": {
      const row = assetById(sql, id);
      return row ? assetView(sql, site.id, row) : null;
    }
    case "job": {
      const row = jobRow(sql, id);
      return row ? jobSummary(sql, site, row) : null;
    }
    case "finding": {
      const [check, object] = splitOnce(id);
      const row = findingRow(sql, check, object);
      return row ? findingView(site, row) : null;
    }
    case "agent": {
      const row = agentRow({ sql }, id);
      const unseen: AgentPresence | undefined = undefined;
      return row ? agentView(site, row, unseen) : null;
    }
  }
}

function splitOnce(id: string): [string, string] {
  const at = id.indexOf("/");
  return [id.slice(0, at), id.slice(at + 1)];
}

/** Takes out what D1 has taken, unless the row changed meanwhile. */
export function delivered(tx: Tx, { entries }: Commands["outbox.delivered"]["in"]): void {
  for (const { kind, id, version } of entries)
    tx.sql.run("DELETE FROM outbox WHERE kind = ? AND id = ? AND version = ?", kind, id, version);
}

/** Tries again later; after the last try the row is parked, which is a finding. */
export function failed(tx: Tx, { entries, reason, outage }: Commands["outbox.failed"]["in"]): void {
  for (const { kind, id } of entries) {
    const row = tx.sql.get<OutboxRow>("SELECT * FROM outbox WHERE kind = ? AND id = ?", kind, id);
    if (!row) continue;
    const fails = outage ? Math.min(row.fails + 1, MAX_FAILS - 1) : row.fails + 1;
    const at = tx.now + Math.min(RETRY_BASE_MS * 2 ** fails, RETRY_MAX_MS);
    tx.sql.run(
      "UPDATE outbox SET fails = ?, at = ?, parked = ? WHERE kind = ? AND id = ?",
      fails,
      at,
      fails >= MAX_FAILS ? reason : null,
      kind,
      id,
    );
    if (fails >= MAX_FAILS) {
      found(tx, {
        check: "outbox-parked",
        object: `${kind}:${id}`,
        name: `${kind} ${id}`,
        severity: "high",
        text: `The read model did not take ${kind} ${id} in ${fails} tries: ${reason}.`,
        next: "Lists may show it out of date; mend the cause, then rebuild the read model.",
      });
    }
  }
}

/** Marks every row to be sent again (E3), and has the read model forget the site's rows first. */
export function rebuild(tx: Tx): { rows: number } {
  writeMeta(tx.sql, DROP, true);
  return { rows: markAll(tx) };
}

const DROP = "drop";
export const dropsFirst = (sql: Sql): boolean => readMeta<boolean>(sql, DROP) === true;

/** All is marked once more: what was delivered between the order and the dropping went with the rest. */
export function dropped(tx: Tx): null {
  tx.sql.run("DELETE FROM meta WHERE key = ?", DROP);
  markAll(tx);
  return null;
}

function markAll(tx: Tx): number {
  const { sql } = tx;
  tx.dirty("site", tx.site.id, tx.site.version);
  let rows = 1;
  const mark = (kind: OutboxKind, id: string, version: number) => {
    tx.dirty(kind, id, version);
    rows += 1;
  };
  for (const row of sql.all<DeviceRow>("SELECT * FROM device")) mark("device", row.id, row.version);
  for (const row of sql.all<AssetRow>("SELECT * FROM asset")) mark("asset", row.id, row.version);
  for (const row of sql.all<{ id: string }>("SELECT id FROM job")) mark("job", row.id, lastEvent(sql, row.id));
  for (const row of sql.all<FindingRow>("SELECT * FROM finding"))
    mark("finding", `${row.check}/${row.object}`, row.version);
  for (const row of sql.all<AgentRow>("SELECT * FROM agent")) mark("agent", row.id, row.row_version);
  return rows;
}
