/** A restored site starts nothing before it is released. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { type GuardWorld, pass, wait } from "./guard.ts";

export const restoreHold = ({ restored }: GuardWorld): Verdict =>
  restored === undefined ? pass("restore", "the site is not on hold") : wait("restore", "site_on_hold", restored);
