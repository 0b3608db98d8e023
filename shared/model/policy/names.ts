import type { Millis } from "../../deps.ts";
import type { Policy } from "../policy.ts";
import { type Faults, pointerTo } from "../site-file/faults.ts";
import { instead, oneOf } from "../site-file/nearest.ts";
import { leastOf, Places } from "./resolve.ts";
import type { PolicyDevice, PolicySite } from "./world.ts";

/** The names of a site by kind, and what a fault is called that names another one. */
interface Names {
  device: readonly string[];
  rack: readonly string[];
  role: readonly string[];
  pool: readonly string[];
}

/** Names for which the nearest one is looked for, among all of a kind: the others only follow from the same slip (S4). */
const MAX_HINTS = 50;

/**
 * Judges what a policy says of the things of its site: that they are there, and that no floor is above what there is. A
 * policy that was right may become wrong by it when the site changes, and by nothing else.
 */
export function checkAgainstSite(policy: Policy, site: PolicySite, faults: Faults, now: Millis): void {
  const names: Names = {
    device: site.devices.map((device) => device.name),
    rack: site.racks,
    role: [...new Set(site.devices.map((device) => device.role))],
    pool: [...new Set((policy.pools ?? []).map((pool) => pool.name))],
  };
  const places = new Places(site);
  const known = new Map(Object.entries(names).map(([kind, all]) => [kind, new Set(all)]));
  let hints = 0;
  const has = (kind: keyof Names, name: string, pointer: string): boolean => {
    if (faults.broken(pointer) || known.get(kind)?.has(name)) return true;
    hints += 1;
    const write = hints > MAX_HINTS ? oneOf(names[kind]) : instead(name, names[kind]);
    faults.add(`${kind}_missing`, pointer, `the site has no ${kind} "${name}"`, write);
    return false;
  };
  const all = (kind: keyof Names, given: readonly string[] | undefined, at: string): boolean =>
    (given ?? []).map((name, i) => has(kind, name, `${at}/${i}`)).every(Boolean);

  policy.pools?.forEach((pool, i) => {
    const at = `/pools/${i}`;
    if (["roles", "racks", "devices"].some((key) => faults.broken(`${at}/members/${key}`))) return;
    const { roles, racks, devices } = pool.members;
    const there = [
      all("role", roles, `${at}/members/roles`),
      all("rack", racks, `${at}/members/racks`),
      all("device", devices, `${at}/members/devices`),
    ].every(Boolean);
    if (!there) return;
    const members = places.inPool(pool);
    if (members.length === 0) {
      const text = `no device belongs to the pool ${pool.name}`;
      faults.add("pool_empty", `${at}/members`, text, "roles, racks or devices that the site has");
    } else if (pool.floor) checkFloor(`the pool ${pool.name}`, pool.floor, members, `${at}/floor`, faults);
  });
  for (const [role, floor] of Object.entries(policy.roles ?? {})) {
    const pointer = `/roles${pointerTo([role])}`;
    if (!has("role", role, pointer)) continue;
    const members = places.ofRole(role);
    checkFloor(`the role ${role}`, floor, members, pointer, faults);
  }
  checkRackFloor(policy, site, faults);
  policy.groups?.forEach((group, i) => {
    all("device", group.members, `/groups/${i}/members`);
  });
  policy.windows?.forEach((window, i) => {
    all("pool", window.pools, `/windows/${i}/pools`);
  });
  policy.holds?.forEach(({ on, until }, i) => {
    // What is over by itself keeps nothing in the site.
    if (until !== undefined && Date.parse(until) <= now) return;
    const [, kind, name] = /^(device|rack|pool):(.+)$/.exec(on) ?? [];
    if (kind !== undefined && name !== undefined) has(kind as keyof Names, name, `/holds/${i}/on`);
  });
}

type Floor = NonNullable<Policy["racks"]>["floor"];

function checkFloor(what: string, floor: Floor, members: readonly PolicyDevice[], at: string, faults: Faults): void {
  if (faults.broken(at) || faults.broken(`${at}/count`)) return;
  const machines = members.filter((device) => device.machine).length;
  if (machines === 0) {
    const text = `${what} has no machine that Turnup installs, and of other gear it does not know whether it is in service`;
    faults.add("floor_without_machines", at, text, "no floor here; a group, for switches");
  } else if ((floor.count ?? 0) > machines) {
    const text = `the floor is ${floor.count} and ${what} has ${machines} ${machines === 1 ? "machine" : "machines"}`;
    faults.add("floor_above_pool", `${at}/count`, text, `count: ${Math.max(1, machines - 1)}`);
  }
}

function checkRackFloor({ racks }: Policy, site: PolicySite, faults: Faults): void {
  if (!racks || faults.broken("/racks")) return;
  const { floor } = racks;
  const sizes = Map.groupBy(
    site.devices.filter((device) => device.machine),
    (device) => device.rack,
  );
  for (const [rack, machines] of sizes) {
    if (leastOf(floor, machines.length) <= machines.length) continue;
    const text = `the floor is ${floor.count} in each rack and rack ${rack} has ${machines.length} machines`;
    faults.add("floor_above_pool", "/racks/floor/count", text, "percent: 50, which fits racks of all sizes");
    return;
  }
}
