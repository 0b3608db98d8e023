import { describe, expect, it } from "vitest";
import { jobStates } from "../shared/model/job.ts";
import { exitOfJob, exitOfMany, exitOfStatus } from "./exit.ts";

describe("exit codes", () => {
  it("of a job, by its state and what succeeded", () => {
    const codes = Object.fromEntries(jobStates.map((state) => [state, [exitOfJob(state, 0), exitOfJob(state, 2)]]));
    expect(codes).toEqual({
      queued: [1, 1],
      running: [1, 1],
      waiting: [1, 3],
      paused: [1, 1],
      succeeded: [0, 0],
      partly: [3, 3],
      failed: [1, 1],
      cancelled: [1, 1],
    });
  });

  it("of many: all, none, some", () => {
    expect([exitOfMany(3, 0), exitOfMany(0, 3), exitOfMany(2, 1)]).toEqual([0, 2, 3]);
  });

  it("of an answer: 4xx is a refusal, anything else a failure", () => {
    expect([exitOfStatus(401), exitOfStatus(422), exitOfStatus(500), exitOfStatus(0)]).toEqual([2, 2, 1, 1]);
  });
});
