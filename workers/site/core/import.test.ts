import { expect, it } from "vitest";
import { DEADLINE_MAX_S, ResolvedSite } from "../../../shared/model/site.ts";
import { server, siteOf, World } from "./test-world.ts";

it("imports the same file again without a change", () => {
  const w = new World(3);
  const before = w.sql.written();
  expect(w.do("site.import", { site: siteOf(3), actor: "t" })).toMatchObject({ added: 0, changed: 0, unchanged: 3 });
  expect(w.sql.written()).toBe(before);
});

it("gives back the document as it was imported", () => {
  const w = new World(2);
  expect(w.ask("site.document", {})).toEqual(siteOf(2));
});

it("adds a device, and removes one that nothing depends on, keeping its asset in the ledger", () => {
  const w = new World(2);
  const site = siteOf(3);
  site.devices.splice(0, 1);
  expect(w.do("site.import", { site, actor: "t" })).toMatchObject({ added: 1, changed: 1, unchanged: 1 });
  expect(w.ask("devices", { limit: 10 }).items.map((d) => d.name)).toEqual(["srv00001", "srv00002"]);
  expect(w.ask("assets", { limit: 10 }).items.find((a) => a.serial === "SN0")).toMatchObject({
    state: "stored",
    device: null,
  });
});

it("[T4] refuses a serial that is bound to another device", () => {
  const w = new World(2);
  const site = siteOf(3);
  const third = site.devices[2];
  if (third) third.asset.serial = "sn1";
  expect(w.refusal("site.import", { site, actor: "t" })).toBe("conflict");
  expect(w.ask("site", {}).devices).toBe(2);
});

it("refuses another serial on a device in service: that is a replacement", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  w.work();
  const site = siteOf(1);
  site.devices = [{ ...server(0), asset: { ...server(0).asset, serial: "NEW" } }];
  expect(w.refusal("site.import", { site, actor: "t" })).toBe("conflict");
});

it("refuses to change or drop a device that a job holds", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  const site = siteOf(1);
  site.devices = [{ ...server(0), u: 7 }];
  expect(w.refusal("site.import", { site, actor: "t" })).toBe("locked");
  expect(w.refusal("site.import", { site: siteOf(0), actor: "t" })).toBe("locked");
});

it("holds what was fixed when the site was created", () => {
  const w = new World(1);
  expect(w.refusal("site.import", { site: { ...siteOf(1), jurisdiction: "us" }, actor: "t" })).toBe(
    "site_frozen_field",
  );
  expect(
    w.refusal("site.create", {
      id: "st_0123456789",
      name: "ams01",
      locationHint: "oc",
      jurisdiction: "eu",
      actor: "t",
    }),
  ).toBe("site_frozen_field");
});

it("[S4] refuses a site that names a device twice, and a time that no step may take", () => {
  const site = siteOf(1);
  const twice = { ...site, devices: [...site.devices, { ...server(1), name: "srv00000" }] };
  expect(new World(1).refusal("site.import", { site: ResolvedSite.parse(twice), actor: "t" })).toBe("conflict");
  const [device] = site.devices;
  if (device?.install) device.install.deadlines = { "bmc.identify": DEADLINE_MAX_S + 1 };
  expect(ResolvedSite.safeParse(site).success).toBe(false);
});
