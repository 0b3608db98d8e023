/** Seeds that once broke a rule, each with what it found. */
import { expect, it } from "vitest";
import { runSeed } from "./run.ts";

it.each([
  [57, "[E3] the first clean read of a finding raised a version that was never sent"],
  [143, "[J3] skipping a step of a job that had ended opened it again without a deadline"],
])("seed %i: %s", async (seed) => {
  const { violation, events } = await runSeed(seed);
  expect(violation).toBeUndefined();
  expect(events).toBeGreaterThan(400);
});

it("one seed decides everything: run twice, it writes the same log", async () => {
  const [a, b] = [await runSeed(7, { wholeLog: true }), await runSeed(7, { wholeLog: true })];
  expect(a.log.length).toBeGreaterThan(100);
  expect(a.log.join("\n")).toBe(b.log.join("\n"));
});
