/** G7: what a person has set aside wins over everything automatic: no step of it starts, not even of a first install. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { ResolvedPolicy } from "../../../../shared/model/policy/resolve.ts";
import type { Hold } from "../../../../shared/model/policy.ts";
import { type Ask, type PolicyWorld, pass, wait } from "./guard.ts";

const GUARD = "hold";

/** Holds by what they are on: `device:web-03`, `rack:r01`, `pool:web`, `site`. */
const heldThings = new WeakMap<ResolvedPolicy, ReadonlyMap<string, Hold[]>>();

function holdsOn(policy: ResolvedPolicy): ReadonlyMap<string, Hold[]> {
  const known = heldThings.get(policy) ?? Map.groupBy(policy.policy.holds ?? [], ({ on }) => on);
  heldThings.set(policy, known);
  return known;
}

/** Whether any hold is set, so that steps of machines that no other guard is asked about need not be looked at. */
export const anyHold = (policy: ResolvedPolicy): boolean => holdsOn(policy).size > 0;

export function hold({ policy, now }: PolicyWorld, { machine }: Pick<Ask, "machine">): Verdict {
  const { name, rack } = machine;
  const pools = (policy.poolsOf.get(name) ?? []).map((pool) => `pool:${pool}`);
  for (const on of ["site", `rack:${rack}`, ...pools, `device:${name}`]) {
    for (const { owner, reason, until } of holdsOn(policy).get(on) ?? []) {
      const end = until === undefined ? null : Date.parse(until);
      if (end !== null && end <= now) continue;
      const what = on === "site" ? "the site" : on.replace(":", " ");
      return wait(GUARD, "held", `${owner} to end the hold on ${what}: ${reason}`, end);
    }
  }
  return pass(GUARD, "nobody holds it");
}
