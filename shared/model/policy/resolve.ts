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

/** The devices of a site, found by what they are. */
export class Places {
  readonly #named: ReadonlyMap<string, PolicyDevice>;
  readonly #ofRole: ReadonlyMap<string, readonly PolicyDevice[]>;
  readonly #inRack: ReadonlyMap<string, readonly PolicyDevice[]>;

  constructor({ devices }: PolicySite) {
    this.#named = new Map(devices.map((device) => [device.name, device]));
    this.#ofRole = Map.groupBy(devices, (device) => device.role);
    this.#inRack = Map.groupBy(devices, (device) => device.rack);
  }

  ofRole = (role: string): readonly PolicyDevice[] => this.#ofRole.get(role) ?? [];
  inRack = (rack: string): readonly PolicyDevice[] => this.#inRack.get(rack) ?? [];

  /** The devices of a pool: those of its roles, within its racks if it names some, and those it names. */
  inPool({ members: { roles, racks, devices } }: PoolEntry): PolicyDevice[] {
    const within = new Set(racks);
    const chosen =
      roles === undefined
        ? (racks ?? []).flatMap(this.inRack)
        : roles.flatMap(this.ofRole).filter(({ rack }) => racks === undefined || within.has(rack));
    const named = (devices ?? []).flatMap((name) => this.#named.get(name) ?? []);
    return [...new Set([...chosen, ...named])];
  }
}

/** Resolves a policy that has been judged; a name that is not there any more stands for nothing. */
export function resolvePolicy(policy: Policy, site: PolicySite): ResolvedPolicy {
  const places = new Places(site);
  const pools = new Map<string, ResolvedPool>();
  const floors: Floor[] = [];
  const floor = (of: string, entry: FloorEntry | undefined, members: readonly PolicyDevice[]) => {
    if (!entry) return;
    const machines = members.filter((device) => device.machine).map((device) => device.name);
    if (machines.length > 0) floors.push({ of, machines, least: leastOf(entry, machines.length) });
  };
  for (const pool of policy.pools ?? []) {
    const members = places.inPool(pool);
    pools.set(pool.name, {
      name: pool.name,
      members: members.map((device) => device.name).sort(),
      hook: pool.drain?.hook,
    });
    floor(`pool ${pool.name}`, pool.floor, members);
  }
  for (const [role, entry] of Object.entries(policy.roles ?? {})) floor(`role ${role}`, entry, places.ofRole(role));
  if (policy.racks) for (const rack of site.racks) floor(`rack ${rack}`, policy.racks.floor, places.inRack(rack));
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
