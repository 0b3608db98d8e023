import { findType, portsOfType } from "./classes.ts";
import { Claims, type ClassDraft, type DeviceDraft, type Draft, portList } from "./draft.ts";
import { pointerTo } from "./faults.ts";
import { checkIdentity } from "./identity.ts";
import { isGroupMac, macInstead, parseMac } from "./mac.ts";
import { checkNames } from "./names.ts";
import { instead } from "./nearest.ts";
import type { Networks } from "./network.ts";

/** Judges every device by itself and against the others, except for its place in the rack. */
export function checkDevices(
  draft: Draft,
  classes: ReadonlyMap<string, ClassDraft>,
  networks: Networks,
): DeviceDraft[] {
  const { file, faults } = draft;
  checkNames(file.devices, "/devices", faults);
  const devices = file.devices.map((_, i) => resolveDevice(draft, i, classes));
  checkIdentity(draft, devices);
  const macs = new Claims();
  for (const device of devices) {
    checkInterfaces(draft, device, macs, networks);
    checkBmc(draft, device, macs, networks);
    checkMedia(draft, device);
  }
  return devices;
}

function resolveDevice(draft: Draft, i: number, classes: ReadonlyMap<string, ClassDraft>): DeviceDraft {
  const { file, faults } = draft;
  const entry = file.devices[i];
  if (!entry) throw new RangeError(`there is no device ${i}`);
  const pointer = `/devices/${i}`;
  const label = faults.broken(`${pointer}/name`) ? `device ${i + 1}` : entry.name;
  const device: DeviceDraft = {
    entry,
    pointer,
    label,
    type: undefined,
    class: undefined,
    machine: false,
    ports: undefined,
  };
  const { hardwareClass, deviceType } = entry;
  const brokenRef = faults.broken(`${pointer}/hardwareClass`) || faults.broken(`${pointer}/deviceType`);
  device.machine = hardwareClass !== undefined || faults.broken(`${pointer}/hardwareClass`);
  if (hardwareClass !== undefined && deviceType !== undefined) {
    const text = `${label} has both a hardware class and a device type`;
    faults.add("class_and_type", `${pointer}/deviceType`, text, "hardwareClass alone: the class names the type");
  }
  if (hardwareClass !== undefined && !faults.broken(`${pointer}/hardwareClass`)) {
    device.class = classes.get(hardwareClass);
    if (!device.class) {
      const write = instead(hardwareClass, [...classes.keys()]);
      faults.add("class_unknown", `${pointer}/hardwareClass`, `there is no hardware class "${hardwareClass}"`, write);
    }
    device.type = device.class?.type;
    device.ports = device.class?.ports;
  } else if (deviceType !== undefined) {
    device.type = findType(draft, deviceType, `${pointer}/deviceType`);
    device.ports = device.type && portsOfType(device.type);
  } else if (!brokenRef && !faults.broken(pointer)) {
    const text = `nothing says what ${label} is`;
    const [name = "compute"] = classes.keys();
    const write = `hardwareClass: ${name} for a machine to install, deviceType: Manufacturer/Model for other gear`;
    faults.add("class_or_type_missing", pointer, text, write);
  }
  return device;
}

function checkMac({ faults }: Draft, mac: string, pointer: string, owner: string, macs: Claims): void {
  if (faults.broken(pointer)) return;
  const parsed = parseMac(mac);
  if (!parsed) {
    faults.add("mac_malformed", pointer, `"${mac}" is no MAC address in our form`, macInstead(mac));
    return;
  }
  if (isGroupMac(parsed)) {
    faults.add(
      "mac_not_unicast",
      pointer,
      `${parsed} is a group's address, and no port has one`,
      "the MAC printed at the port",
    );
  }
  const earlier = macs.claim(parsed, owner);
  if (earlier !== undefined) {
    faults.add("mac_duplicate", pointer, `${parsed} is the MAC of ${earlier} already`, `the MAC printed at ${owner}`);
  }
}

function checkInterfaces(draft: Draft, device: DeviceDraft, macs: Claims, networks: Networks): void {
  const { faults } = draft;
  const { entry, pointer, label, ports, class: hardware } = device;
  const seen = new Set<string>();
  entry.interfaces?.forEach(({ name, mac, addresses }, i) => {
    const at = `${pointer}/interfaces/${i}`;
    const owner = `${label} ${name}`;
    if (!faults.broken(`${at}/name`)) {
      if (ports && !ports.has(name)) {
        faults.add(
          "interface_unknown",
          `${at}/name`,
          `${label} has no port "${name}"`,
          instead(name, [...ports.keys()]),
        );
      } else if (hardware?.bmcPort === name) {
        const text = `"${name}" is the BMC's port`;
        faults.add("interface_is_bmc", `${at}/name`, text, "its address and MAC under bmc, and not here");
      } else if (seen.has(name)) {
        const free = ports ? portList(ports, (port) => !seen.has(port.name)) : "each port once";
        faults.add("interface_duplicate", `${at}/name`, `"${name}" stands here twice`, free);
      }
      seen.add(name);
    }
    if (mac !== undefined) checkMac(draft, mac, `${at}/mac`, owner, macs);
    addresses?.forEach((address, j) => {
      networks.claim(address, `${at}/addresses/${j}`, { owner, machine: device.machine, cidr: true });
    });
  });
  const bootPort = hardware?.bootPort;
  if (bootPort === undefined || faults.broken(`${pointer}/interfaces`)) return;
  const boot = entry.interfaces?.findIndex((one) => one.name === bootPort) ?? -1;
  if (entry.interfaces?.[boot]?.mac !== undefined || faults.broken(`${pointer}/interfaces/${boot}/mac`)) return;
  const at = boot >= 0 ? `${pointer}/interfaces/${boot}` : pointer;
  const text = `${label} boots from "${bootPort}", and that port's MAC is not given`;
  faults.add("boot_mac_missing", at, text, `interfaces: [{ name: "${bootPort}", mac: … }], as printed at the port`);
}

const SECRET = /^vault:[a-z0-9][a-z0-9/_.-]*$/;

function checkBmc(draft: Draft, device: DeviceDraft, macs: Claims, networks: Networks): void {
  const { faults, file } = draft;
  const { entry, pointer, label, machine } = device;
  const at = `${pointer}/bmc`;
  if (!entry.bmc) {
    if (!machine || faults.broken(at)) return;
    const write = `bmc: { address: …, secret: vault:${file.site.name}/bmc/${label} }`;
    faults.add("bmc_missing", pointer, `nothing says how to reach the BMC of ${label}`, write);
    return;
  }
  if (!machine && entry.deviceType !== undefined) {
    const text = `${label} has no hardware class, so Turnup does not install it and has no use for a BMC`;
    faults.add("bmc_without_class", at, text, "hardwareClass: … in place of deviceType, or no bmc");
  }
  const owner = `${label} BMC`;
  networks.claim(entry.bmc.address, `${at}/address`, { owner, machine: true, cidr: false });
  if (entry.bmc.mac !== undefined) checkMac(draft, entry.bmc.mac, `${at}/mac`, owner, macs);
  // A7: the value is not repeated; where a reference belongs people also write the password.
  if (!SECRET.test(entry.bmc.secret) && !faults.broken(`${at}/secret`)) {
    const write = `secret: vault:${file.site.name}/bmc/${label}, and user and password into the agent's vault`;
    faults.add("secret_malformed", `${at}/secret`, "this is no reference into the vault", write);
  }
}

function checkMedia({ faults }: Draft, { entry, pointer, label, class: hardware, machine }: DeviceDraft): void {
  const at = `${pointer}/media`;
  const media = entry.media ?? {};
  if (!machine && entry.deviceType !== undefined && entry.media) {
    const text = `${label} has no hardware class, so its drives are not known`;
    faults.add("media_without_class", at, text, "hardwareClass: … in place of deviceType, or no media");
  }
  if (!hardware || faults.broken(at)) return;
  const bays = hardware.entry.drives.map((drive) => drive.bay);
  for (const bay of Object.keys(media)) {
    if (bays.includes(bay)) continue;
    const text = `the class ${hardware.entry.name} has no drive in the bay "${bay}"`;
    faults.add("media_bay_unknown", `${at}${pointerTo([bay])}`, text, instead(bay, bays));
  }
  const missing = bays.filter(
    (bay, i) => !Object.hasOwn(media, bay) && !faults.broken(`${hardware.pointer}/drives/${i}`),
  );
  if (missing.length > 0) {
    const text = `${label} lacks the serial of the drive in ${missing.map((bay) => `"${bay}"`).join(", ")}`;
    const example = missing.map((bay) => `"${bay}": "…"`).join(", ");
    faults.add(
      "media_serial_missing",
      entry.media ? at : pointer,
      text,
      `media: { ${example} }, as on the drive's label`,
    );
  }
}
