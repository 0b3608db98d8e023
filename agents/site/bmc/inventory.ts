import { z } from "zod";
import type { Drive, Observed } from "../../../shared/model/inventory.ts";
import { realText } from "./quirks.ts";
import { type Bmc, Link, loose, members, readOptional, type SystemView } from "./redfish.ts";

const text = loose(z.string());
const number = loose(z.number());
const Status = loose(z.object({ State: text }));

const Processor = z.object({ Id: text, Socket: text, ProcessorType: text, Model: text, TotalCores: number, Status });
const Dimm = z.object({ Id: text, DeviceLocator: text, CapacityMiB: number, SerialNumber: text, Status });
const StorageUnit = z.object({ Drives: loose(z.array(Link)) });
const DriveBody = z.object({
  Id: text,
  Name: text,
  SerialNumber: text,
  Model: text,
  CapacityBytes: number,
  Protocol: text,
  MediaType: text,
  PhysicalLocation: loose(z.object({ PartLocation: loose(z.object({ ServiceLabel: text })) })),
  Status,
});
const Simple = z.object({
  Devices: loose(z.array(z.object({ Name: text, Model: text, CapacityBytes: number, SerialNumber: text, Status }))),
});
const Port = z.object({ Id: text, Name: text, MACAddress: text, PermanentMACAddress: text, LinkStatus: text });

/** The parts of one collection; undefined where the BMC has none to tell, or only when the machine is on (T16). */
async function parts<T extends z.ZodType>(
  bmc: Bmc,
  system: SystemView,
  link: z.infer<typeof Link> | null | undefined,
  type: T,
): Promise<z.infer<T>[] | undefined> {
  const paths = link ? await members(bmc, link["@odata.id"]) : undefined;
  if (paths === undefined || (paths.length === 0 && system.power !== "On")) return undefined;
  const out: z.infer<T>[] = [];
  for (const path of paths) {
    const parsed = type.safeParse(await readOptional(bmc, path));
    if (parsed.success) out.push(parsed.data);
  }
  return out;
}

const present = (part: { Status?: { State?: string | null | undefined } | null | undefined }): boolean =>
  part.Status?.State !== "Absent";
const oneOf = <T extends string>(value: string | null | undefined, allowed: readonly T[]): T | undefined =>
  allowed.find((a) => a === value);

async function readDrives(bmc: Bmc, system: SystemView): Promise<Drive[] | undefined> {
  const units = await parts(bmc, system, system.raw.Storage, StorageUnit);
  const links = new Set(units?.flatMap((u) => u.Drives ?? []).map((l) => l["@odata.id"]));
  const out: Drive[] = [];
  for (const link of links) {
    const parsed = DriveBody.safeParse(await readOptional(bmc, link));
    const serial = realText(parsed.data?.SerialNumber);
    if (!parsed.success || serial === undefined || !present(parsed.data)) continue;
    const d = parsed.data;
    const bay = d.PhysicalLocation?.PartLocation?.ServiceLabel ?? d.Name ?? d.Id;
    const protocol = oneOf(d.Protocol, ["NVMe", "SATA", "SAS"]);
    const mediaType = oneOf(d.MediaType, ["SSD", "HDD"]);
    out.push({
      serial,
      ...(d.Model && { model: d.Model }),
      ...(bay && { bay }),
      ...(d.CapacityBytes && { sizeBytes: d.CapacityBytes }),
      ...(protocol && { protocol }),
      ...(mediaType && { mediaType }),
    });
  }
  if (out.length > 0) return out;
  const simple = await parts(bmc, system, system.raw.SimpleStorage, Simple);
  for (const d of simple?.flatMap((s) => s.Devices ?? []).filter(present) ?? []) {
    const serial = realText(d.SerialNumber);
    if (serial !== undefined)
      out.push({
        serial,
        ...(d.Name && { bay: d.Name }),
        ...(d.CapacityBytes && { sizeBytes: d.CapacityBytes }),
      });
  }
  // No drive at all from a BMC is more often a BMC that cannot see them than a machine without one.
  return out.length > 0 ? out : undefined;
}

/** What the BMC tells of the machine's parts; a section that it does not tell is absent. */
export async function readInventory(bmc: Bmc, system: SystemView): Promise<Observed> {
  const { raw } = system;
  const cpus = (await parts(bmc, system, raw.Processors, Processor))?.filter(
    (p) => present(p) && (!p.ProcessorType || p.ProcessorType === "CPU"),
  );
  const memory = (await parts(bmc, system, raw.Memory, Dimm))?.filter((m) => present(m) && (m.CapacityMiB ?? 0) > 0);
  const drives = await readDrives(bmc, system);
  const nics = (await parts(bmc, system, raw.EthernetInterfaces, Port))?.flatMap((port) => {
    // T18: empty and all-zero addresses are none; the permanent one is what was delivered.
    const mac = realText(port.PermanentMACAddress) ?? realText(port.MACAddress);
    if (mac === undefined || /^[0:-]+$/.test(mac)) return [];
    return [
      {
        name: port.Id ?? port.Name ?? mac,
        mac: mac.toLowerCase().replaceAll("-", ":"),
        ...(port.LinkStatus && { linkUp: port.LinkStatus === "LinkUp" }),
      },
    ];
  });
  return {
    source: "bmc",
    ...(system.manufacturer && { manufacturer: system.manufacturer }),
    ...(system.model && { model: system.model }),
    ...(system.serial && { serial: system.serial }),
    ...(cpus &&
      cpus.length > 0 && {
        cpus: cpus.map((p, i) => ({
          socket: p.Socket || p.Id || String(i),
          ...(p.Model && { model: p.Model }),
          ...(p.TotalCores && { cores: p.TotalCores }),
        })),
      }),
    ...(memory &&
      memory.length > 0 && {
        memory: memory.map((m, i) => ({
          slot: m.DeviceLocator || m.Id || String(i),
          sizeMiB: m.CapacityMiB ?? 0,
          ...(realText(m.SerialNumber) && { serial: realText(m.SerialNumber) }),
        })),
      }),
    ...(drives && { drives }),
    ...(nics && nics.length > 0 && { nics }),
  };
}
