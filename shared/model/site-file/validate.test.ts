import { describe, expect, it } from "vitest";
import type { Fault } from "../../errors.ts";
import { catalogOf } from "../device-type/catalog.ts";
import type { DeviceType } from "../device-type/device-type.ts";
import { nearest } from "./nearest.ts";
import type { SiteFile } from "./schema.ts";
import { validateSiteFile } from "./validate.ts";

const base = { slug: "x", u_height: 1, is_full_depth: true };
const types: DeviceType[] = [
  {
    ...base,
    manufacturer: "Acme",
    model: "Server 1",
    u_height: 2,
    interfaces: [
      { name: "BMC", type: "1000base-t", mgmt_only: true },
      { name: "Gig-E 1", type: "1000base-t" },
    ],
    "module-bays": [{ name: "OCP" }, { name: "PCIe 1" }],
  },
  { ...base, manufacturer: "Acme", model: "Sled", interfaces: [{ name: "e0", type: "1000base-t" }] },
  {
    ...base,
    manufacturer: "Acme",
    model: "Switch 4",
    is_full_depth: false,
    interfaces: [1, 2, 3, 4].map((n) => ({ name: `Ethernet${n}`, type: "25gbase-x-sfp28" })),
  },
];

/** A site without faults, new for each test: n0 and n1 are machines, n2 is a switch. */
const site = () => ({
  schema: "turnup/site/v1",
  site: { name: "ams01", locationHint: "weur", jurisdiction: "eu" },
  images: [{ name: "demo.img", sha256: "ab".repeat(32), sizeBytes: 1000 }],
  hardwareClasses: [
    {
      name: "compute",
      deviceType: "Acme/Server 1",
      cpus: { count: 2, model: "Acme 32", coresEach: 32 },
      memory: { modules: 8, sizeMiBEach: 32768 },
      drives: [
        { bay: "Bay 0", sizeBytes: 4000, protocol: "NVMe", mediaType: "SSD", model: "Acme D" },
        { bay: "Bay 1", sizeBytes: 2000, protocol: "SATA", mediaType: "SSD" },
      ],
      nics: [{ bay: "OCP", ports: [{ name: "OCP 1", type: "25gbase-x-sfp28" }] }],
      bootPort: "OCP 1",
      systemDrive: "Bay 1",
      image: "demo.img",
    },
  ],
  vlans: [{ name: "mgmt", vid: 10 }],
  prefixes: [
    { prefix: "10.20.0.0/24", gateway: "10.20.0.1", vlan: "mgmt" },
    { prefix: "fd00:20::/64", gateway: "fd00:20::1" },
  ],
  racks: [{ name: "r01", heightU: 12 }],
  devices: [
    machine("n0", 1, "10.20.0.10"),
    machine("n1", 3, "fd00:20::10"),
    { name: "n2", role: "tor-switch", rack: "r01", u: 12, deviceType: "Acme/Switch 4", asset: { serial: "SW0" } },
  ],
  cables: [
    { a: "n0:OCP 1", b: "n2:Ethernet1" },
    { a: "n0:BMC", b: "n2:Ethernet2" },
    { a: "n1:OCP 1", b: "n2:Ethernet3" },
  ],
});
const machine = (name: string, u: number, bmc: string) => ({
  name,
  role: "compute",
  rack: "r01",
  u,
  hardwareClass: "compute",
  asset: { serial: `SN-${name}`, assetTag: `T-${name}` },
  media: { "Bay 0": `A-${name}`, "Bay 1": `B-${name}` },
  interfaces: [{ name: "OCP 1", mac: `02:00:00:00:00:${u}0`, addresses: [`10.20.0.10${u}/24`] }],
  bmc: { address: bmc, secret: `vault:ams01/bmc/${name}`, mac: `02:00:00:00:00:${u}1` },
});

const judge = (document: unknown) => validateSiteFile(document, catalogOf(types));
const faultsOf = (document: unknown): Fault[] => {
  const result = judge(document);
  return result.ok ? [] : (result.problem.errors ?? []);
};

/** Sets the value at a path; undefined takes the key away. */
function set(document: object, path: string, value: unknown): unknown {
  const parts = path.split(".");
  const last = parts.pop() ?? "";
  let at: object = document;
  for (const part of parts) at = Reflect.get(at, part);
  if (value === undefined) Reflect.deleteProperty(at, last);
  else Reflect.set(at, last, value);
  return document;
}

it("resolves a site without faults, with the bill of materials of type and class", () => {
  const result = judge(site());
  if (!result.ok) expect.fail(JSON.stringify(result.problem, null, 1));
  expect(result.value.devices[1]).toEqual({
    name: "n1",
    role: "compute",
    rack: "r01",
    u: 3,
    uHeight: 2,
    deviceType: { manufacturer: "Acme", model: "Server 1" },
    hardwareClass: "compute",
    asset: {
      serial: "SN-n1",
      assetTag: "T-n1",
      aliases: [],
      media: [
        { bay: "Bay 0", serial: "A-n1", sizeBytes: 4000, protocol: "NVMe", mediaType: "SSD", model: "Acme D" },
        { bay: "Bay 1", serial: "B-n1", sizeBytes: 2000, protocol: "SATA", mediaType: "SSD" },
      ],
    },
    interfaces: [{ name: "OCP 1", mac: "02:00:00:00:00:30", mgmtOnly: false, addresses: ["10.20.0.103/24"] }],
    install: {
      bmc: {
        address: "fd00:20::10",
        port: 443,
        scheme: "https",
        secret: "vault:ams01/bmc/n1",
        mac: "02:00:00:00:00:31",
      },
      boot: { interface: "OCP 1", mac: "02:00:00:00:00:30" },
      systemDrive: "B-n1",
      image: "demo.img",
      bom: {
        manufacturer: "Acme",
        model: "Server 1",
        cpus: { count: 2, model: "Acme 32", coresEach: 32 },
        memory: { modules: 8, sizeMiBEach: 32768 },
        drives: expect.arrayContaining([expect.objectContaining({ bay: "Bay 0", serial: "A-n1" })]),
        macs: ["02:00:00:00:00:30"],
      },
    },
  });
  expect(result.value.devices[2]).not.toHaveProperty("install");
  expect(result.value.cables[1]).toEqual({ a: { device: "n0", port: "BMC" }, b: { device: "n2", port: "Ethernet2" } });
});

it("reads labels as they are printed: capital MACs and long IPv6", () => {
  const document = set(site(), "devices.1.bmc.mac", "02:00:00:AA:BB:CC");
  set(document as object, "devices.1.bmc.address", "FD00:0020:0::0010");
  const result = judge(document);
  if (!result.ok) expect.fail(JSON.stringify(result.problem.errors));
  expect(result.value.devices[1]?.install?.bmc).toMatchObject({ mac: "02:00:00:aa:bb:cc", address: "fd00:20::10" });
});

it("takes over how much may be at work at once, and how long actions may take on a hardware class", () => {
  const document = set(site(), "atOnce", { steps: 500, actions: { "ramdisk.writeImage": 20 } });
  set(document as object, "hardwareClasses.0.deadlines", { "ramdisk.await": 2700 });
  const result = judge(document);
  if (!result.ok) expect.fail(JSON.stringify(result.problem.errors));
  expect(result.value.atOnce).toEqual({ steps: 500, actions: { "ramdisk.writeImage": 20 } });
  expect(result.value.devices[1]?.install?.deadlines).toEqual({ "ramdisk.await": 2700 });
});

/** One fault planted, one fault found: path, value, code, pointer, and what the advice must say. */
const single: [path: string, value: unknown, code: string, pointer: string, write: string | RegExp][] = [
  // Shape
  ["devices.0.rol", "x", "unknown_key", "/devices/0/rol", "role"],
  ["devices.0.bmc.password", "geheim", "unknown_key", "/devices/0/bmc/password", /vault:/],
  ["devices.0.role", undefined, "missing_key", "/devices/0/role", /^role: /],
  ["devices.0.asset", undefined, "missing_key", "/devices/0/asset", /^asset: /],
  ["devices.0.asset.serial", 1234567, "not_text", "/devices/0/asset/serial", /in quotes/],
  ["devices.0.u", "one", "wrong_type", "/devices/0/u", /a number/],
  ["devices.0.u", 0, "value_out_of_range", "/devices/0/u", "u: at least 1"],
  ["site.locationHint", "wuer", "value_not_allowed", "/site/locationHint", /^weur \(one of wnam/],
  ["schema", "turnup/site/v2", "value_not_allowed", "/schema", /turnup\/site\/v1/],
  ["devices.0", "n0", "wrong_type", "/devices/0", /a mapping/],
  // Actions
  [
    "atOnce",
    { actions: { "ramdisk.writeImages": 20 } },
    "action_unknown",
    "/atOnce/actions/ramdisk.writeImages",
    "ramdisk.writeImage",
  ],
  ["atOnce", { actions: { "bmc.power": 0 } }, "value_out_of_range", "/atOnce/actions/bmc.power", /at least 1/],
  ["atOnce", { disruptive: 5_000 }, "value_out_of_range", "/atOnce/disruptive", /at most 1000/],
  ["atOnce", { step: 1 }, "unknown_key", "/atOnce/step", "steps"],
  [
    "hardwareClasses.0.deadlines",
    { "ramdisk.wait": 2700 },
    "action_unknown",
    "/hardwareClasses/0/deadlines/ramdisk.wait",
    "ramdisk.await",
  ],
  [
    "hardwareClasses.0.deadlines",
    { "os.firstBoot": 45 },
    "value_out_of_range",
    "/hardwareClasses/0/deadlines/os.firstBoot",
    /at least 60/,
  ],
  [
    "hardwareClasses.0.deadlines",
    { "os.firstBoot": "45m" },
    "wrong_type",
    "/hardwareClasses/0/deadlines/os.firstBoot",
    /a number/,
  ],
  // Names
  ["site.name", "AMS 01", "name_malformed", "/site/name", "ams-01"],
  ["devices.2.name", "N2_", "name_malformed", "/devices/2/name", "n2"],
  ["devices.1.name", "n0", "name_duplicate", "/devices/1/name", "n1"],
  ["images.0.name", "../demo.img", "name_malformed", "/images/0/name", /ubuntu/],
  ["images.0.sha256", "AB".repeat(32), "image_sha256_malformed", "/images/0/sha256", "ab".repeat(32)],
  // Classes
  [
    "hardwareClasses.0.deviceType",
    "Acme/Servr 1",
    "device_type_unknown",
    "/hardwareClasses/0/deviceType",
    "Acme/Server 1",
  ],
  ["hardwareClasses.0.nics.0.bay", "OPC", "bay_unknown", "/hardwareClasses/0/nics/0/bay", "OCP"],
  [
    "hardwareClasses.0.nics.0.ports.0.name",
    "Gig-E 1",
    "port_duplicate",
    "/hardwareClasses/0/nics/0/ports/0/name",
    /own/,
  ],
  ["hardwareClasses.0.bmcPort", "BMX", "bmc_port_unknown", "/hardwareClasses/0/bmcPort", "one of BMC"],
  ["hardwareClasses.0.bootPort", "OCP 9", "boot_port_unknown", "/hardwareClasses/0/bootPort", "one of Gig-E 1, OCP 1"],
  [
    "hardwareClasses.0.bootPort",
    "BMC",
    "boot_port_is_management",
    "/hardwareClasses/0/bootPort",
    "one of Gig-E 1, OCP 1",
  ],
  ["hardwareClasses.0.drives.1.bay", "Bay 0", "bay_taken", "/hardwareClasses/0/drives/1/bay", /own/],
  ["hardwareClasses.0.systemDrive", "Bay 7", "system_drive_empty", "/hardwareClasses/0/systemDrive", "Bay 0"],
  ["hardwareClasses.0.image", "dmo.img", "image_unknown", "/hardwareClasses/0/image", "demo.img"],
  ["images.0.sizeBytes", 3000, "image_too_large", "/hardwareClasses/0/image", "systemDrive: one of Bay 0"],
  // Network
  ["prefixes.0.prefix", "10.20.0/24", "prefix_malformed", "/prefixes/0/prefix", /10\.20\.0\.0\/24/],
  ["prefixes.0.prefix", "10.20.0.5/24", "prefix_host_bits", "/prefixes/0/prefix", "10.20.0.0/24"],
  ["prefixes.1.prefix", "10.20.0.0/24", "prefix_duplicate", "/prefixes/1/prefix", /once/],
  ["prefixes.0.vlan", "mgnt", "vlan_unknown", "/prefixes/0/vlan", "mgmt"],
  ["prefixes.0.gateway", "10.21.0.1", "gateway_outside_prefix", "/prefixes/0/gateway", "10.20.0.1"],
  ["prefixes.0.gateway", "10.20.0.255", "gateway_not_host", "/prefixes/0/gateway", "10.20.0.1"],
  ["prefixes.1.gateway", "fd00:20::", "gateway_not_host", "/prefixes/1/gateway", "fd00:20::1"],
  ["prefixes.0.gateway", "gw", "gateway_malformed", "/prefixes/0/gateway", "10.20.0.1"],
  [
    "devices.0.bmc.address",
    "10.2.0.10",
    "address_outside_prefix",
    "/devices/0/bmc/address",
    "10.20.0.2 (in 10.20.0.0/24)",
  ],
  ["devices.0.bmc.address", "10.20.0.10/24", "address_malformed", "/devices/0/bmc/address", "10.20.0.10"],
  ["devices.0.bmc.address", "10.20.0.255", "address_not_host", "/devices/0/bmc/address", /^10\.20\.0\.2 /],
  ["devices.0.bmc.address", "10.20.0.1", "address_is_gateway", "/devices/0/bmc/address", /^10\.20\.0\.2 /],
  ["devices.1.bmc.address", "10.20.0.10", "address_duplicate", "/devices/1/bmc/address", /^10\.20\.0\.2 /],
  [
    "devices.0.interfaces.0.addresses.0",
    "10.20.0.9",
    "address_malformed",
    "/devices/0/interfaces/0/addresses/0",
    "10.20.0.9/24",
  ],
  [
    "devices.0.interfaces.0.addresses.0",
    "10.20.0.9/16",
    "address_prefix_length",
    "/devices/0/interfaces/0/addresses/0",
    "10.20.0.9/24",
  ],
  // Devices
  ["devices.0.hardwareClass", "computer", "class_unknown", "/devices/0/hardwareClass", "compute"],
  ["devices.0.deviceType", "Acme/Server 1", "class_and_type", "/devices/0/deviceType", /alone/],
  ["devices.2.deviceType", "Acme/Swich 4", "device_type_unknown", "/devices/2/deviceType", "Acme/Switch 4"],
  ["devices.2.deviceType", undefined, "class_or_type_missing", "/devices/2", /hardwareClass/],
  ["devices.1.asset.serial", "sn-N0", "serial_duplicate", "/devices/1/asset/serial", /label of n1/],
  ["devices.1.asset.aliases", ["SN-n0"], "serial_duplicate", "/devices/1/asset/aliases/0", /label of n1/],
  ["devices.1.asset.assetTag", "t-n0", "asset_tag_duplicate", "/devices/1/asset/assetTag", /tag on n1/],
  ["devices.1.asset.serial", " SN-n1", "serial_malformed", "/devices/1/asset/serial", '"SN-n1"'],
  ["devices.1.asset.serial", "To Be Filled By O.E.M.", "serial_placeholder", "/devices/1/asset/serial", /label/],
  ["devices.1.media.Bay 0", "a-N0", "media_serial_duplicate", "/devices/1/media/Bay 0", /label/],
  ["devices.1.media.Bay 0", undefined, "media_serial_missing", "/devices/1/media", /"Bay 0": "…"/],
  ["devices.1.media", undefined, "media_serial_missing", "/devices/1", /"Bay 0": "…", "Bay 1": "…"/],
  ["devices.1.media.Bay/2", "C-n1", "media_bay_unknown", "/devices/1/media/Bay~12", "Bay 0"],
  ["devices.2.media", { "Bay 0": "C-n2" }, "media_without_class", "/devices/2/media", /hardwareClass/],
  ["devices.0.interfaces.0.mac", "0200.0000.0010", "mac_malformed", "/devices/0/interfaces/0/mac", "02:00:00:00:00:10"],
  ["devices.0.interfaces.0.mac", "02:00:00:00:00:zz", "mac_malformed", "/devices/0/interfaces/0/mac", /six pairs/],
  ["devices.0.interfaces.0.mac", "01:00:00:00:00:10", "mac_not_unicast", "/devices/0/interfaces/0/mac", /port/],
  ["devices.1.bmc.mac", "02:00:00:00:00:10", "mac_duplicate", "/devices/1/bmc/mac", /n1 BMC/],
  ["devices.0.interfaces.0.mac", undefined, "boot_mac_missing", "/devices/0/interfaces/0", /"OCP 1", mac/],
  ["devices.0.interfaces", undefined, "boot_mac_missing", "/devices/0", /"OCP 1", mac/],
  ["devices.0.interfaces.1", { name: "OCP1" }, "interface_unknown", "/devices/0/interfaces/1/name", "OCP 1"],
  ["devices.0.interfaces.1", { name: "OCP 1" }, "interface_duplicate", "/devices/0/interfaces/1/name", /Gig-E 1/],
  ["devices.0.interfaces.1", { name: "BMC" }, "interface_is_bmc", "/devices/0/interfaces/1/name", /under bmc/],
  ["devices.0.bmc", undefined, "bmc_missing", "/devices/0", /secret: vault:ams01\/bmc\/n0/],
  [
    "devices.2.bmc",
    { address: "10.20.0.77", secret: "vault:a" },
    "bmc_without_class",
    "/devices/2/bmc",
    /hardwareClass/,
  ],
  // Racks
  ["devices.0.rack", "r10", "rack_unknown", "/devices/0/rack", "r01"],
  ["devices.1.u", 2, "u_overlap", "/devices/1/u", "u: 3"],
  ["devices.0.u", 12, "u_beyond_rack", "/devices/0/u", "u: 10"],
  // Cables
  ["cables.0.a", "n0", "cable_malformed", "/cables/0/a", /device:port/],
  ["cables.0.a", "m0:OCP 1", "cable_device_unknown", "/cables/0/a", "n0:OCP 1"],
  ["cables.0.b", "n2:Ethernet9", "cable_port_unknown", "/cables/0/b", "n2:Ethernet1"],
  ["cables.0.b", "n2:Ethernet3", "port_cabled_twice", "/cables/2/b", "n2: one of Ethernet1, Ethernet4"],
  ["cables.0.b", "n0:OCP 1", "port_cabled_twice", "/cables/0/b", /^n0: one of Gig-E 1$/],
];

describe("each fault has its own code, its place and its advice", () => {
  it.each(single)("%s = %j is %s", (path, value, code, pointer, write) => {
    const faults = faultsOf(set(site(), path, value)).filter((fault) => fault.code === code);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ code, pointer });
    if (typeof write === "string") expect(faults[0]?.write).toBe(write);
    else expect(faults[0]?.write).toMatch(write);
  });

  // A wrong name also takes away what others refer to; those faults are real and expected.
  const follow =
    /^(devices\.[012]\.name|prefixes\.[01]\.prefix|devices\.0|images\.0\.name|hardwareClasses\.0\.(drives|nics).*)$/;
  it.each(single.filter(([path]) => !follow.test(path)))("%s = %j draws no second verdict", (path, value) => {
    expect(faultsOf(set(site(), path, value))).toHaveLength(1);
  });
});

it("asks for the BMC port where the type marks none", () => {
  const document = set(site(), "hardwareClasses.0.deviceType", "Acme/Sled");
  expect(faultsOf(document)).toContainEqual(
    expect.objectContaining({ code: "bmc_port_missing", write: "bmcPort: one of e0, OCP 1" }),
  );
});

it("believes the class about bays where the type lists none", () => {
  const document = set(site(), "hardwareClasses.0.deviceType", "Acme/Sled") as object;
  set(document, "hardwareClasses.0.bmcPort", "e0");
  set(document, "cables", []);
  expect(faultsOf(document)).toEqual([]);
});

it("lets half-depth gear share a unit, front and rear", () => {
  const rear = {
    name: "n3",
    role: "x",
    rack: "r01",
    u: 12,
    face: "rear",
    deviceType: "Acme/Switch 4",
    asset: { serial: "SW1" },
  };
  expect(faultsOf(set(site(), "devices.3", rear))).toEqual([]);
  expect(faultsOf(set(site(), "devices.3", { ...rear, face: "front" }))).toMatchObject([{ code: "u_overlap" }]);
});

it("keeps the gateway that it proposes from being proposed to a device", () => {
  const document = set(site(), "prefixes.0.gateway", "10.2.0.1") as object;
  set(document, "devices.0.bmc.address", "10.2.0.10");
  expect(faultsOf(document).map((fault) => fault.write)).toEqual(["10.20.0.1", "10.20.0.2 (in 10.20.0.0/24)"]);
});

it("takes a name that goes on after a separator for the one that is meant", () => {
  expect(nearest("Ethernet49", ["Ethernet4", "Ethernet48", "Ethernet49/1", "Ethernet490"])).toBe("Ethernet49/1");
  expect(nearest("r1", ["r10", "r2"])).toBe("r10");
  expect(nearest("", ["-"])).toBe("-");
});

it("proposes each free unit and each free address once", () => {
  const document = site() as SiteFile;
  for (const device of document.devices.slice(0, 2)) {
    device.u = 12;
    if (device.bmc) device.bmc.address = "10.99.0.1";
  }
  const writes = faultsOf(document).map((fault) => fault.write);
  expect(new Set(writes).size).toBe(writes.length);
});

it("finds every fault at once, whatever else is wrong", () => {
  const document = site() as object;
  set(document, "devices.0.u", "one");
  set(document, "devices.0.colour", "red");
  set(document, "devices.0.asset.serial", "SN-n1");
  set(document, "devices.1.interfaces.0.mac", "02-00-00-00-00-10");
  set(document, "cables.1.b", "n2:Ethernet7");
  set(document, "prefixes.1.gateway", "fd00:21::1");
  expect(
    faultsOf(document)
      .map((fault) => fault.code)
      .sort(),
  ).toEqual([
    "cable_port_unknown",
    "gateway_outside_prefix",
    "mac_malformed",
    "serial_duplicate",
    "unknown_key",
    "wrong_type",
  ]);
});

it("[A7] repeats nothing that stands where a secret reference belongs", () => {
  for (const secret of ["hunter2", 31337, { user: "root", password: "hunter2" }]) {
    const result = judge(set(site(), "devices.0.bmc.secret", secret));
    expect(result.ok).toBe(false);
    expect(JSON.stringify(result)).not.toMatch(/hunter2|31337/);
  }
});

it.each([null, 3, "text", [], {}, { devices: 7 }, { devices: [null] }])(
  "[S4] refuses %j with faults, not with an exception",
  (document) => {
    expect(faultsOf(document).length).toBeGreaterThan(0);
  },
);

it("[S4] lists a thousand faults and counts the rest", () => {
  const document = site();
  document.cables = Array.from({ length: 1500 }, () => ({ a: "nobody:a", b: "nobody:b" }));
  const result = judge(document);
  expect(result).toMatchObject({
    ok: false,
    problem: { detail: "The site file has 3000 faults, of which the first 1000 are listed." },
  });
  expect(faultsOf(document)).toHaveLength(1000);
});
