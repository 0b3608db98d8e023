import { expect, it } from "vitest";
import { floors } from "./floor.ts";
import { askOf, type Machines, policyWorld } from "./test-policy.ts";

const pool = (floor: { count?: number; percent?: number }) => ({
  pools: [{ name: "web", members: { roles: ["web"] }, floor }],
});
const asked = (machines: Machines, floor: { count?: number; percent?: number }, name = "a") => {
  const world = policyWorld(machines, pool(floor));
  return floors(world, askOf(world, name))[0];
};

it("[G1] lets a machine go while as many as must stay in service; failed, drained and planned ones count as out", () => {
  const active = { a: "active", b: "active", c: "active" } as const;
  expect(asked(active, { count: 2 })).toMatchObject({ guard: "floor of pool web", verdict: "pass" });
  for (const state of ["failed", "draining", "maintenance", "installing", "planned"] as const)
    expect(asked({ ...active, c: state }, { count: 2 })).toMatchObject({
      ...{ verdict: "wait", code: "below_floor", until: null },
      text: "1 more of pool web to be in service: 2 of 3 are, and 2 must stay",
    });
});

it("[G1] a share is rounded up", () => {
  const four = { a: "active", b: "active", c: "active", d: "active" } as const;
  expect(asked(four, { percent: 75 })?.verdict).toBe("pass");
  expect(asked(four, { percent: 76 })?.verdict).toBe("refuse");
});

it("[G1] a floor that is broken already lets nothing more go, but what is out be worked on", () => {
  const broken = { a: "active", b: "failed", c: "maintenance", d: "draining" } as const;
  expect(asked(broken, { count: 3 })).toMatchObject({ verdict: "wait", code: "below_floor" });
  expect(asked(broken, { count: 3 }, "b")?.verdict).toBe("pass");
  expect(asked(broken, { count: 3 }, "c")?.verdict).toBe("pass");
  // It can still be given back, so it is asked for.
  expect(asked(broken, { count: 3 }, "d")).toMatchObject({ verdict: "wait", code: "below_floor" });
  expect(asked({ ...broken, b: "active", c: "active" }, { count: 3 }, "d")?.verdict).toBe("pass");
});

it("[G1] a pool of one whose one must stay is refused: waiting mends nothing", () => {
  expect(asked({ a: "active" }, { count: 1 })).toMatchObject({
    ...{ verdict: "refuse", code: "below_floor" },
    text: "pool web has 1, and 1 must stay in service: none can go",
  });
});

it("[G1] racks and roles have floors too, and each is told by itself", () => {
  const machines = { a: "active", b: "active", c: "failed" } as const;
  const world = policyWorld(machines, { racks: { floor: { percent: 30 } }, roles: { web: { count: 2 } } });
  expect(floors(world, askOf(world, "a")).map(({ guard, verdict }) => [guard, verdict])).toEqual([
    ["floor of role web", "wait"],
    ["floor of rack r1", "pass"],
  ]);
});

it("[G1] the counts follow the machines as they move", () => {
  const world = policyWorld({ a: "active", b: "active", c: "active" }, pool({ count: 2 }));
  const verdict = () => floors(world, askOf(world, "a"))[0]?.verdict;
  world.service.move("dev_b", "draining");
  world.service.move("dev_b", "maintenance");
  expect(verdict()).toBe("wait");
  world.service.move("dev_b", "active");
  world.service.move("dev_unknown", "active");
  expect(verdict()).toBe("pass");
});

it("[G1][J4] a machine on which something was done that nobody has read counts as out", () => {
  const machines = { a: "active", b: "active", c: "active" } as const;
  const world = policyWorld(machines, pool({ count: 2 }), { unread: new Set(["dev_c"]) });
  expect(floors(world, askOf(world, "a"))[0]).toMatchObject({ verdict: "wait", code: "below_floor" });
});
