import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadState, saveState } from "./machine-state.ts";

const path = () => join(mkdtempSync(join(tmpdir(), "turnup-state-")), "machines", "m.json");

it("starts off, and gives back what was saved last", () => {
  const file = path();
  const state = loadState(file);
  expect(state.phase).toBe("off");
  for (const phase of ["post", "netboot", "ram"] as const) {
    state.phase = phase;
    saveState(file, state);
    expect(loadState(file)).toEqual(state);
  }
});

it("falls back to the state before when a kill tore the newest, wherever it was cut", () => {
  const file = path();
  const state = loadState(file);
  state.phase = "post";
  saveState(file, state);
  state.phase = "os";
  saveState(file, state);
  const whole = readFileSync(file);
  const newer = whole.indexOf('"phase":"os"');
  expect(newer).toBeGreaterThanOrEqual(0);
  const end = whole.indexOf("\n", newer);
  for (const cut of [newer + 3, end]) {
    const torn = Buffer.from(whole);
    torn.fill(0, cut, end + 1);
    writeFileSync(file, torn);
    expect(loadState(file).phase).toBe("post");
  }
});

it("keeps a shorter state apart from the longer one that lay in its slot", () => {
  const file = path();
  const state = loadState(file);
  state.ram = { hello: true, commands: [], open: [], blank: ["x".repeat(500)] };
  saveState(file, state);
  saveState(file, state);
  state.ram = null;
  saveState(file, state);
  expect(loadState(file)).toEqual(state);
});
