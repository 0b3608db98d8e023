/** Everything that may happen at a site, as commands: each is done to the core and foretold by the model, then both are compared. */
import type fc from "fast-check";
import type { Act } from "./act.ts";
import { aheads, backs, caps, enrols, evicts, permits, revokes, switches, waits } from "./around.ts";
import { accepts, cancels, pauses, repeats, resumes, retries, skips } from "./people.ts";
import { forgeries, replays, syncs } from "./syncs.ts";

const weighed: readonly (readonly [weight: number, arbitrary: fc.Arbitrary<Act>])[] = [
  [24, syncs],
  [6, waits],
  [7, accepts],
  [3, retries],
  [2, replays],
  [2, forgeries],
  [3, resumes],
  [2, skips],
  [2, aheads],
  ...[backs, evicts, repeats, cancels, pauses, revokes, enrols, switches, permits, caps].map((a) => [1, a] as const),
];
/** What is named more often comes more often. */
export const commands: fc.Arbitrary<Act>[] = weighed.flatMap(([weight, a]) => Array.from({ length: weight }, () => a));
