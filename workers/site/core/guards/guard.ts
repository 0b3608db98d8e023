/** What every guard is: a pure function of the world, read once for a transaction or a view, and of what is asked. */
import type { Millis } from "../../../../shared/deps.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { ResolvedPolicy } from "../../../../shared/model/policy/resolve.ts";
import type { KeptPermit } from "../permit.ts";
import type { Machine, Service } from "./service.ts";

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

/** What the site's policy protects, and what is in service. */
export interface PolicyWorld {
  now: Millis;
  /** The site's name. */
  site: string;
  policy: ResolvedPolicy;
  service: Service;
  /** Ids of machines on which something was done that nobody has read yet: whether they serve is not known. */
  unread: ReadonlySet<string>;
}

/** A step that would start on a machine now. */
export interface Ask {
  machine: Machine;
  /** How long the rest of its target's steps is expected to take, this one among them; read only where time counts. */
  restMs(): Millis;
}

/**
 * Whether a step could take the machine out of service, or still give it back. What is down already is out of every pool:
 * to work on it takes nothing more, and to hold it up keeps it out the longer.
 */
export const isServing = ({ state }: Pick<Machine, "state">): boolean => state === "active" || state === "draining";

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

/** `35 min`, `2 h 05 min`: rounded up to whole minutes. */
export function minutesOf(ms: Millis): string {
  const minutes = Math.ceil(ms / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** `2026-11-25T22:00Z` */
export const momentOf = (at: Millis): string => `${new Date(at).toISOString().slice(0, 16)}Z`;
