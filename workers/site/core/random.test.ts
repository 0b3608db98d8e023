/**
 * A random walk: two agents that report what they like, or nothing, late, twice and out of order; people who cancel,
 * revoke and pull the kill switch; a clock that jumps ahead; an object that forgets. After each step what must always
 * hold is checked on the tables; at the end the faults stop, and every job must end or wait for a person.
 */
import { expect, it } from "vitest";
import { RandomWalk } from "./test-walk.ts";

/** A few seconds of one core; TURNUP_SEEDS walks further, TURNUP_SEED walks one way again. */
const SEEDS = Number(process.env.TURNUP_SEEDS ?? 60);
const STEPS = 150;
const FIRST = Number(process.env.TURNUP_SEED ?? 1);
const count = process.env.TURNUP_SEED === undefined ? SEEDS : 1;

it("[J3][J6][J10][L1][L2][L4][L6][L7][G5][G6][E1] holds in any order of events, and ends when faults stop", () => {
  const seen: Record<string, number> = {};
  for (let seed = FIRST; seed < FIRST + count; seed++) {
    const walk = new RandomWalk(seed);
    try {
      for (let n = 0; n < STEPS; n++) {
        walk.step();
        walk.check();
      }
      walk.settle();
    } catch (error) {
      throw new Error(
        `TURNUP_SEED=${seed}: ${error instanceof Error ? error.message : error}\n${walk.log.slice(-12).join("\n")}`,
        {
          cause: error,
        },
      );
    }
    for (const state of walk.ends()) seen[state] = (seen[state] ?? 0) + 1;
  }
  // A walk in which nothing ever succeeds, waits or is cancelled would prove little.
  if (count >= 60)
    for (const end of ["succeeded", "failed", "waiting", "cancelled"])
      expect(seen[end] ?? 0, JSON.stringify(seen)).toBeGreaterThan(5);
}, 120_000);
