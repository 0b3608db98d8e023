import { bayNames, type DeviceType } from "../device-type/device-type.ts";
import { Claims, type ClassDraft, type Draft, type Port, portList } from "./draft.ts";
import { checkNames } from "./names.ts";
import { instead, oneOf } from "./nearest.ts";
import { checkActions } from "./per-action.ts";
import { driveBayForm, type HardwareClass } from "./schema.ts";

/** Judges the hardware classes and resolves each to its type and all its ports. */
export function checkClasses(draft: Draft, images: ReadonlyMap<string, number>): Map<string, ClassDraft> {
  const { file, faults } = draft;
  const entries = file.hardwareClasses ?? [];
  checkNames(entries, "/hardwareClasses", faults);
  const classes = new Map<string, ClassDraft>();
  entries.forEach((entry, i) => {
    const pointer = `/hardwareClasses/${i}`;
    const type = findType(draft, entry.deviceType, `${pointer}/deviceType`);
    const resolved: ClassDraft = { entry, pointer, type, ports: undefined, bmcPort: undefined, bootPort: undefined };
    resolved.ports = type && portsOf(draft, entry, pointer, type);
    checkBmcPort(draft, resolved);
    checkBootPort(draft, resolved);
    checkDrives(draft, resolved, images);
    checkActions(entry.deadlines, `${pointer}/deadlines`, faults);
    if (!classes.has(entry.name) && !faults.broken(`${pointer}/name`)) classes.set(entry.name, resolved);
  });
  return classes;
}

/** The device type of this name; else a fault with the nearest known one, unless the type may be in a lost library. */
export function findType(
  { types, faults, typesIncomplete }: Draft,
  name: string,
  pointer: string,
): DeviceType | undefined {
  if (faults.broken(pointer)) return undefined;
  const type = types.get(name);
  if (!type && !typesIncomplete) {
    const write =
      types.names().length > 0 ? instead(name, types.names()) : "a type of a folder named in deviceTypeLibrary";
    faults.add("device_type_unknown", pointer, `the device type "${name}" is not in the library`, write);
  }
  return type;
}

/** Interfaces of the type, as the type has them. */
export function portsOfType(type: DeviceType): Map<string, Port> {
  const ports = new Map<string, Port>();
  for (const { name, mgmt_only } of type.interfaces ?? []) {
    if (!ports.has(name)) ports.set(name, { name, mgmtOnly: mgmt_only ?? false });
  }
  return ports;
}

function portsOf({ faults }: Draft, entry: HardwareClass, at: string, type: DeviceType): Map<string, Port> {
  const ports = portsOfType(type);
  const add = (name: string, pointer: string) => {
    if (faults.broken(pointer)) return;
    if (ports.has(name)) {
      const text = `the port "${name}" is there already, from ${type.model} or another module`;
      faults.add("port_duplicate", pointer, text, "a name of its own, as printed at the port");
    }
    ports.set(name, { name, mgmtOnly: false });
  };
  entry.ports?.forEach((port, i) => {
    add(port.name, `${at}/ports/${i}/name`);
  });
  const bays = bayNames(type);
  const taken = new Claims();
  entry.nics?.forEach((nic, i) => {
    const pointer = `${at}/nics/${i}/bay`;
    if (!faults.broken(pointer)) {
      // A type that lists no bays at all says nothing about them (7 of 63 real server types): the class is believed.
      if (bays.length > 0 && !bays.includes(nic.bay)) {
        faults.add("bay_unknown", pointer, `${type.model} has no bay "${nic.bay}"`, instead(nic.bay, bays));
      } else if (taken.claim(nic.bay, "") !== undefined) {
        const free = bays.filter((bay) => !taken.has(bay));
        faults.add("bay_taken", pointer, `the bay "${nic.bay}" holds another module`, oneOf(free));
      }
    }
    nic.ports.forEach((port, j) => {
      add(port.name, `${at}/nics/${i}/ports/${j}/name`);
    });
  });
  return ports;
}

function checkBmcPort({ faults }: Draft, resolved: ClassDraft): void {
  const { entry, ports, pointer, type } = resolved;
  if (!ports || !type || faults.broken(`${pointer}/bmcPort`)) return;
  const marked = [...ports.values()].filter((port) => port.mgmtOnly);
  if (entry.bmcPort === undefined) {
    if (marked.length === 1) resolved.bmcPort = marked[0]?.name;
    else {
      const text = `${type.model} marks ${marked.length === 0 ? "no port" : `${marked.length} ports`} as mgmt_only`;
      const choice = marked.length > 1 ? oneOf(marked.map((port) => port.name)) : portList(ports);
      const write = ports.size > 0 ? `bmcPort: ${choice}` : "ports: [{ name: BMC, type: 1000base-t }] and bmcPort: BMC";
      faults.add("bmc_port_missing", pointer, text, write);
    }
  } else if (ports.has(entry.bmcPort)) resolved.bmcPort = entry.bmcPort;
  else {
    const text = `neither ${type.model} nor the class has a port "${entry.bmcPort}"`;
    faults.add(
      "bmc_port_unknown",
      `${pointer}/bmcPort`,
      text,
      portList(ports, (port) => port.mgmtOnly || marked.length === 0),
    );
  }
}

function checkBootPort({ faults }: Draft, resolved: ClassDraft): void {
  const { entry, ports, pointer, type, bmcPort } = resolved;
  const at = `${pointer}/bootPort`;
  if (!ports || !type || faults.broken(at)) return;
  const usable = portList(ports, (port) => !port.mgmtOnly && port.name !== bmcPort);
  if (!ports.has(entry.bootPort)) {
    const text = `neither ${type.model} nor a module of the class has a port "${entry.bootPort}"`;
    faults.add("boot_port_unknown", at, text, usable);
  } else if (entry.bootPort === bmcPort || ports.get(entry.bootPort)?.mgmtOnly) {
    faults.add("boot_port_is_management", at, `"${entry.bootPort}" is a management port and boots nothing`, usable);
  } else resolved.bootPort = entry.bootPort;
}

function checkDrives(
  { file, faults }: Draft,
  { entry, pointer }: ClassDraft,
  images: ReadonlyMap<string, number>,
): void {
  const bays = new Set<string>();
  entry.drives.forEach(({ bay }, i) => {
    const at = `${pointer}/drives/${i}/bay`;
    if (faults.broken(at)) return;
    if (!driveBayForm.test(bay)) {
      faults.add(
        "bay_malformed",
        at,
        `the bay "${bay}" has a form that is not allowed`,
        'letters, digits and " ._:-", as "Bay 0"',
      );
    }
    if (bays.has(bay)) faults.add("bay_taken", at, `the bay "${bay}" holds another drive`, "a bay of its own");
    bays.add(bay);
  });
  const systemAt = `${pointer}/systemDrive`;
  const system = entry.drives.findIndex((drive) => drive.bay === entry.systemDrive);
  if (system < 0 && !faults.broken(systemAt) && !faults.broken(`${pointer}/drives`)) {
    faults.add(
      "system_drive_empty",
      systemAt,
      `no drive is in the bay "${entry.systemDrive}"`,
      instead(entry.systemDrive, [...bays]),
    );
  }
  const imageAt = `${pointer}/image`;
  if (faults.broken(imageAt)) return;
  const place = images.get(entry.image);
  const image = place === undefined ? undefined : file.images?.[place];
  if (!image) {
    faults.add(
      "image_unknown",
      imageAt,
      `there is no image "${entry.image}"`,
      instead(entry.image, [...images.keys()]),
    );
    return;
  }
  const drive = entry.drives[system];
  const sizes = [`${pointer}/drives/${system}/sizeBytes`, `/images/${place}/sizeBytes`];
  if (drive && drive.sizeBytes < image.sizeBytes && !sizes.some((at) => faults.broken(at))) {
    const fitting = entry.drives.filter((other) => other.sizeBytes >= image.sizeBytes).map((other) => other.bay);
    const text = `the image has ${image.sizeBytes} bytes and the drive in "${drive.bay}" only ${drive.sizeBytes}`;
    faults.add(
      "image_too_large",
      imageAt,
      text,
      fitting.length > 0 ? `systemDrive: ${oneOf(fitting)}` : "a smaller image or a larger drive",
    );
  }
}
