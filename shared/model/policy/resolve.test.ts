import { expect, it } from "vitest";
import type { Policy } from "../policy.ts";
import { resolvePolicy, windowsFor } from "./resolve.ts";
import type { PolicySite } from "./world.ts";

const device = (name: string, role: string, rack: string, machine = true) => ({ name, role, rack, machine });
const site: PolicySite = {
  name: "ams01",
  racks: ["r01", "r02", "r03"],
  devices: [
    device("tor-a", "tor", "r01", false),
    device("web-01", "web", "r01"),
    device("web-02", "web", "r02"),
    device("web-03", "web", "r02"),
    device("db-01", "db", "r02"),
  ],
};
const window = { rrule: "FREQ=DAILY", timeZone: "UTC", minutes: 60 };
const policy: Policy = {
  schema: "turnup/policy/v1",
  site: "ams01",
  pools: [
    { name: "web", members: { roles: ["web"] }, floor: { percent: 50 } },
    { name: "r02", members: { racks: ["r02"] }, floor: { count: 1 } },
    { name: "some", members: { roles: ["web"], racks: ["r02"], devices: ["tor-a", "db-01"] } },
  ],
  racks: { floor: { percent: 50 } },
  roles: { db: { count: 1 } },
  groups: [{ name: "pair", kind: "other", members: ["web-01", "web-02"] }],
  windows: [
    { name: "all", ...window },
    { name: "web", ...window, pools: ["web"] },
  ],
};
const resolved = resolvePolicy(policy, site);

it("members are those of the roles, within the racks, and those that are named", () => {
  const members = [...resolved.pools.values()].map((pool) => [pool.name, ...pool.members].join(" "));
  expect(members).toEqual(["web web-01 web-02 web-03", "r02 db-01 web-02 web-03", "some db-01 tor-a web-02 web-03"]);
});

it("floors count machines, and a percentage is rounded up", () => {
  expect(resolved.floors.map(({ of, machines, least }) => `${of}: ${least} of ${machines.length}`)).toEqual([
    "pool web: 2 of 3",
    "pool r02: 1 of 3",
    "role db: 1 of 1",
    "rack r01: 1 of 1",
    "rack r02: 2 of 3",
  ]);
});

it("each device knows what it belongs to", () => {
  expect(resolved.poolsOf.get("web-02")).toEqual(["web", "r02", "some"]);
  expect(resolved.floorsOf.get("db-01")?.map((floor) => floor.of)).toEqual(["pool r02", "role db", "rack r02"]);
  expect(resolved.floorsOf.get("tor-a")).toBeUndefined();
  expect(resolved.groupsOf.get("web-01")?.map((group) => [group.name, group.mayBeOut])).toEqual([["pair", 1]]);
});

it("windows without pools are for all", () => {
  expect(windowsFor(resolved, "web-01").map((one) => one.name)).toEqual(["all", "web"]);
  expect(windowsFor(resolved, "db-01").map((one) => one.name)).toEqual(["all"]);
});

it("a name that is gone stands for nothing", () => {
  const rest = resolvePolicy(policy, { ...site, devices: site.devices.slice(0, 2) });
  expect(rest.floors.map((floor) => floor.of)).toEqual(["pool web", "rack r01"]);
});
