/** What every guard is: a pure function of the world, read once for a transaction or a view, and of what is asked. */
import type { Millis } from "../../../../shared/deps.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { KeptPermit } from "../permit.ts";

/** What holds at the site at one moment, whichever step is asked about. */
export interface GuardWorld {
  now: Millis;
  /** What a restored site waits for, in words; undefined when the site is not on hold. */
  restored: string | undefined;
  /** Until when agents may still be in calls of before the restore; undefined when they cannot. */
  settlesAt?: Millis | undefined;
  /** The fleet budget's last word; undefined when it was never asked. */
  permit: KeptPermit | undefined;
}

export const pass = (guard: string, text: string): Verdict => ({ guard, verdict: "pass", text });

/** `text` reads on after "waits for"; `until` is the earliest moment at which it may pass, null when nobody knows. */
export const wait = (guard: string, code: ErrorCode, text: string, until: Millis | null = null): Verdict => ({
  guard,
  verdict: "wait",
  code,
  text,
  until,
});

export const refused = (guard: string, code: ErrorCode, text: string): Verdict => ({
  guard,
  verdict: "refuse",
  code,
  text,
  until: null,
});

/** The first that does not pass: what a step, or a plan, waits for. */
export const firstHeld = (verdicts: readonly Verdict[]): Verdict | undefined =>
  verdicts.find(({ verdict }) => verdict !== "pass");
