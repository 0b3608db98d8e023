/** What goes to the read model: keys wait here, payloads are read when they are sent, so only the newest is ever sent (C3, E3). */

import type { Millis } from "../../../shared/deps.ts";
import type { OutboxState } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { type AgentRow, agentRow } from "./agent-rows.ts";
import { agentView } from "./agents.ts";
import type { AgentPresence, Commands, OutboxEntry, OutboxKind } from "./commands.ts";
import { closeFinding, type FindingRow, findingRow, findingView, found } from "./findings.ts";
import { jobRow, jobSummary } from "./job-views.ts";
import { type AssetRow, assetById, assetView, type DeviceRow, deviceById, deviceView } from "./rows.ts";
import { siteView } from "./site.ts";
import { lastEvent, readMeta, type SiteRecord, type Tx, writeMeta } from "./tx.ts";

/** Failed tries after which a row is parked and a person is told. */
const MAX_FAILS = 10;
const RETRY_BASE_MS = 2_000;
/** No row waits longer for its next try, ms. */
export const RETRY_MAX_MS = 300_000;

interface OutboxRow {
  kind: OutboxKind;
  id: string;
  version: number;
  at: number;
  fails: number;
}

/** Rows that wait to be sent, as what follows FROM. */
export const WAITING = "outbox INDEXED BY outbox_due WHERE parked IS NULL";

/** The read model is away, whatever is sent: all wait until then. Rows are not written for it, as there may be thousands. */
interface Away {
  fails: number;
  until: Millis;
}
const AWAY = "away";
/** A time further ahead than any is of before the clock was set back. */
function awayUntil(sql: Sql, now: Millis): Millis {
  const until = readMeta<Away>(sql, AWAY)?.until ?? 0;
  return until > now + RETRY_MAX_MS ? 0 : until;
}
const backAgain = (tx: Tx): void => tx.sql.run("DELETE FROM meta WHERE key = ?", AWAY);
const backoffMs = (fails: number): Millis => Math.min(RETRY_BASE_MS * 2 ** fails, RETRY_MAX_MS);

/** The next rows that are due, oldest first. */
export function nextEntries(sql: Sql, site: SiteRecord, now: Millis, limit: number): OutboxEntry[] {
  if (awayUntil(sql, now) > now) return [];
  const rows = sql.all<OutboxRow>(`SELECT * FROM ${WAITING} AND at <= ? ORDER BY at LIMIT ?`, now, limit);
  return rows.map(({ kind, id, version }) => ({ kind, id, version, row: payload(sql, site, kind, id) }));
}

export function outboxDueAt(sql: Sql, now: Millis): Millis | undefined {
  const at = sql.get<{ at: number | null }>(`SELECT min(at) AS at FROM ${WAITING}`)?.at ?? undefined;
  return at === undefined ? undefined : Math.max(at, awayUntil(sql, now));
}

/** What has not been sent, for people: parked rows first. */
export function outboxState(sql: Sql, now: Millis, limit: number): OutboxState {
  const count = (where: string) => sql.get<{ n: number }>(`SELECT count(*) AS n FROM outbox WHERE ${where}`)?.n ?? 0;
  const items = sql.all<OutboxState["items"][number]>(
    "SELECT * FROM outbox ORDER BY parked IS NULL, at, kind, id LIMIT ?",
    limit,
  );
  const away = awayUntil(sql, now);
  return {
    changes: changesOf(sql),
    waiting: count("parked IS NULL"),
    parked: count("parked IS NOT NULL"),
    items: items.map((row) => (row.parked === null ? { ...row, at: Math.max(row.at, away) } : row)),
  };
}

/** Each part only grows: what changes a device or an asset stands in the ledger, or is of a job. */
const changesOf = (sql: Sql): number =>
  sql.get<{ n: number }>(
    `SELECT coalesce((SELECT max(seq) FROM ledger), 0)
       + coalesce((SELECT sum((SELECT max(seq) FROM event e WHERE e.job = j.id)) FROM job j), 0)
       + coalesce((SELECT sum(version) FROM finding), 0) + coalesce((SELECT sum(row_version) FROM agent), 0)
       + coalesce((SELECT value ->> '$.version' FROM meta WHERE key = 'site'), 0) AS n`,
  )?.n ?? 0;

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
  backAgain(tx);
  for (const { kind, id, version } of entries)
    tx.sql.run("DELETE FROM outbox WHERE kind = ? AND id = ? AND version = ?", kind, id, version);
  const parked = tx.sql.all<{ object: string }>(
    `SELECT object FROM finding WHERE "check" = 'outbox-parked' AND state = 'open'`,
  );
  for (const { object } of parked)
    if (entries.some((entry) => parkedName(entry) === object)) closeFinding(tx, "outbox-parked", object);
}

const parkedName = ({ kind, id }: Pick<OutboxRow, "kind" | "id">): string => `${kind}:${id}`;

/** Tries again later: all when the read model is away, else these rows, which are parked after the last try, with a finding. */
export function failed(tx: Tx, { entries, reason, outage }: Commands["outbox.failed"]["in"]): void {
  if (outage) {
    const fails = 1 + (readMeta<Away>(tx.sql, AWAY)?.fails ?? 0);
    writeMeta(tx.sql, AWAY, { fails, until: tx.now + backoffMs(fails) } satisfies Away);
    return;
  }
  for (const entry of entries) {
    const { kind, id, version } = entry;
    const row = tx.sql.get<OutboxRow>("SELECT * FROM outbox WHERE kind = ? AND id = ?", kind, id);
    // One that has changed meanwhile is another row, which nobody has refused yet.
    if (row?.version !== version) continue;
    const fails = row.fails + 1;
    tx.sql.run(
      "UPDATE outbox SET fails = ?, at = ?, parked = ? WHERE kind = ? AND id = ?",
      fails,
      tx.now + backoffMs(fails),
      fails >= MAX_FAILS ? reason : null,
      kind,
      id,
    );
    if (fails >= MAX_FAILS) {
      found(tx, {
        check: "outbox-parked",
        object: parkedName(entry),
        name: `${kind} ${id}`,
        severity: "high",
        text: `The read model did not take ${kind} ${id} in ${fails} tries: ${reason}.`,
        next: "Lists may show it out of date; mend the cause, then rebuild the read model.",
      });
    }
  }
}

/** Marks every row to be sent again (E3), and has the read model forget the site's rows first; who asks does not wait. */
export function rebuild(tx: Tx): { rows: number } {
  backAgain(tx);
  writeMeta(tx.sql, DROP, true);
  return { rows: markAll(tx) };
}

const DROP = "drop";
export const dropsFirst = (sql: Sql, now: Millis): boolean =>
  readMeta<boolean>(sql, DROP) === true && awayUntil(sql, now) <= now;

/** All is marked once more: what was delivered between the order and the dropping went with the rest. */
export function dropped(tx: Tx): null {
  tx.sql.run("DELETE FROM meta WHERE key = ?", DROP);
  backAgain(tx);
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
