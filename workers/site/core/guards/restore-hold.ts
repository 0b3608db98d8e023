/** A restored site starts nothing before it is released, nor before the calls of the time before have ended (settling.ts). */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { type GuardWorld, pass, wait } from "./guard.ts";

export function restoreHold({ restored, settlesAt }: GuardWorld): Verdict {
  if (restored !== undefined) return wait("restore", "site_on_hold", restored);
  return settlesAt === undefined
    ? pass("restore", "the site is not on hold")
    : wait("restore", "site_settling", "calls that agents began before the restore to end", settlesAt);
}
