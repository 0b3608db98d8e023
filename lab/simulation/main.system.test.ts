import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const sim = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], { encoding: "utf8", timeout: 60_000 });

it.each([
  [["--seed", "-1"], "--seed wants a whole number from 1 on"],
  [["--mutant", "nope"], "There is no mutant nope; there are no-epoch-check, "],
  [["--seed", "1", "--log", "/nonexistent/x"], "--log /nonexistent/x cannot be written: ENOENT"],
  [["--seed", "1", "--log", tmpdir()], `--log ${tmpdir()} cannot be written: EISDIR`],
])("%j: one line and exit 2 before anything runs", (args, said) => {
  const { status, stdout, stderr } = sim(...args);
  expect([status, stdout, stderr.split("\n").length]).toEqual([2, "", 2]);
  expect(stderr.startsWith(said)).toBe(true);
});

it("counts one seed as one, and writes its log", () => {
  const dir = mkdtempSync(join(tmpdir(), "turnup-sim-"));
  try {
    const { status, stdout } = sim("--seed", "1", "--log", join(dir, "a"));
    expect(stdout.split("\n").at(-2)).toMatch(/^1 seed, \d+ events, 0 violations; /);
    expect(status).toBe(0);
    expect(readFileSync(join(dir, "a"), "utf8").split("\n").length).toBeGreaterThan(100);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
