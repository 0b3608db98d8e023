import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import type { Mutant } from "../mutants.ts";
import type { Found } from "./check.ts";
import { defects } from "./defects.ts";
import type { WorkerData } from "./worker.ts";

/** So many commands a person can follow. */
const MAX_SHOWN = 8;

const lookWith = (defect: Mutant) =>
  new Promise<Found | undefined>((resolve, reject) => {
    const workerData: WorkerData = { defect, seed: 1, runs: 2000 };
    new Worker(new URL("./worker.ts", import.meta.url), { workerData }).on("message", resolve).on("error", reject);
  });

describe("the model finds a defect and shrinks it to few commands", () => {
  it.each(defects)("$name ($rule)", async (defect) => {
    const found = await lookWith(defect);
    expect(found, "nothing was found").toBeDefined();
    expect(found?.commands.length, found?.commands.join("\n")).toBeLessThanOrEqual(MAX_SHOWN);
  });
});
