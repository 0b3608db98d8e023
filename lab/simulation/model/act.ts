/** A command of the model: its words, when it makes sense, and the comparison that follows each. */
import fc from "fast-check";
import type { CommandKind, Commands } from "../../../workers/site/core/commands.ts";
import type { World } from "../../../workers/site/core/test-world.ts";
import { compare } from "./compare.ts";
import type { Model } from "./state.ts";

export type Act = fc.Command<Model, World>;
export const SERVERS = 3;
export const MAX_AGENTS = 4;
export const ACTOR = "token:model";

/** A command by its words. `may`: whether it makes sense now; the list of commands shrinks to those that did. */
export const act = (
  words: string,
  run: (m: Model, w: World) => void,
  may: (m: Model) => boolean = () => true,
): Act => ({
  check: may,
  run(m, w) {
    m.count += 1;
    run(m, w);
    compare(m, w);
  },
  toString: () => words,
});

export const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % list.length];
export const hasJobs = (m: Model): boolean => m.jobs.length > 0;

/** Runs a command of people; returns the code with which it is refused. */
export function tell<K extends CommandKind>(w: World, kind: K, input: Commands[K]["in"]): string | undefined {
  const { reply } = w.core.apply({ now: w.now, random: w.random }, kind, input);
  return reply.ok ? undefined : reply.problem.code;
}

/** Now and then. */
export const seldom = fc.constantFrom(false, false, false, false, false, true);
