import { describe, expect, it } from "vitest";
import { type TargetView, targetStates } from "../../shared/model/job.ts";
import { bar, progressLine, totals } from "./progress.ts";

const target = (over: Partial<TargetView>): TargetView => ({
  device: "dev_1",
  name: "r01-u10",
  serial: "S",
  state: "running",
  step: "write-image",
  stepsDone: 8,
  stepsTotal: 16,
  skipped: [],
  percent: null,
  waitingOn: "the image to be written",
  dueAt: null,
  failure: null,
  retries: 0,
  startedAt: 1_000,
  endedAt: null,
  ...over,
});

describe("progress", () => {
  it("the bar counts steps, and the current one by its percent", () => {
    const full = (over: Partial<TargetView>) => bar(target(over)).split("█").length - 1;
    expect([
      full({}),
      full({ stepsDone: 0 }),
      full({ stepsDone: 16 }),
      full({ stepsDone: 0, stepsTotal: 1, percent: 50 }),
    ]).toEqual([10, 0, 20, 10]);
    expect(bar(target({ stepsDone: 0, stepsTotal: 0 }))).toBe("░".repeat(20));
  });

  it("a line says the step, what it waits for, and for how long it has been going", () => {
    expect(progressLine(target({}), 13_300, 8, 200)).toBe(
      `▸ r01-u10   ${"█".repeat(10)}${"░".repeat(10)}      12.3 s  write-image, for the image to be written`,
    );
    expect(progressLine(target({ percent: 41.6 }), 13_300, 7, 200)).toMatch(/write-image 42 %$/);
  });

  it("a line says what became of a machine, and its clock stands then", () => {
    const failure = { code: "disk_not_blank", detail: "block 0 holds a partition table" };
    const line = progressLine(target({ state: "failed", failure, endedAt: 3_000 }), 99_000, 7, 200);
    expect(line).toContain(" 2.0 s  disk_not_blank: block 0 holds a partition table");
  });

  it("no line is wider than the terminal", () => {
    for (const state of targetStates)
      expect(progressLine(target({ state }), 2_000, 7, 30).length).toBeLessThanOrEqual(30);
  });

  it("the totals end in the three counts, when nothing is open any more", () => {
    const targets = (["succeeded", "failed", "cancelled", "waiting"] as const).map((state) => target({ state }));
    expect(totals({ targets })).toBe("1 active, 1 failed, 1 waiting, 1 cancelled");
    const all = [...targets, target({}), target({ state: "queued" })];
    expect(totals({ targets: all })).toBe("1 active, 1 failed, 1 waiting, 1 cancelled, 2 at work");
  });

  it("says until when a person is waited for", () => {
    const waiting = target({ state: "waiting", waitingOn: "a person to look", dueAt: Date.UTC(2026, 11, 2, 11) });
    expect(progressLine(waiting, 2_000, 7, 200)).toContain("waits for a person to look; until 2026-12-02 11:00:00 UTC");
  });
});
