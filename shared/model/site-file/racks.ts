import type { DeviceDraft, Draft } from "./draft.ts";
import { instead, oneOf } from "./nearest.ts";

type Face = "front" | "rear";
const faces: readonly Face[] = ["front", "rear"];

/** The units of one rack in halves, per face: who fills them. */
class RackSpace {
  readonly heightU: number;
  readonly #slots: Record<Face, (string | undefined)[]>;

  constructor(heightU: number) {
    this.heightU = heightU;
    this.#slots = { front: new Array(heightU * 2), rear: new Array(heightU * 2) };
  }

  /** Who fills any of these units, or undefined. */
  holder(u: number, height: number, on: readonly Face[]): string | undefined {
    for (let half = (u - 1) * 2; half < (u - 1 + height) * 2; half++) {
      for (const face of on) {
        const holder = this.#slots[face][half];
        if (holder !== undefined) return holder;
      }
    }
    return undefined;
  }

  fill(u: number, height: number, on: readonly Face[], who: string): void {
    for (let half = (u - 1) * 2; half < (u - 1 + height) * 2; half++) {
      for (const face of on) this.#slots[face][half] = who;
    }
  }

  /** The free place nearest to `u`, upwards first; undefined when the rack has none. */
  free(u: number, height: number, on: readonly Face[]): number | undefined {
    const step = height % 1 === 0 ? 1 : 0.5;
    const start = Math.min(Math.max(1, Math.floor(u)), this.heightU);
    for (let at = start; at + height - 1 <= this.heightU; at += step) {
      if (this.holder(at, height, on) === undefined) return at;
    }
    for (let at = start - step; at >= 1; at -= step) {
      if (at + height - 1 <= this.heightU && this.holder(at, height, on) === undefined) return at;
    }
    return undefined;
  }
}

/** The least height of anything that has one. */
const LEAST_U = 0.5;

interface Misplaced {
  device: DeviceDraft;
  rack: string;
  height: number;
  on: readonly Face[];
  code: string;
  text: string;
}

/** Judges where devices stand: known rack, inside its height, and no unit filled twice. */
export function checkRacks({ file, faults }: Draft, devices: readonly DeviceDraft[]): void {
  const racks = new Map<string, RackSpace>();
  file.racks.forEach((rack, i) => {
    if (!racks.has(rack.name) && !faults.broken(`/racks/${i}`)) racks.set(rack.name, new RackSpace(rack.heightU));
  });
  const misplaced: Misplaced[] = [];
  for (const device of devices) {
    const { entry, pointer, type } = device;
    if (faults.broken(`${pointer}/rack`)) continue;
    const space = racks.get(entry.rack);
    if (!space) {
      faults.add(
        "rack_unknown",
        `${pointer}/rack`,
        `there is no rack "${entry.rack}"`,
        instead(entry.rack, [...racks.keys()]),
      );
      continue;
    }
    // Without its type a machine fills at least the unit it is put at; other gear may have no height at all.
    const height = type?.u_height ?? (device.machine ? LEAST_U : 0);
    if (height === 0 || faults.broken(`${pointer}/u`)) continue;
    const on: readonly Face[] = type?.is_full_depth ? faces : [entry.face ?? "front"];
    const top = type ? entry.u + height - 1 : entry.u;
    const wrong = { device, rack: entry.rack, height: type ? height : 1, on };
    if (top > space.heightU) {
      const text = type
        ? `${device.label} is ${height} U high and would reach U ${top}; rack ${entry.rack} has ${space.heightU}`
        : `rack ${entry.rack} has no U ${entry.u}, only ${space.heightU}`;
      misplaced.push({ ...wrong, code: "u_beyond_rack", text });
      continue;
    }
    const holder = space.holder(entry.u, height, on);
    if (holder === undefined) space.fill(entry.u, height, on, device.label);
    else {
      const span = type && height > 1 ? `U ${entry.u} to ${top}` : `U ${entry.u}`;
      misplaced.push({ ...wrong, code: "u_overlap", text: `${span} in rack ${entry.rack} is filled by ${holder}` });
    }
  }
  // Places are proposed when everything well placed stands, and each proposal is taken: two never name the same unit.
  for (const { device, rack, height, on, code, text } of misplaced) {
    faults.add(code, `${device.pointer}/u`, text, propose(racks, rack, device, height, on));
  }
}

function propose(
  racks: Map<string, RackSpace>,
  rack: string,
  device: DeviceDraft,
  height: number,
  on: readonly Face[],
): string {
  const others = [...racks].filter(([name]) => name !== rack);
  const own = racks.get(rack);
  for (const [name, space] of own ? [[rack, own] as const, ...others] : others) {
    const u = space.free(device.entry.u, height, on);
    if (u === undefined) continue;
    space.fill(u, height, on, device.label);
    return name === rack ? `u: ${u}` : `rack: ${name} and u: ${u}`;
  }
  return `another rack: none of ${oneOf(racks.keys())} has ${height} U free`;
}
