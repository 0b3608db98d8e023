/** Two hundred seeds through the door that people use; every fault, move of a state and rule must have been met. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], { encoding: "utf8" });

it("[J10][L1][L2][L6][C1][E3] no rule breaks in 200 seeds", { timeout: 300_000 }, () => {
  const { status, stdout } = run("--seeds", "200");
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  expect(last, stdout.slice(-4000)).toMatch(
    /^200 seeds, \d+ events, 0 violations; faults (\d+)\/\1, transitions (\d+)\/\2, rules (\d+)\/\3$/,
  );
  expect(status).toBe(0);
});

it("a seeded defect is found, with the command that repeats it", { timeout: 300_000 }, () => {
  const { status, stdout } = run("--seeds", "3", "--mutant", "report-applied-twice");
  expect(stdout).toMatch(/repeat it: npm run -s sim -- --seed \d+ --mutant report-applied-twice/);
  expect(status).toBe(1);
});

it("bad arguments are refused in words", () => {
  for (const args of [
    ["--seeds", "x"],
    ["--mutant", "none-such"],
  ])
    expect(run(...args).status).toBe(2);
});
