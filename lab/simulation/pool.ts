/** Spreads seeds over the cores, one worker thread each. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { Coverage } from "./coverage.ts";
import type { RunResult } from "./run.ts";

/** What a worker is started with, and what it is sent: the next seed, or nothing more. */
export interface WorkerData {
  mutant: string | undefined;
  wholeLog: boolean;
}

export interface PoolOptions {
  first: number;
  seeds: number;
  minutes?: number | undefined;
  mutant?: string | undefined;
  wholeLog?: boolean;
  /** Ends at the first seed that breaks a rule. */
  stopAtFirst?: boolean;
  /** Threads; as many as there are cores unless said otherwise. */
  threads?: number;
  told?(state: Progress): void;
}

export interface Progress {
  seeds: number;
  events: number;
  coverage: Coverage;
  failed: RunResult[];
  /** Of the last run, when the whole log was asked for. */
  log: string[] | undefined;
}

export async function runPool(o: PoolOptions): Promise<Progress> {
  const state: Progress = { seeds: 0, events: 0, coverage: new Coverage(), failed: [], log: undefined };
  const end = o.minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + o.minutes * 60_000;
  let next = o.first;
  const take = (): number | undefined => {
    // However short its time, a run is of one seed at least.
    if (next >= o.first + o.seeds || (next > o.first && performance.now() >= end)) return undefined;
    if (o.stopAtFirst && state.failed.length > 0) return undefined;
    return next++;
  };
  const threads = Math.max(1, Math.min(o.threads ?? availableParallelism(), o.seeds));
  await Promise.all(
    Array.from({ length: threads }, () =>
      work({ mutant: o.mutant, wholeLog: o.wholeLog ?? false }, take, (result) => {
        state.seeds += 1;
        state.events += result.events;
        state.coverage.add(result.counts);
        if (o.wholeLog) state.log = result.log;
        if (result.violation) state.failed.push(result);
        o.told?.(state);
      }),
    ),
  );
  state.failed.sort((a, b) => a.seed - b.seed);
  return state;
}

/** One thread, seed after seed, until there is none left. */
function work(data: WorkerData, take: () => number | undefined, done: (result: RunResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: data });
    const go = () => {
      const seed = take();
      if (seed !== undefined) worker.postMessage(seed);
      else void worker.terminate().then(() => resolve());
    };
    worker.on("message", (message: RunResult | "ready") => {
      if (message !== "ready") done(message);
      go();
    });
    worker.on("error", reject);
  });
}
