/** A machine's Redfish service as a function from request to answer. It reads the machine and tells it what was asked; nothing here waits. */
import { createHash } from "node:crypto";
import type { z } from "zod";
import type { Bom } from "../../shared/model/inventory.ts";
import type { ResolvedDevice } from "../../shared/model/site.ts";
import type { Personality } from "./personality.ts";

export interface BootOverride {
  BootSourceOverrideTarget: string;
  BootSourceOverrideEnabled: string;
  BootSourceOverrideMode: string;
}

/** What the service sees of its machine. */
export interface ServedMachine {
  readonly device: ResolvedDevice;
  readonly personality: Personality;
  /** The identity that the firmware tells; a fault may make it another than the record's. */
  readonly identity: string;
  readonly macs: readonly string[];
  power(): "On" | "Off" | "PoweringOn" | "PoweringOff";
  override(): BootOverride;
  setOverride(override: BootOverride): void;
  /** A power command; what it does shows later. */
  reset(type: string): void;
}

export interface RedfishRequest {
  method: string;
  path: string;
  headers: Record<string, string | undefined>;
  body: unknown;
}
export interface RedfishResponse {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
}

type Resource = Record<string, unknown>;

/** The resources of one machine by path, without the trailing slash. Built anew for each request: they change with the machine. */
function resources(m: ServedMachine): Map<string, () => Resource | undefined> {
  const { personality: p, device } = m;
  const bom = device.install?.bom as z.infer<typeof Bom>;
  const root = "/redfish/v1";
  const end = p.slash ? "/" : "";
  const link = (path: string) => ({ "@odata.id": path + end });
  const system = `${root}/Systems/${p.system}`;
  const chassis = `${root}/Chassis/${p.chassis}`;
  const manager = `${root}/Managers/${p.manager}`;
  const storage = `${system}/Storage/${p.storageId}`;
  const out = new Map<string, () => Resource | undefined>();
  const put = (path: string, type: string, id: string, name: string, body: () => Resource | undefined) =>
    out.set(path, () => {
      const fields = body();
      return (
        fields && {
          "@odata.id": path + end,
          "@odata.type": `#${type}.v1_0_0.${type}`,
          Id: id,
          Name: name,
          ...fields,
        }
      );
    });
  const collection = (path: string, type: string, members: readonly string[], there: () => boolean = () => true) =>
    out.set(path, () =>
      there()
        ? {
            "@odata.id": path + end,
            "@odata.type": `#${type}Collection.${type}Collection`,
            Name: `${type} Collection`,
            Members: members.map(link),
            "Members@odata.count": members.length,
          }
        : undefined,
    );

  out.set(root, () => ({
    "@odata.id": `${root}/`,
    "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot",
    Id: "RootService",
    Name: "Root Service",
    Product: p.product,
    RedfishVersion: p.redfishVersion,
    Systems: link(`${root}/Systems`),
    Chassis: link(`${root}/Chassis`),
    Managers: link(`${root}/Managers`),
    SessionService: link(`${root}/SessionService`),
    Links: { Sessions: link(`${root}/SessionService/Sessions`) },
  }));
  put(`${root}/SessionService`, "SessionService", "SessionService", "Session Service", () => ({
    ServiceEnabled: true,
    SessionTimeout: p.sessionTimeoutSeconds,
    Sessions: link(`${root}/SessionService/Sessions`),
  }));
  collection(`${root}/Systems`, "ComputerSystem", [system]);
  collection(`${root}/Chassis`, "Chassis", [chassis]);
  collection(`${root}/Managers`, "Manager", [manager]);
  // A board has a serial of its own; where the identity is the SKU it stands in SerialNumber and means nothing to us.
  const board = `CN${createHash("sha256").update(m.identity).digest("hex").slice(0, 12).toUpperCase()}`;
  put(system, "ComputerSystem", p.system, "System", () => ({
    SystemType: "Physical",
    Manufacturer: vendorText(device.deviceType.manufacturer),
    Model: device.deviceType.model,
    SKU: p.identity === "SKU" ? m.identity : "",
    SerialNumber: p.identity === "SKU" ? board : m.identity,
    AssetTag: device.asset.assetTag ?? "",
    PowerState: m.power(),
    Status: { State: m.power() === "On" ? "Enabled" : "StandbyOffline", Health: "OK" },
    Boot: {
      ...m.override(),
      "BootSourceOverrideTarget@Redfish.AllowableValues": overrideValues.BootSourceOverrideTarget,
    },
    Bios: link(`${system}/Bios`),
    ProcessorSummary: { Count: bom.cpus.count, Model: bom.cpus.model ?? "" },
    MemorySummary: { TotalSystemMemoryGiB: (bom.memory.modules * bom.memory.sizeMiBEach) / 1024 },
    Processors: link(`${system}/Processors`),
    Memory: link(`${system}/Memory`),
    Storage: link(`${system}/Storage`),
    EthernetInterfaces: link(`${system}/EthernetInterfaces`),
    Links: { Chassis: [link(chassis)], ManagedBy: [link(manager)] },
    Actions: {
      "#ComputerSystem.Reset": {
        target: `${system}/Actions/ComputerSystem.Reset${end}`,
        ...(p.actionInfo
          ? { "@Redfish.ActionInfo": `${system}/ResetActionInfo` }
          : { "ResetType@Redfish.AllowableValues": p.resetTypes }),
      },
    },
  }));
  if (p.actionInfo)
    put(`${system}/ResetActionInfo`, "ActionInfo", "ResetActionInfo", "Reset Action Info", () => ({
      Parameters: [{ Name: "ResetType", Required: true, DataType: "String", AllowableValues: p.resetTypes }],
    }));
  put(`${system}/Bios`, "Bios", "Bios", "BIOS Settings", () => ({ Attributes: { BootMode: "Uefi" } }));

  const cpus = Array.from({ length: bom.cpus.count }, (_, i) => `${system}/Processors/CPU.Socket.${i + 1}`);
  collection(`${system}/Processors`, "Processor", cpus);
  cpus.forEach((path, i) => {
    put(path, "Processor", `CPU.Socket.${i + 1}`, `CPU ${i + 1}`, () => ({
      Socket: `CPU.Socket.${i + 1}`,
      ProcessorType: "CPU",
      ...(bom.cpus.model !== undefined && { Model: bom.cpus.model }),
      ...(bom.cpus.coresEach !== undefined && { TotalCores: bom.cpus.coresEach, TotalThreads: bom.cpus.coresEach * 2 }),
      Status: { State: "Enabled", Health: "OK" },
    }));
  });
  const dimms = Array.from({ length: bom.memory.modules }, (_, i) => `${system}/Memory/DIMM.${i + 1}`);
  collection(`${system}/Memory`, "Memory", dimms);
  dimms.forEach((path, i) => {
    put(path, "Memory", `DIMM.${i + 1}`, `DIMM ${i + 1}`, () => ({
      DeviceLocator: `DIMM ${i + 1}`,
      CapacityMiB: bom.memory.sizeMiBEach,
      MemoryDeviceType: "DDR4",
      Status: { State: "Enabled", Health: "OK" },
    }));
  });
  const visible = () => !p.drivesWhenOnOnly || m.power() === "On";
  collection(`${system}/Storage`, "Storage", [storage], visible);
  const drives = device.asset.media.map((_, i) => `${storage}/Drives/${i}`);
  put(storage, "Storage", p.storageId, "Storage", () => (visible() ? { Drives: drives.map(link) } : undefined));
  device.asset.media.forEach((medium, i) => {
    put(drives[i] as string, "Drive", String(i), medium.bay, () =>
      visible()
        ? {
            SerialNumber: medium.serial,
            ...(medium.model !== undefined && { Model: medium.model }),
            CapacityBytes: medium.sizeBytes,
            Protocol: medium.protocol,
            MediaType: medium.mediaType,
            ...(p.serviceLabel && { PhysicalLocation: { PartLocation: { ServiceLabel: medium.bay } } }),
            Status: { State: "Enabled", Health: "OK" },
          }
        : undefined,
    );
  });
  const ports = m.macs.map((_, i) => `${system}/EthernetInterfaces/NIC.${i + 1}`);
  collection(`${system}/EthernetInterfaces`, "EthernetInterface", ports);
  m.macs.forEach((mac, i) => {
    put(ports[i] as string, "EthernetInterface", `NIC.${i + 1}`, `Port ${i + 1}`, () => ({
      MACAddress: mac.toUpperCase(),
      PermanentMACAddress: mac.toUpperCase(),
      LinkStatus: m.power() === "On" ? "LinkUp" : "NoLink",
      Status: { State: "Enabled", Health: "OK" },
    }));
  });
  put(chassis, "Chassis", p.chassis, "Chassis", () => ({
    ChassisType: "RackMount",
    Manufacturer: vendorText(device.deviceType.manufacturer),
    Model: device.deviceType.model,
    SerialNumber: p.identity === "SKU" ? board : m.identity,
    Links: { ComputerSystems: [link(system)], ManagedBy: [link(manager)] },
  }));
  put(manager, "Manager", p.manager, "Manager", () => ({
    ManagerType: "BMC",
    FirmwareVersion: "1.0.0",
    Links: { ManagerForServers: [link(system)], ManagerForChassis: [link(chassis)] },
  }));
  return out;
}

/** As the BMC spells its maker. */
const vendorText = (manufacturer: string): string => (/\bdell\b/i.test(manufacturer) ? "Dell Inc." : manufacturer);

export const error = (
  status: number,
  messageId: string,
  message: string,
  headers?: Record<string, string>,
): RedfishResponse => ({
  status,
  ...(headers && { headers }),
  body: {
    error: {
      code: "Base.1.8.GeneralError",
      message: "A general error has occurred. See ExtendedInfo for more information.",
      "@Message.ExtendedInfo": [
        { MessageId: messageId, Message: message, MessageSeverity: "Warning", Resolution: "None." },
      ],
    },
  },
});

/** Answers one authenticated request; sessions and the root are the server's (bmc-server.ts). */
export function answer(machine: ServedMachine, request: RedfishRequest): RedfishResponse {
  const { personality: p } = machine;
  const path = request.path.replace(/\/+$/, "");
  const system = `/redfish/v1/Systems/${p.system}`;
  if (request.method === "POST" && path === `${system}/Actions/ComputerSystem.Reset`)
    return reset(machine, request.body);
  const body = resources(machine).get(path)?.();
  if (!body) return error(404, "Base.1.8.ResourceMissingAtURI", `The resource at the URI ${path} was not found.`);
  const etag = etagOf(p, body);
  const headers: Record<string, string> = etag === undefined ? {} : { etag };
  if (request.method === "GET" || request.method === "HEAD") return { status: 200, headers, body };
  if (request.method === "PATCH" && path === system) return patchSystem(machine, request, etag);
  return error(405, "Base.1.8.OperationNotAllowed", "The HTTP method is not allowed on this resource.", {
    allow: path === system ? "GET, HEAD, PATCH" : "GET, HEAD",
  });
}

function etagOf(p: Personality, body: Resource): string | undefined {
  if (p.etag === "none") return undefined;
  const tag = `"${createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 8)}"`;
  return p.etag === "weak" ? `W/${tag}` : tag;
}

function reset(machine: ServedMachine, body: unknown): RedfishResponse {
  const type = field(body, "ResetType");
  const { resetTypes, already } = machine.personality;
  if (typeof type !== "string" || !resetTypes.includes(type)) {
    return error(
      400,
      "Base.1.8.ActionParameterNotSupported",
      "The parameter ResetType has a value that is not supported.",
    );
  }
  // What it was told last counts: a machine that is powering on can be forced off.
  const on = machine.power() === "On" || machine.power() === "PoweringOn";
  const same = on ? type === "On" || type === "ForceOn" : type === "ForceOff" || type === "GracefulShutdown";
  if (same && already !== 204)
    return error(already, "Base.1.8.InvalidOperationForSystemState", `The system is ${on ? "on" : "off"} already.`);
  if (!same) machine.reset(type);
  return { status: 204 };
}

/** What each field of the boot override may be. */
const overrideValues: Readonly<Record<keyof BootOverride, readonly string[]>> = {
  BootSourceOverrideTarget: ["None", "Pxe", "Hdd", "Cd", "UefiHttp"],
  BootSourceOverrideEnabled: ["Disabled", "Once", "Continuous"],
  BootSourceOverrideMode: ["UEFI", "Legacy"],
};

function patchSystem(machine: ServedMachine, request: RedfishRequest, etag: string | undefined): RedfishResponse {
  const { personality: p } = machine;
  const given = request.headers["if-match"];
  if (p.needsIfMatch && given === undefined)
    return error(428, "Base.1.8.PreconditionHeaderMissing", "An If-Match header is required.");
  if (given !== undefined && given !== "*" && given !== etag)
    return error(412, "Base.1.8.PreconditionFailed", "The ETag supplied did not match.");
  const boot = field(request.body, "Boot");
  if (typeof boot !== "object" || boot === null)
    return error(400, "Base.1.8.PropertyMissing", "The property Boot is required.");
  const next: BootOverride = {
    ...machine.override(),
    ...(p.fullBootPatch && { BootSourceOverrideEnabled: "Once", BootSourceOverrideMode: "Legacy" }),
  };
  for (const name of Object.keys(overrideValues) as (keyof BootOverride)[]) {
    const value = field(boot, name);
    if (value === undefined) continue;
    if (typeof value !== "string" || !overrideValues[name].includes(value)) {
      return error(
        400,
        "Base.1.8.PropertyValueNotInList",
        `The value of ${name} is not in the list of acceptable values.`,
      );
    }
    next[name] = value;
  }
  if (next.BootSourceOverrideTarget === "None") next.BootSourceOverrideEnabled = "Disabled";
  machine.setOverride(next);
  return p.slash ? { status: 200, body: { error: { code: "Base.1.8.Success", message: "Success" } } } : { status: 204 };
}

const field = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
