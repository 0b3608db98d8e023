import { bayNames, type DeviceType } from "./device-type.ts";

/**
 * Something between this type and an install. `blocks`: no hardware class can mend it. `class`: the hardware class of
 * the site file must say it. `note`: it works, yet a fact is poorer than it could be.
 */
export interface Gap {
  level: "blocks" | "class" | "note";
  code: string;
  text: string;
  write: string;
}

/** What is missing in the type before a machine of it could be installed, in the order of a hardware class. */
export function checkInstallable(type: DeviceType): Gap[] {
  const other = notAMachine(type);
  if (other.length > 0) return other;
  return [...placement(type), ...managementPort(type), ...bootPort(type), ...bays(type), ...parts(), ...power(type)];
}

const blocked = (code: string, text: string, write: string): Gap => ({ level: "blocks", code, text, write });
const fromClass = (code: string, text: string, write: string): Gap => ({ level: "class", code, text, write });
const note = (code: string, text: string, write: string): Gap => ({ level: "note", code, text, write });

/** Servers come with up to 8 ports on the board and take the rest in modules; NetBox itself has no mark for what it is. */
const NETWORK_GEAR_PORTS = 12;

/** Gear that has its place in a site and nothing to install. */
function notAMachine(type: DeviceType): Gap[] {
  const write = "deviceType: in the device's entry, and no hardwareClass";
  const outlets = type["power-outlets"]?.length ?? 0;
  if (outlets > 0) return [blocked("not_a_machine", `it has ${outlets} power outlets: power distribution`, write)];
  const ports = (type.interfaces ?? []).filter((port) => !port.mgmt_only && port.type !== "virtual").length;
  if (ports < NETWORK_GEAR_PORTS) return [];
  return [blocked("network_gear", `it has ${ports} network ports`, write)];
}

function placement(type: DeviceType): Gap[] {
  if (type.subdevice_role === "child" || type.u_height === 0) {
    return [
      blocked("no_place", "it fills no rack unit of its own (u_height 0)", "the type of a machine with a height"),
    ];
  }
  return [];
}

function managementPort(type: DeviceType): Gap[] {
  const names = managementPorts(type).map((port) => port.name);
  if (names.length === 1) return [];
  if (names.length > 1) {
    const list = names.join(", ");
    return [
      fromClass("management_port_ambiguous", `${names.length} management ports (${list})`, "bmcPort: one of them"),
    ];
  }
  const ports = (type.interfaces ?? []).map((port) => port.name);
  const write =
    ports.length > 0 ? `bmcPort: one of ${ports.join(", ")}` : "ports: [{name: BMC, type: 1000base-t}], bmcPort: BMC";
  return [fromClass("management_port_missing", "no interface is marked mgmt_only", write)];
}

const managementPorts = (type: DeviceType) => (type.interfaces ?? []).filter((port) => port.mgmt_only);

function bootPort(type: DeviceType): Gap[] {
  const ports = (type.interfaces ?? []).filter((port) => !port.mgmt_only).map((port) => port.name);
  if (ports.length > 0) return [fromClass("boot_port_open", "which port boots", `bootPort: one of ${few(ports)}`)];
  return [
    fromClass(
      "boot_port_missing",
      "no network port of its own",
      "nics: a module with its ports; bootPort: one of them",
    ),
  ];
}

function bays(type: DeviceType): Gap[] {
  if (bayNames(type).length > 0) return [];
  return [
    note(
      "bays_missing",
      "no module bays are listed",
      "nics[].bay: the slot as printed on the chassis; it is not checked",
    ),
  ];
}

function parts(): Gap[] {
  return [
    fromClass("parts_missing", "CPUs, memory and drives", "cpus, memory, drives and systemDrive in the hardware class"),
  ];
}

function power(type: DeviceType): Gap[] {
  if (type["power-ports"]?.some((port) => port.maximum_draw !== undefined)) return [];
  return [note("power_unknown", "no power port with maximum_draw", "power budgets cannot count this machine")];
}

const few = (names: string[]): string => (names.length > 6 ? `${names.slice(0, 6).join(", ")}, …` : names.join(", "));
