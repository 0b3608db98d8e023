import { createHash } from "node:crypto";
import type { ResolvedDevice, ResolvedSite } from "../../../shared/model/site.ts";

const MIB = 1 << 20;

/** Twelve MiB with a partition table: small enough to be written often, large enough for several chunks. */
export const imageBytes: Buffer = (() => {
  const bytes = Buffer.alloc(12 * MIB + 4096, 0x5a);
  bytes.writeUInt16LE(0xaa55, 510);
  bytes.write("EFI PART", 512, "latin1");
  // The backup of the partition table, in the last sector, where the first says it is.
  const last = bytes.length / 512 - 1;
  bytes.writeBigUInt64LE(BigInt(last), 512 + 32);
  bytes.write("EFI PART", last * 512, "latin1");
  return bytes;
})();
export const image = {
  name: "demo.img",
  sha256: createHash("sha256").update(imageBytes).digest("hex"),
  sizeBytes: imageBytes.length,
};

export const secret = (n: number): string => `vault:t/bmc/${n}`;
export const user = { username: "root", password: "a-word-for-tests" };

export function testDevice(n: number, manufacturer = "Acme", bmcAddress = `10.20.0.${n}`): ResolvedDevice {
  const drive = (bay: string, serial: string) =>
    ({ bay, serial, sizeBytes: 512 * MIB, protocol: "SATA", mediaType: "SSD" }) as const;
  const media = [drive("Bay 1", `DATA-${n}`), drive("Bay 2", `SYS-${n}`)];
  const mac = `3c:ec:ef:00:10:${String(n).padStart(2, "0")}`;
  const macs = [mac, mac.replace("3c:", "3e:")];
  return {
    name: `r01u${String(n).padStart(2, "0")}`,
    role: "compute",
    rack: "r01",
    u: n,
    uHeight: 1,
    deviceType: { manufacturer, model: "Box 1" },
    asset: { serial: `SN-${n}`, aliases: [], media },
    interfaces: [],
    install: {
      bmc: { address: bmcAddress, port: 80, scheme: "http", secret: secret(n) },
      boot: { interface: "eth0", mac },
      systemDrive: `SYS-${n}`,
      image: image.name,
      bom: {
        manufacturer,
        model: "Box 1",
        cpus: { count: 2 },
        memory: { modules: 4, sizeMiBEach: 8192 },
        drives: [],
        macs,
      },
    },
  };
}

export const testSite = (devices: ResolvedDevice[]): ResolvedSite => ({
  name: "t01",
  locationHint: "weur",
  jurisdiction: "none",
  racks: [{ name: "r01", heightU: 42 }],
  vlans: [],
  prefixes: [],
  images: [image],
  devices,
  cables: [],
});

export const secretsOf = (devices: readonly ResolvedDevice[]): Record<string, typeof user> =>
  Object.fromEntries(devices.map((d) => [d.install?.bmc.secret ?? "", user]));
