import { expect, it } from "vitest";
import { heldLine } from "./held.ts";

const by = { guard: "fleet budget", verdict: "wait", code: "budget_refused", text: "the fleet budget" } as const;

it("names the guard, its code and until when", () => {
  const now = Date.UTC(2026, 10, 25, 21);
  expect(heldLine({ ...by, until: now + 3_600_000 }, now)).toBe(
    "Held by: fleet budget (budget_refused); not before 2026-11-25 22:00:00 UTC, in 1 h 00 min",
  );
  expect(heldLine({ ...by, until: null }, now)).toBe("Held by: fleet budget (budget_refused); nobody knows until when");
});
