import { expect, it } from "vitest";
import { patience } from "./patience.ts";

it("grows with the deadline, and never falls below the agent's own settings", () => {
  const waits = [900_000, 1_800_000, 5_400_000].map((deadlineMs) => patience({ action: "ramdisk.await", deadlineMs }));
  expect(waits).toEqual([1, 1, 3]);
  expect(patience({ action: "unknown.action", deadlineMs: 5_400_000 })).toBe(1);
});
