import { expect, it } from "vitest";
import { patience } from "./patience.ts";

it("[J3] grows with the time that the step may take, and never falls below the agent's own settings", () => {
  const waits = [900_000, 1_800_000, 5_400_000].map((attemptMs) =>
    patience({ action: "ramdisk.await", deadlineMs: 1_000, attemptMs }),
  );
  expect(waits).toEqual([1, 1, 3]);
  expect(patience({ action: "unknown.action", deadlineMs: 5_400_000, attemptMs: 5_400_000 })).toBe(1);
});

it("[C5] takes the time that is left for the whole where a coordinator of before tells no other", () => {
  expect(patience({ action: "ramdisk.await", deadlineMs: 5_400_000 })).toBe(3);
});
