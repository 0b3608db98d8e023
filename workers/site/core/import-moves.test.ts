import { expect, it } from "vitest";
import type { ResolvedDevice, ResolvedSite } from "../../../shared/model/site.ts";
import { firstBreak } from "./ledger.ts";
import { server, sha256, siteOf, World } from "./test-world.ts";

const kinds = (w: World, after: number) => w.ask("ledger", { after, limit: 1000 }).map((e) => e.kind);
const head = (w: World) => w.ask("ledger", { after: 0, limit: 10_000 }).at(-1)?.seq ?? 0;
const imported = (w: World, site: ResolvedSite) => w.do("site.import", { site, actor: "t" });
const placed = (w: World) => w.ask("devices", { limit: 10 }).items.map((d) => `${d.name} ${d.serial}`);

/** A server with the article of another one: its serial and its drives. */
function withArticleOf(n: number, other: number) {
  const device = server(n);
  const article = server(other);
  device.asset = article.asset;
  if (device.install && article.install)
    device.install = { ...device.install, systemDrive: article.install.systemDrive, bom: article.install.bom };
  return device;
}

it("[T4] exchanges two articles between two places in one import, with the ledger events of both", () => {
  const w = new World(2);
  const before = head(w);
  const site = siteOf(2);
  site.devices = [withArticleOf(0, 1), withArticleOf(1, 0)];
  imported(w, site);
  expect(placed(w)).toEqual(["srv00000 SN1", "srv00001 SN0"]);
  const events = kinds(w, before);
  for (const kind of ["asset.stored", "asset.installed", "asset.bound"])
    expect(events.filter((k) => k === kind)).toHaveLength(2);
  expect(firstBreak(w.ask("ledger", { after: 0, limit: 1000 }), sha256)).toBeUndefined();
  // The drives moved with their articles.
  for (const asset of w.ask("assets", { limit: 10 }).items)
    expect(asset.media.map((m) => m.state)).toEqual(["present", "present"]);
});

it("[T4] takes a place under another name for another place with the same article", () => {
  const w = new World(1);
  const site = siteOf(1);
  const old = w.ask("device", { device: "srv00000" });
  site.devices = [{ ...server(0), name: "renamed" }];
  imported(w, site);
  expect(placed(w)).toEqual(["renamed SN0"]);
  const device = w.ask("device", { device: "renamed" });
  expect(device.id).not.toBe(old.id);
  expect(device.asset).toBe(old.asset);
});

it("[T4] refuses to move the article of a place in service to another one, by whatever way", () => {
  const w = new World(2);
  w.install(["srv00000"]);
  w.work();
  const swap = siteOf(2);
  swap.devices = [withArticleOf(0, 1), withArticleOf(1, 0)];
  const rename = siteOf(2);
  rename.devices[0] = { ...server(0), name: "renamed" };
  const steal = siteOf(2);
  steal.devices[1] = withArticleOf(1, 0);
  for (const site of [swap, rename, steal]) expect(w.refusal("site.import", { site, actor: "t" })).toBe("conflict");
  expect(placed(w)).toEqual(["srv00000 SN0", "srv00001 SN1"]);
});

it("refuses a drive that is recorded in another machine", () => {
  const w = new World(2);
  const site = siteOf(2);
  const [first, second] = site.devices;
  const drive = first?.asset.media[0];
  if (!first || !second || !drive) throw new Error("no drive");
  first.asset.media = first.asset.media.slice(1);
  second.asset.media = [...second.asset.media, { ...drive, bay: "Bay 2" }];
  expect(w.refusal("site.import", { site, actor: "t" })).toBe("conflict");
});

it("[E1] records what changes on an article: aliases, tag, type", () => {
  const w = new World(1);
  const before = head(w);
  const site = siteOf(1);
  const asset = { ...server(0).asset, aliases: ["OLD-BOARD"], assetTag: "T-1" };
  site.devices = [{ ...server(0), asset, deviceType: { manufacturer: "Example", model: "Two" } }];
  imported(w, site);
  const event = w.ask("ledger", { after: before, limit: 100 }).find((e) => e.kind === "asset.changed");
  expect(event?.data).toEqual({ aliases: ["OLD-BOARD"], tag: "T-1", model: "Two" });
  expect(w.ask("assets", { limit: 1 }).items[0]).toMatchObject({ assetTag: "T-1", model: "Two" });
});

it("[E1] records what changes on a drive, one that is missing, and one that is there again", () => {
  const w = new World(1);
  const [bay0, bay1] = server(0).asset.media;
  if (!bay0 || !bay1) throw new Error("no drive");
  const withMedia = (media: ResolvedDevice["asset"]["media"]) => {
    const site = siteOf(1);
    site.devices = [{ ...server(0), asset: { ...server(0).asset, media } }];
    return site;
  };
  const step = (media: Parameters<typeof withMedia>[0]) => {
    const before = head(w);
    imported(w, withMedia(media));
    return w
      .ask("ledger", { after: before, limit: 100 })
      .filter((e) => e.subject === "medium")
      .map((e) => e.kind);
  };
  expect(step([{ ...bay0, bay: "Bay 7" }, bay1])).toEqual(["medium.changed"]);
  expect(step([bay1])).toEqual(["medium.missing"]);
  expect(step([bay0, bay1])).toEqual(["medium.changed", "medium.present"]);
});

it("[T2] an article bound anew has the aliases that the file gives it now", () => {
  const w = new World(1);
  imported(w, { ...siteOf(1), devices: [] });
  const asset = { ...server(0).asset, aliases: ["OLD-BOARD"] };
  imported(w, { ...siteOf(1), devices: [{ ...server(0), asset }] });
  const { plan } = w.do("plan.create", { workflow: "server.install", targets: ["srv00000"], params: {}, actor: "t" });
  expect(plan.targets[0]?.aliases).toEqual(["OLD-BOARD"]);
});

it("does not plan an install onto a drive that is recorded as missing", () => {
  const w = new World(1);
  w.sql.run("UPDATE medium SET state = 'missing'");
  expect(w.refusal("plan.create", { workflow: "server.install", targets: ["srv00000"], params: {}, actor: "t" })).toBe(
    "disk_missing",
  );
});

it("[L2] refuses to move an article while an agent of a cancelled job may still be in a call", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.sync();
  w.do("job.cancel", { job, actor: "t", reason: "" });
  const site = siteOf(1);
  site.devices = [{ ...server(0), name: "renamed" }];
  expect(w.refusal("site.import", { site, actor: "t" })).toBe("locked");
  w.now += 122_000;
  imported(w, site);
  expect(placed(w)).toEqual(["renamed SN0"]);
});
