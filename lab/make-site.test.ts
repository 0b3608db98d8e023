import { expect, it } from "vitest";
import { canonicalJson } from "../shared/canonical.ts";
import { makeResolvedSite, makeSite } from "./make-site.ts";

it.each([0, 1, 10, 36, 37, 1000])("makes a site of %i servers without a fault", (servers) => {
  const site = makeResolvedSite({ servers, seed: 7 });
  expect(site.devices.filter((device) => device.install)).toHaveLength(servers);
  expect(site.cables).toHaveLength(servers * 3);
});

it("makes the same from the same seed and other serials from another", () => {
  const text = (seed: number) => canonicalJson(makeSite({ servers: 40, seed }).document);
  expect(text(3)).toBe(text(3));
  expect(text(3)).not.toBe(text(4));
});

it("stays near linear: ten thousand servers are judged whole", () => {
  const site = makeResolvedSite({ servers: 10_000, seed: 1 });
  expect(new Set(site.devices.map((device) => device.asset.serial)).size).toBe(site.devices.length);
});
