/** A data center in one process: a BMC and a machine for every server of a site. */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ResolvedDevice, ResolvedSite } from "../../shared/model/site.ts";
import { BmcServer } from "./bmc-server.ts";
import { Disk, type DiskFaults } from "./disk.ts";
import { type FaultPlan, Faults, seededRandom } from "./faults.ts";
import { Machine } from "./machine.ts";
import { loadState } from "./machine-state.ts";
import { personalityOf } from "./personality.ts";
import { Witness } from "./witness.ts";

export interface SimulatorOptions {
  site: ResolvedSite;
  /** Holds witness.ndjson, connect-to.json, machines/ and disks/. */
  dir: string;
  /** BMC users by their `vault:` reference. */
  secrets: Readonly<Record<string, { username: string; password: string }>>;
  /** Where machines find the agent's netboot server; in reality DHCP tells them. */
  netbootUrl: string;
  /** Divides the hardware's delays, and nothing else. */
  speed: number;
  faults: FaultPlan;
  /** For faults that strike with a probability. */
  seed: number;
  onDefect(machine: string, cause: unknown): void;
}

export interface Simulator {
  machines: number;
  /** Real address of each BMC by its address in the site. */
  connectTo: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

type Installable = ResolvedDevice & { install: NonNullable<ResolvedDevice["install"]> };
const isInstallable = (device: ResolvedDevice): device is Installable => device.install !== undefined;

const hostPort = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { dir, site } = options;
  mkdirSync(dir, { recursive: true });
  const witness = new Witness(join(dir, "witness.ndjson"), Date.now);
  witness.record("*", "simulator.start");
  const devices = site.devices.filter(isInstallable);
  for (const { machine, fault } of options.faults.faults) {
    if (!devices.some((d) => d.name === machine))
      options.onDefect(machine, `${fault} is planted on it, but it is no server of the site ${site.name}.`);
  }
  const mapFile = join(dir, "connect-to.json");
  const before = readMap(mapFile);
  const connectTo: Record<string, string> = {};
  const running: { machine: Machine; server: BmcServer; disks: Disk[] }[] = [];
  for (const [index, device] of devices.entries()) {
    const built = build(options, device, index, witness);
    const { address, port } = device.install.bmc;
    const key = hostPort(address, port);
    const host = address.includes(":") ? "::1" : "127.0.0.1";
    // The same port as before the restart, so that what the agent knows stays true.
    const known = before[key]?.slice(before[key].lastIndexOf(":") + 1);
    connectTo[key] = hostPort(host, await built.server.listen(host, known ? Number(known) : firstPort(dir) + index));
    running.push(built);
  }
  writeFileSync(`${mapFile}.new`, `${JSON.stringify(connectTo, null, 2)}\n`);
  renameSync(`${mapFile}.new`, mapFile);
  for (const { machine } of running) machine.start();
  return {
    machines: running.length,
    connectTo,
    async close() {
      await Promise.all(running.map(({ server }) => server.close()));
      await Promise.all(running.map(({ machine }) => machine.stop()));
      await Promise.all(running.flatMap(({ disks }) => disks.map((d) => d.close())));
    },
  };
}

/**
 * Below the range from which systems take ports for outgoing connections, so that none is lost to one of these while the
 * simulator restarts. By the folder, so that two simulators seldom meet.
 */
const firstPort = (dir: string): number =>
  20_000 + (createHash("sha256").update(dir).digest().readUInt16BE(0) % 100) * 100;

function build(options: SimulatorOptions, device: Installable, index: number, witness: Witness) {
  const { dir, speed, netbootUrl } = options;
  const credentials = options.secrets[device.install.bmc.secret];
  if (!credentials)
    throw new Error(`The BMC of ${device.name} has no user: ${device.install.bmc.secret} is not among the secrets.`);
  const statePath = join(dir, "machines", `${device.name}.json`);
  const state = loadState(statePath);
  const planted = options.faults.faults.filter((f) => f.machine === device.name);
  const faults = new Faults(planted, state.faultsUsed, seededRandom(options.seed + index));
  for (const { fault } of planted) witness.record(device.name, "fault.planted", { detail: fault });
  const disks = device.asset.media.map((medium) => {
    const chosen = medium.serial === device.install.systemDrive;
    const path = chosen
      ? join(dir, "disks", `${device.name}.img`)
      : join(dir, "disks", device.name, `${medium.bay.replace(/[^\w.-]+/g, "_")}.img`);
    const disk = new Disk(path, medium, speed, chosen ? diskFaults(faults) : {});
    disk.create(chosen && faults.has("disk-not-blank") ? leftoverOf(device.name, medium.sizeBytes) : undefined);
    return disk;
  });
  const machine = new Machine({
    device,
    personality: personalityOf(device.deviceType.manufacturer),
    disks,
    faults,
    state,
    statePath,
    witness,
    netbootUrl,
    speed,
    onDefect: options.onDefect,
  });
  const server = new BmcServer({ machine, credentials, faults, struck: () => machine.save(), witness, speed });
  return { machine, server, disks };
}

const diskFaults = (faults: Faults): DiskFaults => ({
  ...(faults.has("failing-drive") && { failsAt: 6 << 20 }),
  ...(faults.has("lying-drive") && { lies: true }),
});

/** What an earlier life may have left on a drive: one of these, by the machine's name. */
function leftoverOf(name: string, sizeBytes: number): { offset: number; bytes: Buffer } {
  const leftovers = [
    { offset: 510, bytes: Buffer.from([0x55, 0xaa]) },
    { offset: 0x438, bytes: Buffer.from([0x53, 0xef]) },
    { offset: 0, bytes: Buffer.from("XFSB") },
    { offset: sizeBytes - 512, bytes: Buffer.from("EFI PART") },
  ] as const;
  return leftovers[createHash("sha256").update(name).digest().readUInt8(0) % leftovers.length] ?? leftovers[0];
}

function readMap(path: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
  } catch {
    return {};
  }
}
