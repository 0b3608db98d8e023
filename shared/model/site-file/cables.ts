import { Claims, type DeviceDraft, type Draft, portList } from "./draft.ts";
import { instead, nearest, oneOf } from "./nearest.ts";

export interface End {
  device: string;
  port: string;
}

/** `device:port`; the port may hold colons itself. */
export function parseEnd(text: string): End | undefined {
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) return undefined;
  return { device: text.slice(0, colon).trim(), port: text.slice(colon + 1).trim() };
}

/** Judges the cables: both ends are ports that exist, of the type or of the class, and each port has one cable. */
export function checkCables({ file, faults }: Draft, devices: readonly DeviceDraft[]): void {
  const byName = new Map(devices.map((device) => [device.entry.name, device]));
  const names = [...byName.keys()];
  const plugged = new Claims();
  // Ports to propose are those that no cable of the file uses.
  const used = new Set((file.cables ?? []).flatMap((cable) => [cable.a, cable.b]));
  const judge = (text: string, pointer: string, cable: number) => {
    if (faults.broken(pointer)) return;
    const end = parseEnd(text);
    if (!end) {
      faults.add("cable_malformed", pointer, `"${text}" is no end of a cable`, "device:port, as tor-a:Ethernet1");
      return;
    }
    const device = byName.get(end.device);
    if (!device) {
      const write = `${instead(end.device, names)}:${end.port}`;
      faults.add("cable_device_unknown", pointer, `there is no device "${end.device}"`, write);
      return;
    }
    if (!device.ports) return;
    const free = () => portList(device.ports ?? new Map(), (port) => !used.has(`${end.device}:${port.name}`));
    if (!device.ports.has(end.port)) {
      const unused = [...device.ports.keys()].filter((port) => !used.has(`${end.device}:${port}`));
      const near = nearest(end.port, unused);
      const write = near === undefined ? `${end.device}: ${oneOf(unused)}` : `${end.device}:${near}`;
      faults.add("cable_port_unknown", pointer, `${end.device} has no port "${end.port}"`, write);
      return;
    }
    const earlier = plugged.claim(`${end.device}:${end.port}`, String(cable));
    if (earlier === undefined) return;
    const where =
      earlier === String(cable) ? "both ends of this cable are in it" : `cable ${Number(earlier) + 1} is in it`;
    faults.add(
      "port_cabled_twice",
      pointer,
      `the port ${end.device}:${end.port} is full: ${where}`,
      `${end.device}: ${free()}`,
    );
  };
  file.cables?.forEach((cable, i) => {
    judge(cable.a, `/cables/${i}/a`, i);
    judge(cable.b, `/cables/${i}/b`, i);
  });
}
