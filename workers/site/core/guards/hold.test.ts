import { expect, it } from "vitest";
import { hold } from "./hold.ts";
import { OutOfService } from "./out.ts";
import { askOf, policyWorld } from "./test-policy.ts";

const asked = (on: string, name: string, until?: string) => {
  const one = { on, owner: "anna", reason: "data rescue", ...(until !== undefined && { until }) };
  const pools = [{ name: "web", members: { devices: ["a"] } }];
  const world = policyWorld({ a: "planned", b: "active" }, { pools, holds: [one] });
  return hold(world, askOf(world, name));
};

it("[G7] holds a device, a rack, a pool or the site, whatever its state, and says for whom it waits", () => {
  const on = ["device:a", "pool:web", "rack:r1", "site"];
  expect(on.map((what) => asked(what, "a").verdict)).toEqual(["wait", "wait", "wait", "wait"]);
  expect(on.map((what) => asked(what, "b").verdict)).toEqual(["pass", "pass", "wait", "wait"]);
  expect(asked("rack:r1", "b")).toEqual({
    ...{ guard: "hold", verdict: "wait", code: "held", until: null },
    text: "anna to end the hold on rack r1: data rescue",
  });
});

it("[G7] ends by itself where it says when", () => {
  expect(asked("site", "a", "2026-11-25T13:00:00Z")).toMatchObject({ until: Date.UTC(2026, 10, 25, 13) });
  expect(asked("site", "a", "2026-11-25T12:00:00Z").verdict).toBe("pass");
});

it("[G5] counts machines that are out, at the site and in a rack; one that is out keeps its place", () => {
  const out = new OutOfService({ disruptive: 3, perRack: 1 }, new Map([["dev_a", "r1"]]));
  expect(out.verdict("dev_a", "r1").verdict).toBe("pass");
  expect(out.verdict("dev_b", "r1")).toMatchObject({
    ...{ code: "cap_full", text: "a free place: 1 machine is out of service for jobs in rack r1" },
  });
  expect(out.verdict("dev_c", "r2").verdict).toBe("pass");
  out.take("dev_c", "r2");
  expect(out.full()).toBeUndefined();
  out.take("dev_d", "r3");
  expect(out.verdict("dev_e", "r4")).toMatchObject({
    ...{ code: "cap_full", text: "a free place: 3 machines are out of service for jobs at the site" },
  });
});
