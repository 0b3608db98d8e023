import { describe, expect, it } from "vitest";
import { mutants } from "./mutants.ts";
import { mutated } from "./mutate.ts";

describe("the seeded defects", () => {
  it.each(mutants)("$name has its place in $file", (mutant) => {
    expect(mutated(mutant)).toContain(mutant.to);
  });

  it("are refused where their place is not there once", () => {
    const mutant = { name: "x", rule: "L1", file: "-", from: "a", to: "b" };
    expect(() => mutated(mutant, "nothing")).toThrow("0 times");
    expect(() => mutated(mutant, "a, a")).toThrow("2 times");
  });
});
