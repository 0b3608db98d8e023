import { expect, it } from "vitest";
import type { Policy } from "../policy.ts";
import { policyChanges } from "./diff.ts";

const policy: Policy = {
  schema: "turnup/policy/v1",
  site: "ams01",
  pools: [
    { name: "web", members: { roles: ["web"] }, floor: { count: 4 } },
    { name: "db", members: { roles: ["db"], devices: ["x-1", "x-2"] } },
  ],
  groups: [{ name: "tor", kind: "switch-pair", members: ["tor-a", "tor-b"] }],
  caps: { disruptive: 1 },
  holds: [{ on: "device:web-03", owner: "anna", reason: "data rescue" }],
  approvals: { "server.install": 1 },
  waves: { sizes: [1, "10%", "rest"], stop: { consecutive: 2 } },
};

it("the same policy changes nothing, in whatever order its parts stand", () => {
  expect(policyChanges(policy, { ...policy, pools: policy.pools?.toReversed() })).toEqual([]);
});

it("each change is a line of its own", () => {
  const after: Policy = {
    ...policy,
    pools: [
      { name: "web", members: { roles: ["web", "edge"] }, floor: { percent: 80 } },
      { name: "new", members: { racks: ["r01"] } },
    ],
    racks: { floor: { percent: 50 } },
    groups: [],
    caps: { disruptive: 2, perRack: 1 },
    holds: [{ on: "device:web-03", owner: "anna", reason: "data rescue", until: "2026-11-27T12:00:00Z" }],
    approvals: { "server.install": 2 },
    waves: { sizes: [2, "rest"], soakMinutes: 30 },
  };
  expect(policyChanges(policy, after)).toEqual([
    "pool web: floor 4 → 80 %",
    "pool web: roles web → web, edge",
    "pool new: new (racks r01)",
    "each rack: new (floor 50 %)",
    "cap disruptive: at 1 → 2",
    "cap perRack: new (at 1)",
    "hold of anna on device:web-03: until 2026-11-27T12:00:00Z, where nothing was said",
    "approvals of server.install: people 1 → 2",
    "waves: sizes 1, 10%, rest → 2, rest",
    "waves: stop.consecutive no longer said; it was 2",
    "waves: soakMinutes 30, where nothing was said",
    "pool db: gone (roles db; devices x-1, x-2)",
    "group tor: gone (kind switch-pair; members tor-a, tor-b)",
  ]);
});

it("of the first policy everything is new", () => {
  expect(policyChanges(undefined, policy)[0]).toBe("pool web: new (floor 4; roles web)");
});
