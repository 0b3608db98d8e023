import type { Timers } from "../deps.ts";

/** Why the link's loop woke. */
export type WakeReason =
  | "start"
  | "report"
  | "progress"
  | "renewal"
  | "doorbell"
  | "connected"
  | "poll"
  | "audit"
  | "unknown-hardware"
  | "more"
  | "retry"
  | "drain"
  | "stop";

export interface Wakes {
  wake(reason: WakeReason): void;
  /** Wakes at a time, unless an earlier one is set for the same reason. */
  wakeIn(reason: WakeReason, ms: number): void;
  cancel(reason: WakeReason): void;
  /** Resolves with every reason since the last call, at once if there is one: a wake during work is not lost. */
  next(): Promise<WakeReason[]>;
  /** Forgets the wakes so far: what comes now answers them all. */
  clear(): void;
}

/** Named wakes over passed-in timers; one waiter. */
export function wakes(timers: Timers): Wakes {
  const pending = new Set<WakeReason>();
  const due = new Map<WakeReason, () => void>();
  let waiter: ((reasons: WakeReason[]) => void) | undefined;

  const flush = () => {
    if (!waiter || pending.size === 0) return;
    const resolve = waiter;
    waiter = undefined;
    const reasons = [...pending];
    pending.clear();
    resolve(reasons);
  };
  const wake = (reason: WakeReason) => {
    pending.add(reason);
    flush();
  };
  return {
    wake,
    wakeIn(reason, ms) {
      if (due.has(reason)) return;
      const cancel = timers.after(ms, () => {
        due.delete(reason);
        wake(reason);
      });
      due.set(reason, cancel);
    },
    cancel(reason) {
      due.get(reason)?.();
      due.delete(reason);
    },
    next: () =>
      new Promise((resolve) => {
        waiter = resolve;
        flush();
      }),
    clear: () => pending.clear(),
  };
}
