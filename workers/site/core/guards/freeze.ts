/** Freezes: nothing disruptive starts in one, and nothing goes out of service that is not expected back before it. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { type Ask, isServing, minutesOf, type PolicyWorld, pass, wait } from "./guard.ts";

const GUARD = "freeze";

export function freeze({ policy, now }: PolicyWorld, { machine, restMs }: Ask): Verdict {
  for (const { name, reason, ...span } of policy.policy.freezes ?? []) {
    const [from, until] = [Date.parse(span.from), Date.parse(span.until)];
    if (until <= now) continue;
    if (from <= now) return wait(GUARD, "freeze_on", `the freeze ${name} to end: ${reason}`, until);
    if (isServing(machine) && now + restMs() > from) {
      const why = `its ${minutesOf(restMs())} of steps do not fit before it begins`;
      return wait(GUARD, "freeze_on", `the freeze ${name} to end, as ${why}`, until);
    }
  }
  return pass(GUARD, "there is none");
}
