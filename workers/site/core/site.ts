/** The site's own record and document. */
import type { Outcome } from "../../../shared/errors.ts";
import { ok, refuse } from "../../../shared/errors.ts";
import type { ResolvedSite } from "../../../shared/model/site.ts";
import type { SiteView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { capsOf } from "./caps.ts";
import type { Commands } from "./commands.ts";
import { generationOf, holdView } from "./hold.ts";
import { record } from "./ledger.ts";
import { readMeta, readText, type SiteRecord, type Tx, writeMeta } from "./tx.ts";

export function createSite(tx: Tx, input: Commands["site.create"]["in"]): SiteView {
  const { id, name, locationHint, jurisdiction, actor } = input;
  const known = readMeta<SiteRecord>(tx.sql, "site");
  if (known) {
    if (known.id !== id || known.name !== name) tx.fail("site_exists", `This is the site ${known.name}.`);
    if (known.locationHint !== locationHint || known.jurisdiction !== jurisdiction) {
      tx.fail(
        "site_frozen_field",
        `${name} was created with locationHint ${known.locationHint} and jurisdiction ${known.jurisdiction}.`,
      );
    }
    return siteView(tx.sql, known);
  }
  // The record must be there before anything can be recorded about it.
  writeMeta(tx.sql, "site", {
    id,
    name,
    locationHint,
    jurisdiction,
    createdAt: tx.now,
    revision: 0,
    version: 0,
  } satisfies SiteRecord);
  tx.saveSite(tx.site);
  record(tx, { subject: "site", id, kind: "site.created", actor, data: { name, locationHint, jurisdiction } });
  return siteView(tx.sql, tx.site);
}

export function siteView(sql: Sql, site: SiteRecord): SiteView {
  const count = sql.get<{ n: number }>("SELECT count(*) AS n FROM device")?.n ?? 0;
  const { racks } = restOf(sql) ?? { racks: [] };
  return {
    ...site,
    racks: racks.length,
    devices: count,
    atOnce: capsOf(sql),
    generation: generationOf(sql),
    hold: holdView(sql, site),
  };
}

type Rest = Omit<ResolvedSite, "devices" | "cables">;
/** What the file says beside devices and cables. */
export function restOf(sql: Sql): Rest | undefined {
  const text = readText(sql, "site");
  return text === undefined ? undefined : (JSON.parse(text) as Rest);
}

/** The document as it was imported last. */
export function siteDocument(sql: Sql): Outcome<ResolvedSite> {
  const rest = restOf(sql);
  if (!rest) return refuse("not_found", "No site file has been imported yet.");
  const rows = sql.all<{ doc: string; cables: string }>("SELECT doc, cables FROM device ORDER BY name");
  return ok({
    ...rest,
    devices: rows.map((r) => JSON.parse(r.doc) as ResolvedSite["devices"][number]),
    cables: rows.flatMap((r) => JSON.parse(r.cables) as ResolvedSite["cables"]),
  });
}
