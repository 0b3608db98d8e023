import { expect, it } from "vitest";
import { groups } from "./group.ts";
import { askOf, type Machines, policyWorld } from "./test-policy.ts";

const asked = (machines: Machines, mayBeOut?: number, unread: string[] = []) => {
  const group = { name: "r1-tor", kind: "switch-pair" as const, members: Object.keys(machines) };
  const policy = { groups: [{ ...group, ...(mayBeOut !== undefined && { mayBeOut }) }] };
  const world = policyWorld(machines, policy, { unread: new Set(unread) });
  return groups(world, askOf(world, "a"))[0];
};

it("[G2] never both of a pair: the partner must be in service", () => {
  expect(asked({ a: "active", b: "active" })?.verdict).toBe("pass");
  for (const state of ["failed", "draining", "maintenance", "installing"] as const)
    expect(asked({ a: "active", b: state })).toMatchObject({
      ...{ guard: "group r1-tor", verdict: "wait", code: "group_degraded", text: "b to be in service again" },
    });
});

it("[G2] a partner whose state is not known counts as out, and is told by its own code", () => {
  expect(asked({ a: "active", b: "gear" })).toMatchObject({ verdict: "refuse", code: "partner_unknown" });
  expect(asked({ a: "active", b: "active" }, undefined, ["dev_b"])).toMatchObject({ code: "partner_unknown" });
  // That one is out for certain says more than that of another it is not known.
  expect(asked({ a: "active", b: "gear", c: "failed" })).toMatchObject({ verdict: "wait", code: "group_degraded" });
});

it("[G2] a larger group may be short of as many as it says", () => {
  expect(asked({ a: "active", b: "failed", c: "active" }, 2)?.verdict).toBe("pass");
  expect(asked({ a: "active", b: "failed", c: "failed" }, 2)?.code).toBe("group_degraded");
  expect(asked({ a: "active", b: "failed", c: "gear" }, 2)?.code).toBe("partner_unknown");
});

it("[G2] what is out already may be worked on, whatever its partner does", () => {
  expect(asked({ a: "failed", b: "failed" })?.verdict).toBe("pass");
  expect(asked({ a: "draining", b: "failed" })?.code).toBe("group_degraded");
});
