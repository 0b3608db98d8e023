/** T4 across sites: whether articles of a site file are installed in another site, as far as the read model has heard. */
import type { ResolvedSite } from "../../shared/model/site.ts";

export interface Elsewhere {
  serial: string;
  /** The other site's id. */
  site: string;
}

/** Serials in one statement; as JSON they stay well below D1's 2 MB for a value. */
const BATCH = 10_000;
/** Enough to see what happened; the file is refused as a whole. */
const MOST = 10;

/** Case and surrounding space do not count (T2); serials are ASCII, for which SQLite's `lower` does the same. */
const keyOf = (serial: string): string => serial.trim().toLowerCase();

const ASSETS = `SELECT site, serial FROM rm_asset
  WHERE doc IS NOT NULL AND site <> ?1 AND state = 'installed' AND lower(trim(serial)) IN (SELECT value FROM json_each(?2))
  LIMIT ${MOST}`;
const DRIVES = `SELECT rm_asset.site AS site, drive.value ->> 'serial' AS serial
  FROM rm_asset, json_each(rm_asset.doc, '$.media') AS drive
  WHERE rm_asset.doc IS NOT NULL AND rm_asset.site <> ?1 AND rm_asset.state = 'installed'
    AND drive.value ->> 'state' NOT IN ('missing', 'destroyed', 'written_off', 'disposed')
    AND lower(trim(drive.value ->> 'serial')) IN (SELECT value FROM json_each(?2))
  LIMIT ${MOST}`;

/** The first few assets and drives of `resolved` that are installed in a site other than `site` (an id). */
export async function installedElsewhere(db: D1Database, site: string, resolved: ResolvedSite): Promise<Elsewhere[]> {
  const assets = resolved.devices.map((device) => keyOf(device.asset.serial));
  const drives = resolved.devices.flatMap((device) => device.asset.media.map((medium) => keyOf(medium.serial)));
  const found: Elsewhere[] = [];
  for (const [sql, keys] of [
    [ASSETS, assets],
    [DRIVES, drives],
  ] as const) {
    for (let at = 0; at < keys.length && found.length < MOST; at += BATCH) {
      const { results } = await db
        .prepare(sql)
        .bind(site, JSON.stringify(keys.slice(at, at + BATCH)))
        .all<Elsewhere>();
      found.push(...results);
    }
  }
  return found.slice(0, MOST);
}
