/** What a plan would meet if it started now: every guard's verdict, from when on it may, and what it takes out of service. */
import type { Millis } from "../../../../shared/deps.ts";
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { Plan } from "../../../../shared/model/plan.ts";
import type { Floor, ResolvedPolicy } from "../../../../shared/model/policy/resolve.ts";
import type { Outage } from "../../../../shared/model/views.ts";
import { freeze } from "./freeze.ts";
import { type Ask, firstHeld, type PolicyWorld } from "./guard.ts";
import { hold } from "./hold.ts";
import { cabledRedundancy } from "./redundancy.ts";
import type { Service } from "./service.ts";
import { type Guarded, StepGuards } from "./step-guards.ts";
import { typicalMs } from "./typical.ts";
import { window } from "./window.ts";

export interface Outlook {
  guards: Verdict[];
  /** Unix ms from which windows, freezes and holds let all targets start; null: nobody knows; undefined: now. */
  earliest: Millis | null | undefined;
  /** Undefined where nothing leaves service. */
  outage: Outage | undefined;
}

/** A target with how long it would be out: from its first disruptive step to the end of its steps. */
interface Asked extends Ask {
  disrupts: boolean;
}

export function outlook(at: Guarded, plan: Plan): Outlook {
  const guards = new StepGuards(at);
  const asked = askAll(guards, plan);
  const { world } = guards;
  const leaving = asked.filter(({ disrupts }) => disrupts);
  return {
    guards: summed(asked.map((ask) => [ask.machine.name, guards.verdicts(ask, ask.disrupts)])),
    earliest: world && earliest(world, asked),
    outage: leaving.length === 0 ? undefined : outageOf(at, guards, leaving),
  };
}

function askAll(guards: StepGuards, plan: Plan): Asked[] {
  const actions = new Map<string, string[]>();
  const disrupting = new Set<string>();
  for (const { target, action, disrupts } of plan.steps) {
    if (disrupts) disrupting.add(target);
    const all = actions.get(target) ?? [];
    // What comes before the first disruptive step is done while the machine still serves.
    if (disrupts || all.length > 0) actions.set(target, [...all, action]);
  }
  return plan.targets.flatMap(({ device }) => {
    const machine = guards.machine(device);
    const ms = typicalMs(actions.get(device) ?? []);
    return machine ? [{ machine, disrupts: disrupting.has(device), restMs: () => ms }] : [];
  });
}

const GRAVITY = { pass: 0, wait: 1, refuse: 2 } as const;

/** One verdict for each guard: the gravest of all targets, with whose it is. */
function summed(all: readonly (readonly [name: string, verdicts: readonly Verdict[]])[]): Verdict[] {
  const worst = new Map<string, { verdict: Verdict; names: string[] }>();
  for (const [name, verdicts] of all) {
    for (const verdict of verdicts) {
      const known = worst.get(verdict.guard);
      const by = GRAVITY[verdict.verdict] - (known ? GRAVITY[known.verdict.verdict] : -1);
      if (!known || by > 0) worst.set(verdict.guard, { verdict, names: [name] });
      else if (by === 0) known.names.push(name);
    }
  }
  return [...worst.values()].map(({ verdict, names: [first, ...others] }) => {
    if (all.length === 1 || verdict.verdict === "pass") return verdict;
    const whose = others.length === 0 ? first : `${first} and ${others.length} more`;
    return { ...verdict, text: `${verdict.text}, for ${whose}` };
  });
}

/** Windows, freezes and holds that follow each other are passed one by one; more than this in a row is no plan. */
const MOST_TURNS = 50;

function earliest(world: PolicyWorld, asked: readonly Asked[]): Millis | null | undefined {
  const worlds = new Map([[world.now, world]]);
  const at = (now: Millis): PolicyWorld => {
    const known = worlds.get(now) ?? { ...world, now };
    worlds.set(now, known);
    return known;
  };
  let latest = world.now;
  for (const ask of asked) {
    const from = earliestOf(at, ask, world.now);
    if (from === null) return null;
    latest = Math.max(latest, from);
  }
  return latest === world.now ? undefined : latest;
}

function earliestOf(at: (now: Millis) => PolicyWorld, ask: Asked, start: Millis): Millis | null {
  let now = start;
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const world = at(now);
    const held = firstHeld([hold(world, ask), ...(ask.disrupts ? [freeze(world, ask), window(world, ask)] : [])]);
    if (!held) return now;
    const until = held.until ?? null;
    if (until === null || until <= now) return null;
    now = until;
  }
  return null;
}

function outageOf({ sql }: Guarded, guards: StepGuards, leaving: readonly Asked[]): Outage {
  const { world } = guards;
  const names = leaving.map(({ machine }) => machine.name);
  const atOnce = Math.min(guards.caps.disruptive, leaving.length);
  return {
    machines: leaving.length,
    seconds: Math.max(...leaving.map(({ restMs }) => restMs())) / 1000,
    atOnce,
    floors: world ? floorsOf(world, leaving, atOnce) : [],
    losesRedundancy: [...(world ? groupsOf(world, names) : []), ...cabledRedundancy(sql, names)],
  };
}

function floorsOf({ policy, service }: PolicyWorld, leaving: readonly Asked[], atOnce: number): Outage["floors"] {
  const going = new Map<Floor, number>();
  for (const { machine } of leaving)
    if (machine.state === "active")
      for (const floor of policy.floorsOf.get(machine.name) ?? []) going.set(floor, (going.get(floor) ?? 0) + 1);
  return [...going].map(([floor, n]) => {
    const inService = service.inService(floor);
    const { of, machines, least } = floor;
    return { of, machines: machines.length, inService, least, after: inService - Math.min(n, atOnce) };
  });
}

function groupsOf({ policy, service }: PolicyWorld, names: readonly string[]): string[] {
  return names.flatMap((name) =>
    (policy.groupsOf.get(name) ?? []).map((group) => {
      const others = othersOf(group, name, service);
      return `group ${group.name}: while ${name} is out, ${others.length > 0 ? `only ${others.join(" and ")}` : "nothing"} of it is known to be in service`;
    }),
  );
}

const othersOf = (group: ResolvedPolicy["groups"][number], self: string, service: Service): string[] =>
  group.members.filter(
    (name) => name !== self && service.named(name)?.known && service.named(name)?.state === "active",
  );
