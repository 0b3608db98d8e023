/** A thread that runs the model beside a core with one defect, which is in place before the core is loaded. */
import { parentPort, workerData } from "node:worker_threads";
import type { Mutant } from "../mutants.ts";
import { plant } from "../mutate.ts";

export interface WorkerData {
  defect: Mutant;
  seed: number;
  runs: number;
}

const { defect, seed, runs } = workerData as WorkerData;
plant(defect);
const { look } = await import("./check.ts");
parentPort?.postMessage(look(seed, runs));
