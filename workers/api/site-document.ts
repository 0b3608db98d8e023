/** A site file, checked again here against the fleet's own device types: what a client checked before counts for nothing. */
import { inArray } from "drizzle-orm";
import type { Outcome } from "../../shared/errors.ts";
import { catalogOf } from "../../shared/model/device-type/catalog.ts";
import type { DeviceType } from "../../shared/model/device-type/device-type.ts";
import type { ResolvedSite } from "../../shared/model/site.ts";
import { validateSiteFile } from "../../shared/model/site-file/validate.ts";
import { fleetDb } from "../db/client.ts";
import { deviceTypes } from "../db/fleet.ts";

/** Every fault of the document, or the resolved site. */
export async function resolveDocument(
  db: D1Database,
  document: Record<string, unknown>,
): Promise<Outcome<ResolvedSite>> {
  const fleet = fleetDb(db);
  const named = typesNamedIn(document);
  const names = await fleet.select({ key: deviceTypes.key }).from(deviceTypes);
  const wanted = names.map((row) => row.key).filter((key) => named.has(key));
  const types: DeviceType[] = [];
  // D1 takes at most 100 parameters.
  for (let at = 0; at < wanted.length; at += 90) {
    const rows = await fleet
      .select()
      .from(deviceTypes)
      .where(inArray(deviceTypes.key, wanted.slice(at, at + 90)));
    // They were checked when they were imported.
    types.push(...rows.map((row) => row.document as DeviceType));
  }
  const loaded = catalogOf(types);
  return validateSiteFile(document, { get: loaded.get, names: () => names.map((row) => row.key) });
}

/** Names of types in the two lists that may name one; anything odd there is found by the check itself. */
function typesNamedIn(document: Record<string, unknown>): Set<string> {
  const names = new Set<string>();
  for (const list of [document.hardwareClasses, document.devices]) {
    for (const entry of Array.isArray(list) ? (list as unknown[]) : []) {
      const type = typeof entry === "object" && entry !== null && "deviceType" in entry ? entry.deviceType : undefined;
      if (typeof type === "string") names.add(type);
    }
  }
  return names;
}
