/** G2: of devices that stand in for each other at most so many are out; one whose state is not known counts as out. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { ResolvedGroup } from "../../../../shared/model/policy/resolve.ts";
import { type Ask, isServing, type PolicyWorld, pass, refused, wait } from "./guard.ts";

export const groups = (world: PolicyWorld, { machine }: Pick<Ask, "machine">): Verdict[] =>
  (world.policy.groupsOf.get(machine.name) ?? []).map((group) => {
    const guard = `group ${group.name}`;
    return isServing(machine)
      ? judge(guard, group, othersOut(world, group, machine.name))
      : pass(guard, `${machine.name} is ${machine.state}: out of service already`);
  });

interface Others {
  out: string[];
  unknown: string[];
}

function othersOut({ service, unread }: PolicyWorld, { members }: ResolvedGroup, self: string): Others {
  const others: Others = { out: [], unknown: [] };
  for (const name of members) {
    const member = name === self ? undefined : service.named(name);
    if (name === self) continue;
    const known = member?.known && !unread.has(member.id);
    if (!known) others.unknown.push(name);
    else if (member.state !== "active") others.out.push(name);
  }
  return others;
}

function judge(guard: string, { mayBeOut }: ResolvedGroup, { out, unknown }: Others): Verdict {
  if (out.length + unknown.length < mayBeOut)
    return pass(guard, `at most ${mayBeOut} may be out, and it would not be more`);
  if (out.length >= mayBeOut) return wait(guard, "group_degraded", `${out.join(" and ")} to be in service again`);
  const text = `nothing here knows whether ${unknown.join(" and ")} is in service, so it may be the last one that is`;
  return refused(guard, "partner_unknown", text);
}
