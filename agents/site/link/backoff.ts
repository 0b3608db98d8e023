import type { Random } from "../../../shared/deps.ts";

/** Seconds before try n + 1; the last one stays. */
const LADDER = [1, 2, 5, 10, 20, 30, 60];

export interface Backoff {
  /** The next delay, ms, with up to a quarter of jitter, so that a site's agents do not come back in step. */
  next(): number;
  reset(): void;
}

export function backoff(random: Random): Backoff {
  let failures = 0;
  return {
    next() {
      const seconds = LADDER[Math.min(failures, LADDER.length - 1)] ?? 60;
      failures += 1;
      return Math.round(seconds * 1000 * (1 + (random.uint32() / 2 ** 32) * 0.25));
    },
    reset() {
      failures = 0;
    },
  };
}
