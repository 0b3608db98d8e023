/** Each defect that a seed once found, planted anew: the simulation still finds it, by the rule that it broke. */
import { expect, it } from "vitest";
import { pastDefects } from "./past-defects.ts";
import { runPool } from "./pool.ts";
import { runSeed } from "./run.ts";

/** Seeds that each gets; the first that finds it ends the run. Most need a few dozen. */
const SEEDS = 400;

it.each(pastDefects)("[$rule] $found", { timeout: 300_000 }, async ({ name, rule }) => {
  const { failed, seeds } = await runPool({ first: 1, seeds: SEEDS, mutant: name, stopAtFirst: true });
  const [first] = failed;
  expect(first?.violation?.rule, `not found in ${seeds} seeds`).toBe(rule);
  // The seed breaks nothing by itself: it is the defect that it finds.
  const { violation, events } = await runSeed(first?.seed ?? 0);
  expect(violation).toBeUndefined();
  expect(events).toBeGreaterThan(400);
});

it("one seed decides everything: run twice, it writes the same log", async () => {
  const [a, b] = [await runSeed(7, { wholeLog: true }), await runSeed(7, { wholeLog: true })];
  expect(a.log.length).toBeGreaterThan(100);
  expect(a.log.join("\n")).toBe(b.log.join("\n"));
});
