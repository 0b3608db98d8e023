/** What the hardware itself says of an attack: its drives, and its witness log. */
import { readFileSync } from "node:fs";
import { readWitness, type WitnessRecord } from "../../../agents/simulator/witness.ts";
import { hashDisks } from "./site.ts";

export interface Evidence {
  disks: Map<string, string>;
  /** Records of the witness log until now. */
  witnessed: number;
}

/** Reads of a BMC are no harm; all else that a machine or drive feels has an event of its own. */
const HARMLESS = ["bmc.call"];

export const lookAt = (dir: { disks: string; witness: string }): Evidence => ({
  disks: hashDisks(dir.disks),
  witnessed: readWitness(readFileSync(dir.witness, "utf8")).length,
});

/** What differs since then, in words; empty when nothing does. */
export function harm(before: Evidence, dir: { disks: string; witness: string }): string[] {
  const now = hashDisks(dir.disks);
  const names = new Set([...before.disks.keys(), ...now.keys()]);
  const changed = [...names].filter((name) => before.disks.get(name) !== now.get(name));
  const felt = readWitness(readFileSync(dir.witness, "utf8")).slice(before.witnessed).filter(isFelt);
  return [
    ...changed.map((name) => `the drive ${name} is not as it was`),
    ...felt.map(({ machine, event, detail }) => `${machine} felt ${event}${detail ? ` (${detail})` : ""}`),
  ];
}

const isFelt = ({ event }: WitnessRecord): boolean => !HARMLESS.includes(event);
