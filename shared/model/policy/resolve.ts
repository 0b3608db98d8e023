import type { FloorEntry, Policy, PolicyWindow } from "../policy.ts";
import type { PolicyDevice, PolicySite } from "./world.ts";

/** How many of these machines must stay in service (G1). */
export interface Floor {
  /** For people: "pool web", "role compute", "rack r01". */
  of: string;
  /** Names of machines that Turnup installs; other gear has no state here that it could be out of. */
  machines: readonly string[];
  /** At least so many. */
  least: number;
}

export interface ResolvedPool {
  name: string;
  /** Names of all its devices, sorted. */
  members: readonly string[];
  hook: string | undefined;
}

/** At most `mayBeOut` of the members may be out at once (G2). */
export interface ResolvedGroup {
  name: string;
  kind: NonNullable<Policy["groups"]>[number]["kind"];
  members: readonly string[];
  mayBeOut: number;
}

/** A policy with every name resolved against the site as it is; devices stand in it by name. */
export interface ResolvedPolicy {
  policy: Policy;
  pools: ReadonlyMap<string, ResolvedPool>;
  floors: readonly Floor[];
  groups: readonly ResolvedGroup[];
  /** By the name of a device: what it belongs to. Not there: nothing. */
  poolsOf: ReadonlyMap<string, readonly string[]>;
  floorsOf: ReadonlyMap<string, readonly Floor[]>;
  groupsOf: ReadonlyMap<string, readonly ResolvedGroup[]>;
}

type PoolEntry = NonNullable<Policy["pools"]>[number];

/** How many of so many a floor asks for. */
export const leastOf = ({ count, percent }: FloorEntry, machines: number): number =>
  Math.max(count ?? 0, Math.ceil(((percent ?? 0) * machines) / 100));

/** The devices of a pool: those of its roles, within its racks if it names some, and those it names. */
export function membersOf({ members: { roles, racks, devices } }: PoolEntry, site: PolicySite): PolicyDevice[] {
  const named = new Set(devices);
  const byRack = racks === undefined ? undefined : new Set(racks);
  const byRole = roles === undefined ? undefined : new Set(roles);
  const chosen = ({ role, rack }: PolicyDevice) =>
    (byRole !== undefined || byRack !== undefined) && (byRole?.has(role) ?? true) && (byRack?.has(rack) ?? true);
  return site.devices.filter((device) => named.has(device.name) || chosen(device));
}

/** Resolves a policy that has been judged; a name that is not there any more stands for nothing. */
export function resolvePolicy(policy: Policy, site: PolicySite): ResolvedPolicy {
  const pools = new Map<string, ResolvedPool>();
  const floors: Floor[] = [];
  const floor = (of: string, entry: FloorEntry | undefined, members: readonly PolicyDevice[]) => {
    if (!entry) return;
    const machines = members.filter((device) => device.machine).map((device) => device.name);
    if (machines.length > 0) floors.push({ of, machines, least: leastOf(entry, machines.length) });
  };
  for (const pool of policy.pools ?? []) {
    const members = membersOf(pool, site);
    pools.set(pool.name, {
      name: pool.name,
      members: members.map((device) => device.name).sort(),
      hook: pool.drain?.hook,
    });
    floor(`pool ${pool.name}`, pool.floor, members);
  }
  for (const [role, entry] of Object.entries(policy.roles ?? {}))
    floor(
      `role ${role}`,
      entry,
      site.devices.filter((device) => device.role === role),
    );
  if (policy.racks) {
    const inRack = Map.groupBy(site.devices, (device) => device.rack);
    for (const rack of site.racks) floor(`rack ${rack}`, policy.racks.floor, inRack.get(rack) ?? []);
  }
  const groups = (policy.groups ?? []).map(({ name, kind, members, mayBeOut = 1 }) => ({
    name,
    kind,
    members,
    mayBeOut,
  }));
  return {
    policy,
    pools,
    floors,
    groups,
    poolsOf: byDevice(
      [...pools.values()],
      (pool) => pool.members,
      (pool) => pool.name,
    ),
    floorsOf: byDevice(
      floors,
      (one) => one.machines,
      (one) => one,
    ),
    groupsOf: byDevice(
      groups,
      (one) => one.members,
      (one) => one,
    ),
  };
}

/** The windows that are for a device: those of its pools, and those that are for all. */
export function windowsFor({ policy, poolsOf }: ResolvedPolicy, device: string): PolicyWindow[] {
  const own = poolsOf.get(device) ?? [];
  return (policy.windows ?? []).filter(({ pools }) => pools === undefined || pools.some((pool) => own.includes(pool)));
}

function byDevice<T, V>(
  all: readonly T[],
  devicesOf: (one: T) => readonly string[],
  value: (one: T) => V,
): ReadonlyMap<string, readonly V[]> {
  const out = new Map<string, V[]>();
  for (const one of all) {
    for (const device of new Set(devicesOf(one))) {
      const known = out.get(device);
      if (known) known.push(value(one));
      else out.set(device, [value(one)]);
    }
  }
  return out;
}
