import { expect, it } from "vitest";
import { isFinal, jobStates, stepStates, targetStates } from "../../../shared/model/job.ts";
import { jobLimits, stepDueAt, stepLimits, targetLimits } from "./limits.ts";

it("[J3] every state has a limit, and only final ones have none", () => {
  const total = <S extends string>(
    states: readonly S[],
    table: Record<S, { limit: unknown }>,
    final: (s: S) => boolean,
  ) => {
    expect(Object.keys(table).sort()).toEqual([...states].sort());
    for (const state of states) expect([state, table[state].limit === "none"]).toEqual([state, final(state)]);
  };
  total(stepStates, stepLimits, isFinal.step);
  total(targetStates, targetLimits, isFinal.target);
  total(jobStates, jobLimits, isFinal.job);
});

it("[J3] an open step is always due, whatever its state", () => {
  const due = stepStates.map((s) => [s, stepDueAt(s, s === "blocked" ? null : 1_000, 9_000)]);
  expect(Object.fromEntries(due)).toEqual({
    blocked: 9_000,
    ready: 1_000 + 6 * 3_600_000,
    leased: 1_000,
    running: 1_000,
    unknown: 1_000 + 6 * 3_600_000,
    succeeded: null,
    failed: null,
    skipped: null,
    cancelled: null,
  });
});
