/** How the site's devices, assets and media lie in their tables, and the views made of them. */
import type { AssetState, DeviceState, MediumState } from "../../../shared/model/lifecycle.ts";
import type { ResolvedDevice } from "../../../shared/model/site.ts";
import type { AssetView, DeviceView, MediumView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";

export interface DeviceRow {
  id: string;
  name: string;
  state: DeviceState;
  since: number;
  asset: string | null;
  doc: string;
  cables: string;
  version: number;
}
export interface AssetRow {
  id: string;
  serial: string;
  aliases: string;
  tag: string | null;
  manufacturer: string;
  model: string;
  state: AssetState;
  version: number;
}
export interface MediumRow {
  id: string;
  asset: string;
  doc: string;
  state: MediumState;
}
type Medium = ResolvedDevice["asset"]["media"][number];

export const deviceDoc = (row: DeviceRow): ResolvedDevice => JSON.parse(row.doc) as ResolvedDevice;
export const mediumDoc = (row: MediumRow): Medium => JSON.parse(row.doc) as Medium;

export const deviceById = (sql: Sql, id: string) => sql.get<DeviceRow>("SELECT * FROM device WHERE id = ?", id);
/** By id or name: people type names, programs keep ids. */
export const findDevice = (sql: Sql, idOrName: string) =>
  deviceById(sql, idOrName) ?? sql.get<DeviceRow>("SELECT * FROM device WHERE name = ?", idOrName);
export const assetById = (sql: Sql, id: string) => sql.get<AssetRow>("SELECT * FROM asset WHERE id = ?", id);
export const mediaOf = (sql: Sql, asset: string) =>
  sql.all<MediumRow>("SELECT * FROM medium WHERE asset = ? ORDER BY id", asset);

export function deviceView(sql: Sql, site: string, row: DeviceRow): DeviceView {
  const doc = deviceDoc(row);
  const asset = row.asset === null ? undefined : assetById(sql, row.asset);
  const lock = sql.get<{ job: string }>("SELECT job FROM lock WHERE device = ?", row.id);
  return {
    id: row.id,
    site,
    name: row.name,
    role: doc.role,
    rack: doc.rack,
    u: doc.u,
    manufacturer: doc.deviceType.manufacturer,
    model: doc.deviceType.model,
    state: row.state,
    since: row.since,
    asset: row.asset,
    serial: asset?.serial ?? null,
    job: lock?.job ?? null,
    version: row.version,
  };
}

export function assetView(sql: Sql, site: string, row: AssetRow): AssetView {
  const device = sql.get<{ id: string }>("SELECT id FROM device WHERE asset = ?", row.id);
  return {
    id: row.id,
    site,
    manufacturer: row.manufacturer,
    model: row.model,
    serial: row.serial,
    assetTag: row.tag,
    state: row.state,
    device: device?.id ?? null,
    media: mediaOf(sql, row.id).map(mediumView),
    version: row.version,
  };
}

function mediumView(row: MediumRow): MediumView {
  const { bay, serial, sizeBytes } = mediumDoc(row);
  return { id: row.id, bay, serial, sizeBytes, state: row.state };
}
