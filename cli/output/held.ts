import type { Verdict } from "../../shared/model/guard.ts";
import { left, moment } from "./words.ts";

/** Which guard keeps a step from starting, by its code, and until when: `Held by: kill switch (frozen)`. */
export function heldLine(by: Verdict, now: number): string {
  const until = by.until ?? null;
  const when = until === null ? "nobody knows until when" : `not before ${moment(until)} UTC, in ${left(until, now)}`;
  return `Held by: ${by.guard} (${by.code ?? by.verdict}); ${when}`;
}
