/** Three servers small enough that every byte of their drives is hashed, with data on each drive that is no system's. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DEMO_IMAGE_BYTES, DEMO_IMAGE_SHA256 } from "../../../agents/simulator/demo-image.ts";
import type { ResolvedDevice, ResolvedSite } from "../../../shared/model/site.ts";
import type { PlanDevice } from "../../../workers/workflows/workflow.ts";

const MIB = 2 ** 20;
export const SITE_ID = "st_0000000000";
export const IMAGE = { name: "demo.img", sha256: DEMO_IMAGE_SHA256, sizeBytes: DEMO_IMAGE_BYTES };
const SYSTEM_BYTES = 96 * MIB;
const DATA_BYTES = 32 * MIB;

function server(n: number): ResolvedDevice {
  const mac = `02:00:00:00:01:0${n}`;
  const drive = { protocol: "SATA", mediaType: "SSD" } as const;
  const media = [
    { ...drive, bay: "Bay 0", serial: `DATA-${n}`, sizeBytes: DATA_BYTES },
    { ...drive, bay: "Bay 1", serial: `SYS-${n}`, sizeBytes: SYSTEM_BYTES },
  ];
  return {
    name: `compute-0${n}`,
    role: "compute",
    rack: "r01",
    u: n,
    uHeight: 1,
    deviceType: { manufacturer: "Acme", model: "Server 1" },
    asset: { serial: `SN-000${n}`, aliases: [], media },
    interfaces: [],
    install: {
      bmc: { address: `10.99.0.${n}`, port: 80, scheme: "http", secret: `vault:takeover/bmc/${n}` },
      boot: { interface: "eth0", mac },
      systemDrive: `SYS-${n}`,
      image: IMAGE.name,
      bom: {
        manufacturer: "Acme",
        model: "Server 1",
        cpus: { count: 2 },
        memory: { modules: 4, sizeMiBEach: 8192 },
        drives: media,
        macs: [mac],
      },
    },
  };
}

export const site: ResolvedSite = {
  name: "takeover",
  locationHint: "weur",
  jurisdiction: "none",
  racks: [{ name: "r01", heightU: 42 }],
  vlans: [],
  prefixes: [],
  images: [IMAGE],
  devices: [1, 2, 3].map(server),
  cables: [],
};

/** A server as workflows know it; ids by its number. */
export function planDevice(n: number, state: PlanDevice["state"]): PlanDevice {
  const doc = server(n);
  const { serial, aliases } = doc.asset;
  return {
    id: `dev_0000000000_${String(n).padStart(16, "0")}`,
    state,
    doc,
    asset: { id: `ast_0000000000_${String(n).padStart(16, "0")}`, state: "installed", serial, aliases },
    media: doc.asset.media.map(({ bay, serial, sizeBytes }) => ({
      id: `med_${serial}`,
      bay,
      serial,
      sizeBytes,
      state: "present",
    })),
  };
}

/** What customers keep: without it, zeros over a drive would leave it as it was. */
export function plantData(disks: string): void {
  for (const { name } of site.devices) {
    const file = openSync(join(disks, name, "Bay_0.img"), "r+");
    writeSync(file, `the data of ${name}\n`.repeat(1000), 4096);
    closeSync(file);
  }
}

/** SHA-256 of every byte of every drive, by its file. */
export function hashDisks(disks: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const entry of readdirSync(disks, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    out.set(path.slice(disks.length + 1), hashOf(path));
  }
  return out;
}

function hashOf(path: string): string {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  const chunk = Buffer.allocUnsafe(4 * MIB);
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) hash.update(chunk.subarray(0, read));
  closeSync(file);
  return hash.digest("hex");
}
