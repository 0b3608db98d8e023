import type { Random } from "../shared/deps.ts";
import { catalogOf } from "../shared/model/device-type/catalog.ts";
import type { DeviceType } from "../shared/model/device-type/device-type.ts";
import type { ResolvedSite } from "../shared/model/site.ts";
import type { Cable, Device, SiteFile } from "../shared/model/site-file/schema.ts";
import { validateSiteFile } from "../shared/model/site-file/validate.ts";
import { seeded } from "../shared/seeded.ts";

export interface MadeSite {
  document: SiteFile;
  types: DeviceType[];
}
export interface MakeSiteOptions {
  /** How many servers, up to 16,000; racks of 36 with two ToR switches and a management switch each. */
  servers: number;
  seed: number;
  name?: string;
}

const PER_RACK = 36;
const GIB = 2 ** 30;

/** A site of any size for benches and tests: the same options give the same document, and it has no fault. */
export function makeSite({ servers, seed, name = "load01" }: MakeSiteOptions): MadeSite {
  const random = seeded(seed);
  const racks = Math.max(1, Math.ceil(servers / PER_RACK));
  const devices: Device[] = [];
  const cables: Cable[] = [];
  for (let rack = 0; rack < racks; rack++) addSwitches(devices, rack, random);
  for (let n = 0; n < servers; n++) addServer(devices, cables, n, name, random);
  const document: SiteFile = {
    schema: "turnup/site/v1",
    site: { name, locationHint: "weur", jurisdiction: "none" },
    images: [{ name: "demo.img", sha256: "ab".repeat(32), sizeBytes: 64 * 2 ** 20 }],
    hardwareClasses: [hardwareClass],
    vlans: [
      { name: "management", vid: 10 },
      { name: "production", vid: 20 },
    ],
    prefixes: [
      { prefix: "10.0.0.0/16", gateway: "10.0.255.254", vlan: "management", role: "management" },
      { prefix: "10.1.0.0/16", gateway: "10.1.255.254", vlan: "production", role: "production" },
      { prefix: "fd00:1::/64", gateway: "fd00:1::ffff", vlan: "production", role: "production" },
    ],
    racks: Array.from({ length: racks }, (_, rack) => ({ name: rackName(rack), heightU: 42 })),
    devices,
    cables,
  };
  return { document, types: [serverType, switchType] };
}

/** The same site, resolved. */
export function makeResolvedSite(options: MakeSiteOptions): ResolvedSite {
  const { document, types } = makeSite(options);
  const resolved = validateSiteFile(document, catalogOf(types));
  if (!resolved.ok)
    throw new Error(`The made site has faults: ${JSON.stringify(resolved.problem.errors?.slice(0, 3))}`);
  return resolved.value;
}

const rackName = (rack: number): string => `r${String(rack + 1).padStart(3, "0")}`;
/** `n` makes it unique, the random part keeps it from being guessed by counting. */
const serialOf = (prefix: string, n: number, random: Random): string =>
  `${prefix}${n.toString(36).padStart(4, "0")}${(random.uint32() & 0xfffff).toString(36).padStart(4, "0")}`.toUpperCase();
const macOf = (n: number, port: number): string =>
  `02:${[n >>> 16, n >>> 8, n, 0, port].map((byte) => (byte & 255).toString(16).padStart(2, "0")).join(":")}`;
const v4 = (second: number, n: number): string => `10.${second}.${n >>> 8}.${n & 255}`;

function addSwitches(devices: Device[], rack: number, random: Random): void {
  ["tor-a", "tor-b", "mgmt"].forEach((role, i) => {
    devices.push({
      name: `${rackName(rack)}-${role}`,
      role: role === "mgmt" ? "management-switch" : "tor-switch",
      rack: rackName(rack),
      u: 42 - i,
      deviceType: "Acme/Switch 48",
      asset: { serial: serialOf("SW", rack * 3 + i, random) },
    });
  });
}

function addServer(devices: Device[], cables: Cable[], n: number, site: string, random: Random): void {
  const rack = rackName(Math.floor(n / PER_RACK));
  const slot = n % PER_RACK;
  const name = `node-${String(n + 1).padStart(5, "0")}`;
  // From 16 on, so that no network address is given to a host.
  const host = n + 16;
  devices.push({
    name,
    role: "compute",
    rack,
    u: slot + 1,
    hardwareClass: "compute",
    asset: { serial: serialOf("SV", n, random), assetTag: `T-${String(n + 1).padStart(6, "0")}` },
    media: { "Bay 0": serialOf("DA", n, random), "Bay 1": serialOf("DB", n, random) },
    interfaces: [
      { name: "OCP 1", mac: macOf(n, 1), addresses: [`${v4(1, host)}/16`, `fd00:1::1:${host.toString(16)}/64`] },
      { name: "OCP 2", mac: macOf(n, 2) },
    ],
    bmc: { address: v4(0, host), scheme: "http", secret: `vault:${site}/bmc/${name}`, mac: macOf(n, 0) },
  });
  const port = `Ethernet${slot + 1}`;
  cables.push(
    { a: `${name}:BMC`, b: `${rack}-mgmt:${port}` },
    { a: `${name}:OCP 1`, b: `${rack}-tor-a:${port}` },
    { a: `${name}:OCP 2`, b: `${rack}-tor-b:${port}` },
  );
}

const hardwareClass: NonNullable<SiteFile["hardwareClasses"]>[number] = {
  name: "compute",
  deviceType: "Acme/Server 1",
  cpus: { count: 2, model: "Acme CPU 32", coresEach: 32 },
  memory: { modules: 16, sizeMiBEach: 32 * 1024 },
  drives: [
    { bay: "Bay 0", sizeBytes: 1920 * GIB, protocol: "NVMe", mediaType: "SSD" },
    { bay: "Bay 1", sizeBytes: 240 * GIB, protocol: "SATA", mediaType: "SSD" },
  ],
  nics: [
    {
      bay: "OCP",
      ports: [
        { name: "OCP 1", type: "25gbase-x-sfp28" },
        { name: "OCP 2", type: "25gbase-x-sfp28" },
      ],
    },
  ],
  bootPort: "OCP 1",
  systemDrive: "Bay 1",
  image: "demo.img",
};

const serverType: DeviceType = {
  manufacturer: "Acme",
  model: "Server 1",
  slug: "acme-server-1",
  u_height: 1,
  is_full_depth: true,
  interfaces: [{ name: "BMC", type: "1000base-t", mgmt_only: true }],
  "module-bays": [{ name: "OCP", position: "OCP" }],
};

const switchType: DeviceType = {
  manufacturer: "Acme",
  model: "Switch 48",
  slug: "acme-switch-48",
  u_height: 1,
  is_full_depth: true,
  interfaces: [
    ...Array.from({ length: 48 }, (_, i) => ({ name: `Ethernet${i + 1}`, type: "25gbase-x-sfp28" })),
    { name: "Management", type: "1000base-t", mgmt_only: true },
  ],
};
