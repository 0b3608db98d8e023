/** The site that every run begins with: a few servers, one small image. */
import { createHash } from "node:crypto";
import type { ResolvedDevice, ResolvedSite } from "../../shared/model/site.ts";

export const SITE = { id: "st_5s1mu1at10", name: "sim01" };
export const SITE_KEY = SITE.id.slice(3);

/** Small: its bytes are really fetched by ranges and hashed, and their number proves nothing more. */
export const IMAGE_BYTES = Buffer.from("turnup simulation image ".repeat(40));
export const IMAGE = {
  name: "sim.img",
  sha256: createHash("sha256").update(IMAGE_BYTES).digest("hex"),
  sizeBytes: IMAGE_BYTES.length,
};

const DRIVE_BYTES = 480e9;

export function device(n: number): ResolvedDevice {
  const mac = `02:00:00:00:00:${n.toString(16).padStart(2, "0")}`;
  const media = ["Bay 0", "Bay 1"].map((bay, i) => ({
    bay,
    serial: `DRV${n}-${i}`,
    sizeBytes: DRIVE_BYTES,
    protocol: "SATA" as const,
    mediaType: "SSD" as const,
  }));
  return {
    name: `srv${n}`,
    role: "compute",
    rack: "r1",
    u: 1 + n,
    uHeight: 1,
    deviceType: { manufacturer: "Example", model: "One" },
    hardwareClass: "one",
    asset: { serial: `SN${n}`, aliases: [], media },
    interfaces: [{ name: "eth0", mac, mgmtOnly: false, addresses: [] }],
    install: {
      bmc: { address: `10.0.0.${n}`, port: 80, scheme: "http", secret: `vault:sim01/bmc/${n}` },
      boot: { interface: "eth0", mac },
      systemDrive: `DRV${n}-1`,
      image: IMAGE.name,
      bom: {
        manufacturer: "Example",
        model: "One",
        cpus: { count: 2 },
        memory: { modules: 2, sizeMiBEach: 16384 },
        drives: media,
        macs: [mac],
      },
    },
  };
}

export function siteOf(servers: number): ResolvedSite {
  return {
    name: SITE.name,
    locationHint: "weur",
    jurisdiction: "none",
    racks: [{ name: "r1", heightU: 42 }],
    vlans: [],
    prefixes: [],
    images: [IMAGE],
    devices: Array.from({ length: servers }, (_, n) => device(n + 1)),
    cables: [],
  };
}
