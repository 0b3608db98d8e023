import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { DEMO_IMAGE_BYTES, DEMO_IMAGE_SHA256 } from "../../agents/simulator/demo-image.ts";
import { readSiteFile } from "../../cli/input/site-file.ts";
import type { ResolvedDevice, ResolvedSite } from "../../shared/model/site.ts";

const FILE = join(import.meta.dirname, "ams01.yaml");
const GB = 10 ** 9;

let site: ResolvedSite;
let servers: (ResolvedDevice & { install: NonNullable<ResolvedDevice["install"]> })[];
beforeAll(async () => {
  const read = await readSiteFile(FILE);
  if (!read.ok) expect.fail(JSON.stringify(read.faults, null, 1));
  site = read.value.site;
  servers = site.devices.flatMap((device) => (device.install ? [{ ...device, install: device.install }] : []));
});

const isIPv6 = (address: string) => address.includes(":");

it("names the schema of its format where it is published", () => {
  const first = readFileSync(FILE, "utf8").split("\n", 1)[0] ?? "";
  const schema = /^# yaml-language-server: \$schema=(.+)$/.exec(first)?.[1] ?? expect.fail(first);
  expect(resolve(import.meta.dirname, schema)).toBe(join(import.meta.dirname, "../../docs/schema/site-v1.json"));
});

it("has two racks, three switches and 24 servers of at least four types and two makers", () => {
  expect(site.racks).toHaveLength(2);
  expect(servers).toHaveLength(24);
  expect(site.devices.length - servers.length).toBe(3);
  expect(new Set(servers.map(({ deviceType }) => deviceType.model)).size).toBeGreaterThanOrEqual(4);
  expect(new Set(servers.map(({ deviceType }) => deviceType.manufacturer)).size).toBeGreaterThanOrEqual(2);
  expect(new Set(servers.map(({ rack }) => rack)).size).toBe(2);
});

it("has both address families, and a management network with IPv6 only", () => {
  const families = (role: string) =>
    new Set(site.prefixes.filter((one) => one.role === role).map(({ prefix }) => isIPv6(prefix)));
  expect(families("production")).toEqual(new Set([true, false]));
  const vlans = Map.groupBy(site.prefixes, ({ vlan }) => vlan);
  const only6 = [...vlans.values()].filter((list) =>
    list.every(({ prefix, role }) => isIPv6(prefix) && role === "management"),
  );
  expect(only6).toHaveLength(1);
  const bmcs = servers.map(({ install }) => install.bmc.address);
  expect(bmcs.filter(isIPv6).length).toBeGreaterThanOrEqual(6);
  expect(bmcs.filter((address) => !isIPv6(address)).length).toBeGreaterThanOrEqual(6);
  for (const { name, interfaces } of servers) {
    const addresses = interfaces.flatMap((one) => one.addresses);
    expect([addresses.some(isIPv6), addresses.some((one) => !isIPv6(one))], name).toEqual([true, true]);
  }
});

it("installs the demo image, byte for byte", () => {
  expect(site.images).toEqual([{ name: "demo.img", sha256: DEMO_IMAGE_SHA256, sizeBytes: DEMO_IMAGE_BYTES }]);
  expect(new Set(servers.map(({ install }) => install.image))).toEqual(new Set(["demo.img"]));
});

describe("the drive that takes the image", () => {
  const systemDrive = ({ install }: (typeof servers)[number]) =>
    install.bom.drives.findIndex(({ serial }) => serial === install.systemDrive);

  it("is as large as real ones", () => {
    for (const server of servers) {
      expect(server.install.bom.drives[systemDrive(server)]?.sizeBytes, server.name).toBeGreaterThanOrEqual(240 * GB);
    }
  });

  it("is not the first one everywhere, so that whoever takes the first one errs", () => {
    expect(servers.filter((server) => systemDrive(server) > 0).length).toBeGreaterThan(0);
    expect(servers.filter((server) => systemDrive(server) === 0).length).toBeGreaterThan(0);
  });
});

it("cables of every server the BMC, the boot port and a second port, each to a switch of its own", () => {
  for (const { name, install, hardwareClass } of servers) {
    const ends = site.cables.flatMap(({ a, b }) => (a.device === name ? [[a.port, b.device]] : []));
    expect(ends, name).toHaveLength(3);
    expect(new Set(ends.map(([, to]) => to)), name).toEqual(new Set(["mgmt-sw", "tor-a", "tor-b"]));
    expect(ends, `${name} (${hardwareClass})`).toContainEqual([install.boot.interface, "tor-a"]);
  }
});

it("gives the bill of materials of class, type and delivery", () => {
  const { install, hardwareClass } = servers.find(({ name }) => name === "compute-01") ?? expect.fail("no compute-01");
  expect(hardwareClass).toBe("compute-r650");
  expect(install.systemDrive).toBe("PHYGSRJJNZ2NNR");
  expect(install.bom).toEqual({
    manufacturer: "Dell",
    model: "PowerEdge R650",
    cpus: { count: 2, model: "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", coresEach: 32 },
    memory: { modules: 16, sizeMiBEach: 32768 },
    drives: [
      expect.objectContaining({ bay: "Bay 0", serial: "S64GNE0RX9HBRR", protocol: "NVMe", sizeBytes: 3840755982336 }),
      expect.objectContaining({ bay: "Bay 1", serial: "S64GNE0RDFGNTX", protocol: "NVMe", sizeBytes: 3840755982336 }),
      expect.objectContaining({ bay: "Bay 2", serial: "PHYGSRJJNZ2NNR", protocol: "SATA", sizeBytes: 480103981056 }),
    ],
    macs: ["bc:97:e1:11:a4:40", "bc:97:e1:11:a4:41"],
  });
});
