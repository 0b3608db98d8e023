import type { Timers } from "./deps.ts";

/** Lets a handler wait for something to happen to a thing, by key, without polling. */
export interface Signals {
  notify(key: string): void;
  /**
   * True as soon as `check` returns a value, now or after a notification; undefined when the time has passed. Rejects
   * with the signal's reason when it is aborted.
   */
  until<T>(key: string, check: () => T | undefined, ms: number, signal?: AbortSignal): Promise<T | undefined>;
}

export function signals(timers: Timers): Signals {
  const waiters = new Map<string, Set<() => void>>();
  return {
    notify(key) {
      for (const waiter of [...(waiters.get(key) ?? [])]) waiter();
    },
    until(key, check, ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const now = check();
        if (now !== undefined) return resolve(now);
        if (ms <= 0) return resolve(undefined);
        const end = () => {
          set.delete(look);
          if (set.size === 0) waiters.delete(key);
          cancel();
          signal?.removeEventListener("abort", onAbort);
        };
        const look = () => {
          let found: ReturnType<typeof check>;
          try {
            found = check();
          } catch (error) {
            end();
            return reject(error);
          }
          if (found === undefined) return;
          end();
          resolve(found);
        };
        const onAbort = () => {
          end();
          reject(signal?.reason);
        };
        const cancel = timers.after(ms, () => {
          end();
          resolve(undefined);
        });
        const set = waiters.get(key) ?? new Set();
        waiters.set(key, set);
        set.add(look);
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}
