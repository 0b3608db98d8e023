import { describe, expect, it } from "vitest";
import { MAX_DEPTH, tooDeep } from "./input.ts";

describe("[S4] nesting", () => {
  it("is told from the text, brackets inside strings not counted", () => {
    expect(tooDeep("[".repeat(MAX_DEPTH) + "]".repeat(MAX_DEPTH))).toBe(false);
    expect(tooDeep("[".repeat(MAX_DEPTH + 1))).toBe(true);
    expect(tooDeep(JSON.stringify({ text: `"${"[{".repeat(500)}\\` }))).toBe(false);
    expect(tooDeep("[]".repeat(1000))).toBe(false);
    expect(tooDeep('{"a":'.repeat(MAX_DEPTH + 1))).toBe(true);
  });
});
