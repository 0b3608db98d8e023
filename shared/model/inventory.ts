import { z } from "zod";

/** What a machine is made of, as one source saw it at one time. Parts a source cannot tell are absent, not empty. */
export const Drive = z.object({
  serial: z.string(),
  model: z.string().optional(),
  /** Where it sits, in the source's words. */
  bay: z.string().optional(),
  sizeBytes: z.number().int().nonnegative().optional(),
  protocol: z.enum(["NVMe", "SATA", "SAS"]).optional(),
  mediaType: z.enum(["SSD", "HDD"]).optional(),
});
export type Drive = z.infer<typeof Drive>;

export const Observed = z.object({
  source: z.enum(["bmc", "ramdisk"]),
  manufacturer: z.string().optional(),
  model: z.string().optional(),
  /** The identity, read as the vendor gives it (Dell: SKU). */
  serial: z.string().optional(),
  cpus: z
    .array(z.object({ socket: z.string(), model: z.string().optional(), cores: z.number().int().optional() }))
    .optional(),
  memory: z.array(z.object({ slot: z.string(), sizeMiB: z.number().int(), serial: z.string().optional() })).optional(),
  drives: z.array(Drive).optional(),
  nics: z.array(z.object({ name: z.string(), mac: z.string(), linkUp: z.boolean().optional() })).optional(),
});
export type Observed = z.infer<typeof Observed>;

/** The bill of materials: device type + hardware class + the serials of the delivery note. */
export const Bom = z.object({
  manufacturer: z.string(),
  model: z.string(),
  cpus: z.object({
    count: z.number().int().positive(),
    model: z.string().optional(),
    coresEach: z.number().int().positive().optional(),
  }),
  memory: z.object({ modules: z.number().int().positive(), sizeMiBEach: z.number().int().positive() }),
  drives: z.array(
    z.object({
      bay: z.string(),
      serial: z.string(),
      model: z.string().optional(),
      sizeBytes: z.number().int().positive(),
      protocol: z.enum(["NVMe", "SATA", "SAS"]),
      mediaType: z.enum(["SSD", "HDD"]),
    }),
  ),
  /** MACs of every port that must be there; the BMC's own is not among them. */
  macs: z.array(z.string()),
});
export type Bom = z.infer<typeof Bom>;

export const Difference = z.object({ part: z.string(), expected: z.string(), found: z.string() });
export type Difference = z.infer<typeof Difference>;

/** Serials and MACs compare without case and without surrounding space (T2). */
export const sameText = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase();

/**
 * Compares what was seen with what was ordered. A section that the source did not report is no difference here (BMCs
 * leave out what they cannot read while a machine is off, T16 of the hardware notes); an extra part is one.
 */
export function compareBom(bom: Bom, seen: Observed): Difference[] {
  const out: Difference[] = [];
  const differ = (part: string, expected: string | number, found: string | number) => {
    if (String(expected) !== String(found)) out.push({ part, expected: String(expected), found: String(found) });
  };
  if (seen.cpus) {
    differ("CPU count", bom.cpus.count, seen.cpus.length);
    for (const cpu of seen.cpus) {
      if (bom.cpus.model && cpu.model && !sameText(cpu.model, bom.cpus.model))
        differ(`CPU ${cpu.socket} model`, bom.cpus.model, cpu.model);
      if (bom.cpus.coresEach && cpu.cores) differ(`CPU ${cpu.socket} cores`, bom.cpus.coresEach, cpu.cores);
    }
  }
  if (seen.memory) {
    differ("memory modules", bom.memory.modules, seen.memory.length);
    for (const dimm of seen.memory) differ(`memory ${dimm.slot} MiB`, bom.memory.sizeMiBEach, dimm.sizeMiB);
  }
  if (seen.drives) {
    for (const want of bom.drives) {
      const have = seen.drives.find((d) => sameText(d.serial, want.serial));
      if (!have) {
        differ(`drive ${want.bay}`, want.serial, "absent");
        continue;
      }
      if (have.sizeBytes !== undefined) differ(`drive ${want.bay} bytes`, want.sizeBytes, have.sizeBytes);
      if (have.protocol) differ(`drive ${want.bay} protocol`, want.protocol, have.protocol);
      if (have.mediaType) differ(`drive ${want.bay} media`, want.mediaType, have.mediaType);
    }
    for (const have of seen.drives) {
      if (!bom.drives.some((d) => sameText(d.serial, have.serial)))
        differ(`drive ${have.bay ?? "?"}`, "none", have.serial);
    }
  }
  if (seen.nics) {
    for (const mac of bom.macs) {
      if (!seen.nics.some((n) => sameText(n.mac, mac))) differ("NIC port", mac.toLowerCase(), "absent");
    }
  }
  return out;
}
