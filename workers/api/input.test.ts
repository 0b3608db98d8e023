import { describe, expect, it } from "vitest";
import { z } from "zod";
import { faultsOf, MAX_DEPTH, tooDeep } from "./input.ts";

describe("[S4] nesting", () => {
  it("is told from the text, brackets inside strings not counted", () => {
    expect(tooDeep("[".repeat(MAX_DEPTH) + "]".repeat(MAX_DEPTH))).toBe(false);
    expect(tooDeep("[".repeat(MAX_DEPTH + 1))).toBe(true);
    expect(tooDeep(JSON.stringify({ text: `"${"[{".repeat(500)}\\` }))).toBe(false);
    expect(tooDeep("[]".repeat(1000))).toBe(false);
    expect(tooDeep('{"a":'.repeat(MAX_DEPTH + 1))).toBe(true);
  });
});

describe("faults of a request", () => {
  const schema = z.object({
    what: z.union([
      z.strictObject({ plan: z.string(), hash: z.string() }),
      z.strictObject({ site: z.string(), targets: z.array(z.string()) }),
    ]),
  });
  const faults = (input: unknown) => faultsOf(schema.safeParse(input).error?.issues ?? []);

  it("point at the place, and of a choice at what the nearest form lacks", () => {
    expect(faults({ what: { plan: "p" } })).toMatchObject([{ code: "input_invalid_type", pointer: "/what/hash" }]);
    expect(faults({ what: { site: "s", targets: ["a", 7] } })).toMatchObject([{ pointer: "/what/targets/1" }]);
    expect(faults({})).toMatchObject([{ pointer: "/what" }]);
  });

  it("escape what JSON pointers escape", () => {
    const [fault] = faultsOf(z.object({ "a/b~c": z.string() }).safeParse({}).error?.issues ?? []);
    expect(fault?.pointer).toBe("/a~1b~0c");
  });
});
