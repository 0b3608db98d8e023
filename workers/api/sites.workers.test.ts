import { beforeAll, describe, expect, it } from "vitest";
import type { AssetView, DeviceView, Page, SiteView } from "../../shared/model/views.ts";
import { call, did, eventually, makeSite, prepare, serverType, siteDocument } from "../test-fleet.ts";

beforeAll(prepare);

const create = (name: string, more: Record<string, unknown> = {}) =>
  call<SiteView>("POST", "/v1/sites", { body: { name, locationHint: "weur", ...more } });

describe("sites", () => {
  it("are made once, with where they live fixed for good", async () => {
    const made = await create("once", { jurisdiction: "eu" });
    expect(made).toMatchObject({ status: 201, body: { name: "once", locationHint: "weur", jurisdiction: "eu" } });
    expect(await create("once", { jurisdiction: "eu" })).toMatchObject({ status: 409, body: { code: "site_exists" } });
    expect(await create("once", { jurisdiction: "us" })).toMatchObject({
      status: 409,
      body: { code: "site_frozen_field" },
    });
    expect(await create("once", { locationHint: "enam", jurisdiction: "eu" })).toMatchObject({
      status: 409,
      body: { code: "site_frozen_field" },
    });
    const imported = await call("PUT", "/v1/sites/once/document", {
      body: { ...siteDocument("once"), devices: [], hardwareClasses: [] },
    });
    expect(imported.body).toMatchObject({ code: "site_frozen_field" });
  });

  it("are found by id and by name, and listed before the read model knows them", async () => {
    const { body } = await create("named");
    expect((await call<SiteView>("GET", "/v1/sites/named")).body.id).toBe(body.id);
    expect((await call<SiteView>("GET", `/v1/sites/${body.id}`)).body.name).toBe("named");
    const { items } = await did<Page<SiteView>>("GET", "/v1/sites");
    expect(items.map((site) => site.name)).toContain("named");
    expect(await call("GET", "/v1/sites/nowhere")).toMatchObject({ status: 404, body: { code: "site_unknown" } });
  });

  it("take a site file whole, and say what it changed", async () => {
    const site = await makeSite("whole");
    expect(await did("PUT", "/v1/sites/whole/document", { body: siteDocument("whole") })).toMatchObject({
      added: 0,
      changed: 0,
      unchanged: 1,
    });
    const { items } = await did<Page<DeviceView>>("GET", `/v1/devices?site=${site.id}`);
    expect(items).toMatchObject([{ name: "node-1", state: "planned", serial: "SN-whole-1" }]);
    const [device] = items;
    expect(await did<DeviceView>("GET", `/v1/devices/${device?.id}`)).toEqual(device);
    expect(await did<DeviceView>("GET", "/v1/devices/node-1?site=whole")).toEqual(device);
    const assets = await did<Page<AssetView>>("GET", "/v1/assets?site=whole");
    expect(assets.items).toMatchObject([{ serial: "SN-whole-1", media: [{ bay: "Bay 0" }] }]);
    expect(await did("GET", `/v1/assets/${assets.items[0]?.id}`)).toEqual(assets.items[0]);
    expect(await did("GET", "/v1/devices/node-1/explain?site=whole")).toMatchObject({ device: { name: "node-1" } });
    await eventually(
      () => did<Page<DeviceView>>("GET", "/v1/devices?state=planned"),
      (page) => page.items.some((d) => d.site === site.id),
      "the read model",
    );
    expect(await did("GET", "/v1/sites/whole/document")).toMatchObject({
      name: "whole",
      devices: [{ name: "node-1" }],
    });
    const ledger = await did<{ items: { seq: number }[] }>("GET", "/v1/sites/whole/ledger");
    expect(ledger.items.map((event) => event.seq)).toEqual(ledger.items.map((_, i) => i + 1));
  });

  it("are listed with their counts as soon as the import is answered", async () => {
    await makeSite("at-once", 3);
    const { items } = await did<Page<SiteView>>("GET", "/v1/sites");
    expect(items.find((site) => site.name === "at-once")).toMatchObject({ revision: 1, racks: 1, devices: 3 });
  });

  it("are told whether a first file would be taken, before anything is made", async () => {
    const document = siteDocument("would-be");
    expect(await call("POST", "/v1/sites/check", { body: document })).toMatchObject({
      status: 200,
      body: { name: "would-be", devices: 1 },
    });
    const wrong = { ...document, devices: [...document.devices, ...document.devices] };
    expect(await call("POST", "/v1/sites/check", { body: wrong })).toMatchObject({
      status: 422,
      body: { code: "validation_failed" },
    });
    expect((await call("GET", "/v1/sites/would-be")).status).toBe(404);
  });

  it("[T4] refuse an asset or a drive that is installed in another site, and name both", async () => {
    const home = await makeSite("home");
    await eventually(
      () => did<Page<AssetView>>("GET", "/v1/assets?serial=SN-home-1"),
      (page) => page.items.some((asset) => asset.site === home.id),
      "the asset in the read model",
    );
    await did("POST", "/v1/sites", { body: { name: "away", locationHint: "weur" } });
    const document = siteDocument("away");
    const [device] = document.devices;
    const put = (changed: Record<string, unknown>, token?: string) =>
      call<{ code: string; detail: string }>("PUT", "/v1/sites/away/document", {
        body: { ...document, devices: [{ ...device, ...changed }] },
        ...(token !== undefined && { token }),
      });
    for (const [serial, changed] of [
      ["SN-home-1", { asset: { serial: "sn-HOME-1" } }],
      ["D-home-1", { media: { "Bay 0": "d-home-1" } }],
    ] as const) {
      const refused = await put(changed);
      expect(refused).toMatchObject({ status: 409, body: { code: "conflict" } });
      const first = { ...document, devices: [{ ...device, ...changed }] };
      expect(await call("POST", "/v1/sites/check", { body: first })).toMatchObject({ body: { code: "conflict" } });
      expect(refused.body.detail).toContain(`${serial} is installed in the site home`);
    }
    const { token } = await did<{ token: string }>("POST", "/v1/tokens", {
      body: { name: "away", role: "operator", sites: ["away"] },
    });
    const unnamed = await put({ asset: { serial: "SN-home-1" } }, token);
    expect(unnamed.body.detail).toContain("installed in another site");
    expect(unnamed.body.detail).not.toContain("home.");
    expect((await did<Page<DeviceView>>("GET", "/v1/devices?site=away")).items).toEqual([]);
    expect((await put({})).status).toBe(200);
  });

  it("refuse a file with faults, each with its pointer and what to write, and change nothing", async () => {
    await makeSite("faulty");
    const document = siteDocument("faulty");
    const [device] = document.devices;
    const broken = {
      ...document,
      devices: [device, { ...device, name: "node-2", u: 1 }, { ...device, name: "node-3", hardwareClass: "none" }],
    };
    const answer = await call<{ code: string; errors: { code: string; pointer: string; write?: string }[] }>(
      "PUT",
      "/v1/sites/faulty/document",
      { body: broken },
    );
    expect(answer).toMatchObject({ status: 422, body: { code: "validation_failed" } });
    expect(answer.body.errors.length).toBeGreaterThan(2);
    expect(answer.body.errors.every((fault) => fault.pointer.startsWith("/devices/"))).toBe(true);
    expect((await did<Page<DeviceView>>("GET", "/v1/devices?site=faulty")).items).toHaveLength(1);
  });
});

describe("device types", () => {
  it("are taken each by itself, reported, listed by page and shown whole", async () => {
    const answer = await did<{ imported: number; results: { name: string | null; faults: unknown[] }[] }>(
      "POST",
      "/v1/device-types",
      {
        body: { types: [serverType, { model: 5 }, { ...serverType, model: "Server 2", slug: undefined, extra: 1 }] },
      },
    );
    expect(answer).toMatchObject({ imported: 2, refused: 1 });
    expect(answer.results[1]).toMatchObject({ name: null });
    expect(answer.results[1]?.faults.length).toBeGreaterThan(0);
    const first = await did<Page<{ name: string }>>("GET", "/v1/device-types?limit=1");
    expect(first.items).toHaveLength(1);
    const second = await did<Page<{ name: string }>>(
      "GET",
      `/v1/device-types?limit=1&cursor=${encodeURIComponent(first.next ?? "")}`,
    );
    expect(second.items[0]?.name).not.toBe(first.items[0]?.name);
    expect(await did("GET", "/v1/device-types/Acme/Server%202")).toMatchObject({ model: "Server 2", extra: 1 });
    expect(await call("GET", "/v1/device-types/Acme/None")).toMatchObject({ status: 404 });
  });

  it("check says what is missing, and stores nothing", async () => {
    const checked = await did<{ gaps: unknown[] }>("POST", "/v1/device-types/check", {
      body: { type: { ...serverType, model: "Unstored", interfaces: [] } },
    });
    expect(checked.gaps.length).toBeGreaterThan(0);
    expect((await call("GET", "/v1/device-types/Acme/Unstored")).status).toBe(404);
  });
});
