import type { Bom } from "../inventory.ts";
import type { ResolvedDevice, ResolvedSite } from "../site.ts";
import { parseAddress, parseCidr } from "./address.ts";
import { parseEnd } from "./cables.ts";
import type { ClassDraft, DeviceDraft } from "./draft.ts";
import { parseMac } from "./mac.ts";
import type { SiteFile } from "./schema.ts";

/** Builds the resolved site of a file without faults; anything missing here is a defect of the checks, and throws. */
export function resolveSite(file: SiteFile, devices: readonly DeviceDraft[]): ResolvedSite {
  return {
    name: file.site.name,
    locationHint: file.site.locationHint,
    jurisdiction: file.site.jurisdiction,
    racks: file.racks,
    vlans: file.vlans ?? [],
    prefixes: (file.prefixes ?? []).map((entry) => ({
      ...entry,
      prefix: cidrOf(entry.prefix),
      ...(entry.gateway === undefined ? {} : { gateway: addressOf(entry.gateway) }),
    })),
    images: file.images ?? [],
    ...(file.atOnce === undefined ? {} : { atOnce: file.atOnce }),
    devices: devices.map(resolveDevice),
    cables: (file.cables ?? []).map(({ a, b }) => ({ a: must(parseEnd(a), a), b: must(parseEnd(b), b) })),
  };
}

function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`The site file passed every check, and yet "${what}" cannot be resolved.`);
  return value;
}

const addressOf = (text: string): string => must(parseAddress(text), text).text;
const macOf = (text: string): string => must(parseMac(text), text);
const cidrOf = (text: string): string => {
  const { address, length } = must(parseCidr(text), text);
  return `${address.text}/${length}`;
};

function resolveDevice(device: DeviceDraft): ResolvedDevice {
  const { entry, label } = device;
  const type = must(device.type, `${label} type`);
  const ports = must(device.ports, `${label} ports`);
  const media = device.class?.entry.drives.map((drive) => ({
    ...drive,
    serial: must(entry.media?.[drive.bay], `${label} ${drive.bay}`),
  }));
  const interfaces: ResolvedDevice["interfaces"] = (entry.interfaces ?? []).map(({ name, mac, addresses }) => ({
    name,
    ...(mac === undefined ? {} : { mac: macOf(mac) }),
    mgmtOnly: ports.get(name)?.mgmtOnly ?? false,
    addresses: (addresses ?? []).map(cidrOf),
  }));
  const resolved: ResolvedDevice = {
    name: entry.name,
    role: entry.role,
    rack: entry.rack,
    u: entry.u,
    uHeight: type.u_height,
    deviceType: { manufacturer: type.manufacturer, model: type.model },
    asset: {
      serial: entry.asset.serial,
      aliases: entry.asset.aliases ?? [],
      ...(entry.asset.assetTag === undefined ? {} : { assetTag: entry.asset.assetTag }),
      media: media ?? [],
    },
    interfaces,
  };
  if (!device.class) return resolved;
  return { ...resolved, hardwareClass: device.class.entry.name, install: installOf(device, device.class, resolved) };
}

function installOf(
  { entry, label, ports }: DeviceDraft,
  hardware: ClassDraft,
  { asset, interfaces, deviceType }: ResolvedDevice,
): NonNullable<ResolvedDevice["install"]> {
  const { bootPort, systemDrive, image, cpus, memory, deadlines } = hardware.entry;
  const bmc = must(entry.bmc, `${label} bmc`);
  const scheme = bmc.scheme ?? "https";
  const bom: Bom = {
    ...deviceType,
    cpus,
    memory,
    drives: asset.media,
    // A shared management port is the BMC's too and may not be listed among what the host sees.
    macs: interfaces.flatMap((one) => (one.mac === undefined || ports?.get(one.name)?.mgmtOnly ? [] : [one.mac])),
  };
  return {
    bmc: {
      address: addressOf(bmc.address),
      port: bmc.port ?? (scheme === "https" ? 443 : 80),
      scheme,
      secret: bmc.secret,
      ...(bmc.mac === undefined ? {} : { mac: macOf(bmc.mac) }),
    },
    boot: { interface: bootPort, mac: must(interfaces.find((one) => one.name === bootPort)?.mac, `${label} boot MAC`) },
    systemDrive: must(asset.media.find((medium) => medium.bay === systemDrive)?.serial, `${label} ${systemDrive}`),
    image,
    bom,
    ...(deadlines === undefined ? {} : { deadlines }),
  };
}
