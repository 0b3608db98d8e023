/** What a machine remembers over a restart of the simulator; written whole at each change, so that no kill tears it. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { BootEntry } from "../ramdisk/hardware.ts";
import type { RamState } from "../ramdisk/program.ts";
import type { FaultName } from "./faults.ts";
import type { BootOverride } from "./redfish.ts";

export type Phase = "off" | "post" | "netboot" | "ram-boot" | "ram" | "disk" | "os-boot" | "os" | "no-boot-device";

export interface MachineState {
  phase: Phase;
  /** When the phase ends by itself, Unix ms. */
  endsAt: number;
  /** When the last power command shows, Unix ms. */
  powerShowsAt: number;
  override: BootOverride;
  /** Of the RAM environment that runs, and where its agent is. */
  nonce: string | null;
  agentUrl: string | null;
  /** The RAM environment's own memory; gone with its boot. */
  ram: RamState | null;
  bootEntry: BootEntry | null;
  /** Nonce with which the installed system phoned home. */
  phonedHome: string | null;
  faultsUsed: Partial<Record<FaultName, number>>;
}

const fresh: MachineState = {
  phase: "off",
  endsAt: 0,
  powerShowsAt: 0,
  override: { BootSourceOverrideTarget: "None", BootSourceOverrideEnabled: "Disabled", BootSourceOverrideMode: "UEFI" },
  nonce: null,
  agentUrl: null,
  ram: null,
  bootEntry: null,
  phonedHome: null,
  faultsUsed: {},
};

export function loadState(path: string): MachineState {
  try {
    return { ...structuredClone(fresh), ...(JSON.parse(readFileSync(path, "utf8")) as MachineState) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return structuredClone(fresh);
    throw cause;
  }
}

export function saveState(path: string, state: MachineState): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(state));
  renameSync(`${path}.new`, path);
}
