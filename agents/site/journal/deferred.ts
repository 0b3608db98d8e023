import type { Sql } from "../../../shared/sql.ts";

/**
 * Writes whose loss in a crash costs only a repetition: outcomes (an attempt without one is `unknown` and is read
 * again), acknowledgements, observations. They are written together, before the next read or intent, as a rack's
 * machines end their steps at the same time.
 */
export interface Deferred {
  add(write: () => void): void;
  /** Writes what waits. */
  flush(): void;
  /** Writes what waits, and then runs this, in one commit. */
  flushWith<T>(work: () => T[]): T[];
}

export function deferred(sql: Sql): Deferred {
  let waiting: (() => void)[] = [];
  const flushWith = <T>(work: () => T[]): T[] => {
    const writes = waiting;
    const done = sql.transact(() => {
      for (const write of writes) write();
      return work();
    });
    // Only what was committed is forgotten.
    waiting = waiting.slice(writes.length);
    return done;
  };
  return {
    add: (write) => void waiting.push(write),
    flush() {
      if (waiting.length > 0) flushWith(() => []);
    },
    flushWith,
  };
}
