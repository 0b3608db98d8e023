/** A site of a few machines with a policy, for the tests of guards. */
import type { DeviceState } from "../../../../shared/model/lifecycle.ts";
import { resolvePolicy } from "../../../../shared/model/policy/resolve.ts";
import type { PolicySite } from "../../../../shared/model/policy/world.ts";
import type { Policy } from "../../../../shared/model/policy.ts";
import type { Ask, PolicyWorld } from "./guard.ts";
import { type Machine, Service } from "./service.ts";

export type Machines = Readonly<Record<string, DeviceState | "gear">>;

/** Machines `a`, `b` … of the role web in rack r1, in these states; `gear` is what Turnup does not install. */
export function policyWorld(
  machines: Machines,
  policy: Omit<Policy, "schema" | "site">,
  more: Partial<PolicyWorld> = {},
): PolicyWorld {
  const all: Machine[] = Object.entries(machines).map(([name, state]) => ({
    ...{ id: `dev_${name}`, name, rack: "r1", known: state !== "gear" },
    state: state === "gear" ? "planned" : state,
  }));
  const devices = all.map(({ name, rack, known }) => ({ name, rack, role: "web", machine: known }));
  const site: PolicySite = { name: "ams01", racks: ["r1"], devices };
  const resolved = resolvePolicy({ schema: "turnup/policy/v1", site: "ams01", ...policy }, site);
  return {
    ...{ now: Date.UTC(2026, 10, 25, 12), site: "ams01", policy: resolved },
    ...{ service: new Service(all, resolved), unread: new Set<string>() },
    ...more,
  };
}

/** A step that would start on the machine, the first of so many minutes. */
export function askOf({ service }: PolicyWorld, name: string, minutes = 30): Ask {
  const machine = service.named(name);
  if (!machine) throw new Error(`no machine ${name}`);
  return { machine, restMs: () => minutes * 60_000 };
}
