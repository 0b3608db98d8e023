/** L7: a plan whose target another job holds would be refused, and says who holds it. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { pass, refused } from "./guard.ts";

/** A target of the plan that another job holds. */
export interface Held {
  target: string;
  job: string;
}

export const locks = (held: Held | undefined): Verdict =>
  held
    ? refused("locks", "locked", `${held.target} is held by ${held.job}`)
    : pass("locks", "no target is held by another job");
