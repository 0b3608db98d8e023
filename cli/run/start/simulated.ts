/** What the run knows of its simulated data center: the planted faults, and how long the hardware was busy. */
import { readFile } from "node:fs/promises";
import { chaosPlan, FaultPlan, isFatal } from "../../../agents/simulator/faults.ts";
import { hardwareTime, readWitness } from "../../../agents/simulator/witness.ts";
import { writeAtomic } from "../control-plane/processes.ts";
import type { RunPaths } from "./paths.ts";
import { readJsonFile } from "./prepare.ts";
import type { Planted } from "./report.ts";

/** Chooses faults for machines by the seed; the simulator reads them when it starts. */
export async function plantFaults(paths: RunPaths, seed: number, machines: readonly string[]): Promise<void> {
  await writeAtomic(paths.sim.faults, `${JSON.stringify(chaosPlan(seed, [...machines]), null, 2)}\n`);
}

/** The faults that were planted, by this run or the one it goes on with; undefined if there are none. */
export async function plantedFaults(paths: RunPaths): Promise<Planted[] | undefined> {
  const plan = await readJsonFile(paths.sim.faults, FaultPlan);
  if (!plan) return undefined;
  return [...Map.groupBy(plan.faults, (fault) => fault.machine)]
    .map(([machine, planted]) => ({
      machine,
      faults: planted.map(({ fault, count }) => (count === undefined ? fault : `${fault} ×${count}`)),
      recoverable: !planted.some(({ fault }) => isFatal(fault)),
    }))
    .sort((a, b) => (a.machine < b.machine ? -1 : 1));
}

/** ms that a machine's hardware was busy between two moments, by the witness log. */
export async function hardwareClock(paths: RunPaths): Promise<(machine: string, from: number, to: number) => number> {
  const records = readWitness(await readFile(paths.sim.witness, "utf8").catch(() => ""));
  return (machine, from, to) => hardwareTime(records, machine, from, to);
}
