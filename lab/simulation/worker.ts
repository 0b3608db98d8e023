/** A thread that runs seeds. The mutant, if there is one, is in place before anything else is loaded. */
import { parentPort, workerData } from "node:worker_threads";
import { mutate } from "./mutate.ts";
import type { WorkerData } from "./pool.ts";

const { mutant, wholeLog } = workerData as WorkerData;
if (mutant !== undefined) mutate(mutant);
const { runSeed } = await import("./run.ts");
parentPort?.on("message", (seed: number) => {
  void runSeed(seed, { wholeLog }).then((result) => parentPort?.postMessage(result));
});
parentPort?.postMessage("ready");
