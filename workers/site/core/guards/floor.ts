/** G1: after the step at least so many machines of each pool, role and rack are in service; whatever is not counts as out. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { Floor } from "../../../../shared/model/policy/resolve.ts";
import { type Ask, isServing, type PolicyWorld, pass, refused, wait } from "./guard.ts";

export const floors = (world: PolicyWorld, { machine }: Pick<Ask, "machine">): Verdict[] =>
  (world.policy.floorsOf.get(machine.name) ?? []).map((floor) => {
    const guard = `floor of ${floor.of}`;
    if (!isServing(machine)) return pass(guard, `${machine.name} is ${machine.state}: out of service already`);
    const now = world.service.inService(floor) - unreadIn(world, floor);
    return judge(guard, floor, now, machine.state === "active" ? now - 1 : now);
  });

/** Machines that count as in service and of which nobody knows what was done there: they count as out. */
function unreadIn({ unread, service, policy }: PolicyWorld, floor: Floor): number {
  const active = [...unread].map((id) => service.byId(id)).filter((machine) => machine?.state === "active");
  return active.filter((machine) => policy.floorsOf.get(machine?.name ?? "")?.includes(floor)).length;
}

function judge(guard: string, { of, machines, least }: Floor, now: number, after: number): Verdict {
  if (after >= least) return pass(guard, `${after} of ${machines.length} stay in service, and ${least} must`);
  if (machines.length - 1 < least)
    return refused(
      guard,
      "below_floor",
      `${of} has ${machines.length}, and ${least} must stay in service: none can go`,
    );
  const more = least - after;
  return wait(
    guard,
    "below_floor",
    `${more} more of ${of} to be in service: ${now} of ${machines.length} are, and ${least} must stay`,
  );
}
