/**
 * What a machine remembers over a restart of the simulator. A file has two slots that are written in turn, so that a kill
 * tears at most the newer one. (Replacing the file would be simpler, but file systems flush the new one first: with
 * many machines writing their drives, that stops the whole simulator for milliseconds at each change.)
 */
import { closeSync, constants, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { BootEntry } from "../ramdisk/hardware.ts";
import type { RamState } from "../ramdisk/program.ts";
import type { FaultName } from "./faults.ts";
import type { BootOverride } from "./redfish.ts";

export type Phase = "off" | "post" | "netboot" | "ram-boot" | "ram" | "disk" | "os-boot" | "os" | "no-boot-device";

export interface MachineState {
  /** Counts the saves; the slot with the higher one is the newer. */
  saves: number;
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
  saves: 0,
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

const SLOT_BYTES = 128 << 10;

export function loadState(path: string): MachineState {
  let newest = structuredClone(fresh);
  for (const state of readSlots(path)) if (state.saves > newest.saves) newest = { ...newest, ...state };
  return newest;
}

function readSlots(path: string): MachineState[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
  return [0, SLOT_BYTES].flatMap((start) => {
    const end = bytes.indexOf("\n", start);
    if (end < 0 || end >= start + SLOT_BYTES) return [];
    try {
      return [JSON.parse(bytes.toString("utf8", start, end)) as MachineState];
    } catch {
      // Torn by a kill: the other slot holds what was before.
      return [];
    }
  });
}

export function saveState(path: string, state: MachineState): void {
  state.saves += 1;
  const record = Buffer.from(`${JSON.stringify(state)}\n`);
  if (record.length > SLOT_BYTES) throw new Error(`The state of a machine does not fit: ${record.length} bytes.`);
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
  try {
    writeSync(file, record, 0, record.length, (state.saves % 2) * SLOT_BYTES);
  } finally {
    closeSync(file);
  }
}
