/** Takes a resolved site file into the tables: adds what is new, changes what may change, refuses the rest as a whole. */
import { canonicalJson } from "../../../shared/canonical.ts";
import type { ResolvedDevice, ResolvedSite } from "../../../shared/model/site.ts";
import { setCaps } from "./caps.ts";
import type { Commands } from "./commands.ts";
import { heldUntil } from "./handover.ts";
import { record } from "./ledger.ts";
import { move, touched } from "./moves.ts";
import { checkPolicyFits } from "./policy.ts";
import { assetById, type DeviceRow, deviceDoc, type MediumRow, mediaOf, mediumDoc } from "./rows.ts";
import { siteView } from "./site.ts";
import { readText, type Tx, writeText } from "./tx.ts";
import { moveUnread } from "./unread.ts";

type ImportIn = Commands["site.import"]["in"];
type Cable = ResolvedSite["cables"][number];
type Medium = ResolvedDevice["asset"]["media"][number];

/** States in which nothing depends on the record yet, so that its asset may be another and it may go. */
const OPEN_STATES = ["planned", "retired"];

export function importSite(tx: Tx, { site, actor }: ImportIn): Commands["site.import"]["out"] {
  if (site.name !== tx.site.name)
    tx.fail("conflict", `The file describes the site ${site.name}, and this is ${tx.site.name}.`);
  if (site.locationHint !== tx.site.locationHint || site.jurisdiction !== tx.site.jurisdiction) {
    tx.fail(
      "site_frozen_field",
      `The site was created with locationHint ${tx.site.locationHint} and jurisdiction ${tx.site.jurisdiction}.`,
    );
  }
  const { devices, cables, ...rest } = site;
  const cablesOf = groupCables(cables);
  const runsOf = (device: ResolvedDevice) => canonicalJson(cablesOf.get(device.name) ?? []);
  const gone = new Map(tx.sql.all<DeviceRow>("SELECT * FROM device").map((row) => [row.name, row]));
  const names = new Set<string>();
  const fresh: ResolvedDevice[] = [];
  const other: { row: DeviceRow; device: ResolvedDevice }[] = [];
  for (const device of devices) {
    if (names.has(device.name)) tx.fail("conflict", `The file names two devices ${device.name}.`);
    names.add(device.name);
    const row = gone.get(device.name);
    gone.delete(device.name);
    if (!row) fresh.push(device);
    else if (row.doc !== canonicalJson(device) || row.cables !== runsOf(device)) other.push({ row, device });
  }
  // T4: articles leave their places before they take new ones, so that two may be exchanged in one file.
  for (const row of gone.values()) removeDevice(tx, row, actor);
  for (const { row, device } of other) releaseAsset(tx, row, device, actor);
  for (const { row, device } of other) changeDevice(tx, row, device, runsOf(device), actor);
  for (const device of fresh) addDevice(tx, device, runsOf(device), actor);
  const added = fresh.length;
  const changed = other.length + gone.size;
  const unchanged = devices.length - fresh.length - other.length;
  const text = canonicalJson(rest);
  if (added + changed > 0 || readText(tx.sql, "site") !== text) {
    writeText(tx.sql, "site", text);
    setCaps(tx, site.atOnce);
    tx.saveSite({ ...tx.site, revision: tx.site.revision + 1 });
    checkPolicyFits(tx);
    record(tx, {
      subject: "site",
      id: tx.site.id,
      kind: "site.imported",
      actor,
      data: { revision: tx.site.revision, added, changed, document: tx.deps.sha256(canonicalJson(site)) },
    });
  }
  return { site: siteView(tx.sql, tx.site), added, changed, unchanged };
}

function groupCables(cables: Cable[]): Map<string, Cable[]> {
  const out = new Map<string, Cable[]>();
  for (const cable of cables) {
    const list = out.get(cable.a.device);
    if (list) list.push(cable);
    else out.set(cable.a.device, [cable]);
  }
  return out;
}

function addDevice(tx: Tx, device: ResolvedDevice, cables: string, actor: string): void {
  const id = tx.id("device");
  tx.sql.run(
    "INSERT INTO device (id, name, state, since, asset, doc, cables, version) VALUES (?, ?, 'planned', ?, NULL, ?, ?, 1)",
    id,
    device.name,
    tx.now,
    canonicalJson(device),
    cables,
  );
  record(tx, {
    subject: "device",
    id,
    kind: "device.planned",
    actor,
    data: { name: device.name, rack: device.rack, u: device.u },
  });
  bind(tx, id, device, actor);
  touched(tx, "device", id);
}

/** Binds the device to the asset of this serial, which may be new to the site (T4). */
function bind(tx: Tx, deviceId: string, device: ResolvedDevice, actor: string): void {
  const key = serialKey(device.asset.serial);
  const known = tx.sql.get<{ id: string; state: string }>("SELECT id, state FROM asset WHERE serial_key = ?", key);
  const asset = known?.id ?? addAsset(tx, device, key, actor);
  if (known) {
    const holder = tx.sql.get<{ name: string }>(
      "SELECT name FROM device WHERE asset = ? AND id <> ?",
      known.id,
      deviceId,
    );
    if (holder)
      tx.fail(
        "conflict",
        `The serial ${device.asset.serial} is bound to ${holder.name}; it cannot be ${device.name} too.`,
      );
    if (known.state !== "installed")
      move(tx, { subject: "asset", id: known.id, to: "installed" }, { actor, data: { device: device.name } });
  }
  tx.sql.run("UPDATE device SET asset = ?, version = version + 1 WHERE id = ?", asset, deviceId);
  moveUnread(tx, asset, deviceId, device.name);
  record(tx, {
    subject: "asset",
    id: asset,
    kind: "asset.bound",
    actor,
    data: { device: deviceId, name: device.name },
  });
  syncAsset(tx, asset, device, actor);
  touched(tx, "asset", asset);
}

function addAsset(tx: Tx, { asset, deviceType }: ResolvedDevice, key: string, actor: string): string {
  const id = tx.id("asset");
  tx.sql.run(
    "INSERT INTO asset (id, serial_key, serial, aliases, tag, manufacturer, model, state, version) VALUES (?, ?, ?, ?, ?, ?, ?, 'installed', 1)",
    id,
    key,
    asset.serial,
    JSON.stringify(asset.aliases),
    asset.assetTag ?? null,
    deviceType.manufacturer,
    deviceType.model,
  );
  record(tx, { subject: "asset", id, kind: "asset.installed", actor, data: { serial: asset.serial, ...deviceType } });
  return id;
}

/** The article as the file describes it; each change is an event of its own (E1). Returns whether anything changed. */
function syncAsset(tx: Tx, id: string, device: ResolvedDevice, actor: string): boolean {
  const row = assetById(tx.sql, id);
  if (!row) return tx.fail("not_found", `There is no asset ${id} here.`);
  const { manufacturer, model } = device.deviceType;
  const before = {
    aliases: JSON.parse(row.aliases) as string[],
    tag: row.tag,
    manufacturer: row.manufacturer,
    model: row.model,
  };
  const after = { aliases: device.asset.aliases, tag: device.asset.assetTag ?? null, manufacturer, model };
  const changed = changedKeys(before, after);
  if (changed.length > 0) {
    tx.sql.run(
      "UPDATE asset SET aliases = ?, tag = ?, manufacturer = ?, model = ? WHERE id = ?",
      JSON.stringify(after.aliases),
      after.tag,
      manufacturer,
      model,
      id,
    );
    const data = Object.fromEntries(changed.map((key) => [key, after[key]]));
    record(tx, { subject: "asset", id, kind: "asset.changed", actor, data });
  }
  const media = syncMedia(tx, id, device, actor);
  if (changed.length === 0 && !media) return false;
  tx.sql.run("UPDATE asset SET version = version + 1 WHERE id = ?", id);
  return true;
}

/** Drives of the asset as the file lists them: new ones are added; one that is recorded in another asset is refused. */
function syncMedia(tx: Tx, asset: string, device: ResolvedDevice, actor: string): boolean {
  let changed = false;
  const listed = new Set<string>();
  for (const medium of device.asset.media) {
    listed.add(serialKey(medium.serial));
    if (syncMedium(tx, asset, medium, device.name, actor)) changed = true;
  }
  for (const row of mediaOf(tx.sql, asset)) {
    const { serial } = mediumDoc(row);
    if (listed.has(serialKey(serial)) || row.state !== "present") continue;
    move(tx, { subject: "medium", id: row.id, to: "missing" }, { actor, data: { serial } });
    changed = true;
  }
  return changed;
}

function syncMedium(tx: Tx, asset: string, medium: Medium, name: string, actor: string): boolean {
  const key = serialKey(medium.serial);
  const row = tx.sql.get<MediumRow>("SELECT * FROM medium WHERE serial_key = ?", key);
  const doc = canonicalJson(medium);
  const { serial, bay } = medium;
  if (!row) {
    const id = tx.id("medium");
    tx.sql.run(
      "INSERT INTO medium (id, asset, serial_key, doc, state) VALUES (?, ?, ?, ?, 'present')",
      id,
      asset,
      key,
      doc,
    );
    record(tx, { subject: "medium", id, kind: "medium.present", actor, data: { asset, serial, bay } });
    return true;
  }
  if (row.asset !== asset)
    return tx.fail("conflict", `The drive ${serial} is recorded in another machine than ${name}.`);
  if (row.doc !== doc) {
    const data = { serial, bay, changed: changedKeys(mediumDoc(row), medium) };
    tx.sql.run("UPDATE medium SET doc = ? WHERE id = ?", doc, row.id);
    record(tx, { subject: "medium", id: row.id, kind: "medium.changed", actor, data });
  }
  // It was missing and is listed again.
  if (row.state === "missing")
    move(tx, { subject: "medium", id: row.id, to: "present" }, { actor, data: { serial, bay } });
  return row.doc !== doc || row.state === "missing";
}

const hasOtherAsset = (row: DeviceRow, device: ResolvedDevice): boolean =>
  serialKey(deviceDoc(row).asset.serial) !== serialKey(device.asset.serial);

/** Refuses what may not change now; frees the article of a place that gets another one. */
function releaseAsset(tx: Tx, row: DeviceRow, device: ResolvedDevice, actor: string): void {
  const lock = tx.sql.get<{ job: string }>("SELECT job FROM lock WHERE device = ?", row.id);
  if (lock) tx.fail("locked", `${row.name} is held by ${lock.job}; the file changes it.`);
  if (!hasOtherAsset(row, device)) return;
  refuseWhileHeld(tx, row);
  if (!OPEN_STATES.includes(row.state))
    tx.fail(
      "conflict",
      `${row.name} is ${row.state} with the serial ${deviceDoc(row).asset.serial}; another serial (${device.asset.serial}) is a replacement, not an import.`,
    );
  unbind(tx, row, actor);
}

function changeDevice(tx: Tx, row: DeviceRow, device: ResolvedDevice, cables: string, actor: string): void {
  tx.sql.run(
    "UPDATE device SET doc = ?, cables = ?, version = version + 1 WHERE id = ?",
    canonicalJson(device),
    cables,
    row.id,
  );
  record(tx, {
    subject: "device",
    id: row.id,
    kind: "device.changed",
    actor,
    data: { name: row.name, changed: changedKeys(deviceDoc(row), device) },
  });
  if (hasOtherAsset(row, device) || row.asset === null) bind(tx, row.id, device, actor);
  else if (syncAsset(tx, row.asset, device, actor)) touched(tx, "asset", row.asset);
  touched(tx, "device", row.id);
}

function removeDevice(tx: Tx, row: DeviceRow, actor: string): void {
  if (!OPEN_STATES.includes(row.state))
    tx.fail("conflict", `${row.name} is ${row.state} and not in the file; retire it first.`);
  if (tx.sql.get("SELECT job FROM lock WHERE device = ?", row.id))
    tx.fail("locked", `${row.name} is held by a job and not in the file.`);
  refuseWhileHeld(tx, row);
  unbind(tx, row, actor);
  tx.sql.run("DELETE FROM device WHERE id = ?", row.id);
  record(tx, { subject: "device", id: row.id, kind: "device.removed", actor, data: { name: row.name } });
  tx.dirty("device", row.id, row.version + 1);
}

/** L2: under another place's name the machine would be open to another agent at once. */
function refuseWhileHeld(tx: Tx, row: DeviceRow): void {
  const until = heldUntil(tx, row.id);
  if (until === undefined) return;
  const seconds = Math.ceil((until - tx.now) / 1000);
  tx.fail("locked", `An agent may still be in a call on ${row.name}; try again in ${seconds} s.`);
}

function unbind(tx: Tx, row: DeviceRow, actor: string): void {
  if (row.asset === null) return;
  const asset = row.asset;
  tx.sql.run("UPDATE device SET asset = NULL, version = version + 1 WHERE id = ?", row.id);
  moveUnread(tx, row.id, asset, deviceDoc(row).asset.serial);
  if (assetById(tx.sql, asset)?.state === "installed")
    move(tx, { subject: "asset", id: asset, to: "stored" }, { actor, data: { device: row.name } });
}

/** Keys in which two records differ, also those that only one of them has. */
function changedKeys<T extends object>(a: T, b: T): (keyof T & string)[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)] as (keyof T & string)[]);
  return [...keys].filter((key) => !same(a[key], b[key]));
}
const same = (a: unknown, b: unknown): boolean => canonicalJson(a ?? null) === canonicalJson(b ?? null);

/** Serials compare without case (T2). */
export const serialKey = (serial: string): string => serial.trim().toLowerCase();
