import { expect, it } from "vitest";
import { chaosPlan, type FaultName, FaultPlan, Faults, faultCatalog, isFatal, seededRandom } from "./faults.ts";

const names = Array.from({ length: 24 }, (_, i) => `m${i}`);

it("plants the same faults for the same seed, whatever the order of names, and others for another", () => {
  expect(chaosPlan(7, [...names].reverse())).toEqual(chaosPlan(7, names));
  expect(chaosPlan(8, names)).not.toEqual(chaosPlan(7, names));
});

it("plants every recoverable kind, and one each of the two that a human must decide, on machines of their own", () => {
  for (let seed = 0; seed < 50; seed++) {
    const { faults } = FaultPlan.parse(chaosPlan(seed, names));
    expect(new Set(faults.map((f) => f.machine)).size, `seed ${seed}`).toBe(faults.length);
    const kinds = faults.map((f) => f.fault);
    const fatal = kinds.filter(isFatal).sort();
    expect(fatal, `seed ${seed}`).toEqual(["disk-not-blank", "wrong-serial"]);
    const recoverable = (Object.keys(faultCatalog) as FaultName[]).filter((k) => k !== "dead-nic" && !isFatal(k));
    for (const kind of recoverable) expect(kinds, `seed ${seed}`).toContain(kind);
  }
});

it("strikes as often as counted, also over a restart", () => {
  const used = {};
  const planted = [{ machine: "a", fault: "lost-power", count: 3 } as const];
  const first = new Faults(planted, used, seededRandom(1));
  expect([first.strikes("lost-power"), first.strikes("lost-power")]).toEqual([true, true]);
  expect(first.strikes("bmc-503")).toBe(false);
  const restarted = new Faults(planted, JSON.parse(JSON.stringify(used)) as typeof used, seededRandom(1));
  expect([restarted.strikes("lost-power"), restarted.strikes("lost-power")]).toEqual([true, false]);
});

it("strikes with its probability, the same for the same seed", () => {
  const run = () => {
    const faults = new Faults([{ machine: "a", fault: "bmc-503", probability: 0.3 }], {}, seededRandom(5));
    return Array.from({ length: 1_000 }, () => faults.strikes("bmc-503"));
  };
  const strikes = run();
  expect(strikes).toEqual(run());
  const share = strikes.filter(Boolean).length / 1_000;
  expect(share).toBeGreaterThan(0.2);
  expect(share).toBeLessThan(0.4);
});

it("refuses a plan with an unknown fault or field", () => {
  expect(FaultPlan.safeParse({ faults: [{ machine: "a", fault: "gremlin" }] }).success).toBe(false);
  expect(FaultPlan.safeParse({ faults: [{ machine: "a", fault: "lost-power", often: 2 }] }).success).toBe(false);
});

it("with probability and count it strikes at most so often", () => {
  const faults = new Faults([{ machine: "a", fault: "bmc-503", count: 4, probability: 0.5 }], {}, seededRandom(3));
  const strikes = Array.from({ length: 200 }, () => faults.strikes("bmc-503"));
  expect(strikes.filter(Boolean)).toHaveLength(4);
  expect(strikes.slice(0, 4)).not.toEqual([true, true, true, true]);
});
