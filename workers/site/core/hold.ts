/**
 * A restored site is on hold: agents come and tell, nothing starts, and time does nothing but send to the read model.
 * `release.ts` ends it. The record is no part of the site's own truth: an export of a site on hold is the export that it
 * was restored from.
 */
import type { Millis } from "../../../shared/deps.ts";
import type { SiteView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { readMeta, type SiteRecord } from "./tx.ts";

export interface Hold {
  since: Millis;
  /** When the first agent came: by then the new object was found by its name. */
  heardAt?: Millis;
  /** Of this object; the tables are of an older one. */
  generation: number;
  /** The restore that made it, and the SHA-256 of its export. */
  restore: string;
  export: string;
  /** Agents tell their attempts from this epoch on: older ones had ended before the export. */
  fromEpoch: number;
  /** The ledger's last event in the export: what follows it was written on hold, and no agent has seen it. */
  ledger: number;
}

export const holdOf = (sql: Sql): Hold | undefined => readMeta<Hold>(sql, "hold");

/** Generations of one site only grow, by each restore (L2 for whole objects). */
export const generationOf = (sql: Sql): number =>
  holdOf(sql)?.generation ?? readMeta<SiteRecord>(sql, "site")?.generation ?? 1;

/** Agents that may work here and have not yet told all. */
export const untold = (sql: Sql): { id: string; name: string }[] =>
  sql.all(
    `SELECT id, name FROM agent WHERE revoked_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM told_agent t WHERE t.agent = agent.id AND t.complete = 1) ORDER BY name`,
  );

/** What a site on hold waits for, in words; undefined when it is not on hold. */
export function holdWaitsFor(sql: Sql): string | undefined {
  if (!holdOf(sql)) return undefined;
  const names = untold(sql).map((agent) => agent.name);
  const site = readMeta<SiteRecord>(sql, "site")?.name ?? "SITE";
  const release = `an admin to release the restored site: \`turnup site release ${site}\``;
  return names.length === 0 ? release : `${names.join(", ")} to tell what was done since the export; then ${release}`;
}

/** For the site's view, which the read model keeps: words that do not change while the hold lasts. */
export function holdView(sql: Sql, site: Pick<SiteRecord, "name">): SiteView["hold"] {
  const hold = holdOf(sql);
  return hold
    ? {
        since: hold.since,
        waitingOn: `its agents to tell what was done since the export, and an admin: \`turnup site release ${site.name}\``,
      }
    : null;
}
