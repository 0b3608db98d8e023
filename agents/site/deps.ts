/** What the agent may not take from the platform: the next two interfaces and those of shared/deps.ts are passed in. */
import type { Clock, Random } from "../../shared/deps.ts";
import type { Sql } from "../../shared/sql.ts";
import type { Http } from "./http.ts";
import type { OpenSocket } from "./link/doorbell.ts";
import type { AgentKey } from "./link/token.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { ImageStore } from "./netboot/images.ts";
import type { Vault } from "./vault.ts";

export interface Timers {
  /** Calls `fire` once after this many ms, unless the returned function was called before. */
  after(ms: number, fire: () => void): () => void;
}

export interface AgentDeps {
  clock: Clock;
  timers: Timers;
  random: Random;
  log: Log;
  metrics: Metrics;
  /** To the control plane. */
  http: Http;
  openSocket: OpenSocket;
  /** To BMCs, through the connect map where one is configured. */
  bmcHttp: Http;
  journal: Sql;
  /** Resolves when what was committed to the journal is on the disk itself. */
  durable(): Promise<void>;
  /** Made on site; the private half never leaves it (S2). */
  key: AgentKey;
  vault: Vault;
  images: ImageStore;
  /** The one-time token of the enrolment, or undefined when there is none (any more). */
  enrolToken(): string | undefined;
}

/** Resolves after `ms`, or rejects with the signal's reason when it is aborted first. */
export function sleep(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const cancel = timers.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
