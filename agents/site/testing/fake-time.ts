import type { Clock } from "../../../shared/deps.ts";
import type { Timers } from "../deps.ts";

/** A clock that stands still until told; timers fire in order, and what they start runs before the next one fires. */
export interface FakeTime {
  clock: Clock;
  timers: Timers;
  advance(ms: number): Promise<void>;
  /** Lets what is ready run, without time passing. */
  settle(): Promise<void>;
  /** The wall clock jumps; the monotonic one does not. */
  jump(ms: number): void;
}

export function fakeTime(start = 1_800_000_000_000): FakeTime {
  let mono = 0;
  let offset = start;
  let n = 0;
  const due = new Map<number, { at: number; fire: () => void }>();
  const settle = async () => {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    clock: { now: () => Math.round(offset + mono), monotonic: () => mono },
    timers: {
      after(ms, fire) {
        const id = n++;
        due.set(id, { at: mono + Math.max(0, ms), fire });
        return () => due.delete(id);
      },
    },
    settle,
    async advance(ms) {
      const until = mono + ms;
      await settle();
      for (;;) {
        const next = [...due].filter(([, t]) => t.at <= until).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
        if (!next) break;
        due.delete(next[0]);
        mono = Math.max(mono, next[1].at);
        next[1].fire();
        await settle();
      }
      mono = until;
    },
    jump(ms) {
      offset += ms;
    },
  };
}
