import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { faultsOf, jsonFault, MAX_DEPTH, PageQuery, Ref } from "./input.ts";

describe("[S4] JSON that is unfit", () => {
  const deep = `The JSON nests deeper than ${MAX_DEPTH} levels.`;
  const twice = (key: string) => `The JSON has the key ${key} twice in one object.`;

  it.each<[string, string, string | undefined]>([
    ["as deep as allowed", "[".repeat(MAX_DEPTH) + "]".repeat(MAX_DEPTH), undefined],
    ["one level deeper", "[".repeat(MAX_DEPTH + 1), deep],
    ["deeper by objects", '{"a":'.repeat(MAX_DEPTH + 1), deep],
    ["brackets inside of strings", JSON.stringify({ text: `"${"[{".repeat(500)}\\` }), undefined],
    ["many brackets side by side", "[]".repeat(1000), undefined],
    ["a key twice", '{"a":1,"b":2,"a":3}', twice("a")],
    ["a key twice, far inside", '{"a":[{"b":{"c":1, "c" : 2}}]}', twice("c")],
    ["a key twice, once escaped", '{"a":1,"\\u0061":2}', twice("a")],
    ["a key once in each of many objects", '{"a":{"a":1},"b":[{"a":1},{"a":2}]}', undefined],
    ["a value that is a key elsewhere", '{"a":"b","b":"a","c":["a","a"]}', undefined],
    ["a key that ends in an escape", '{"a\\"":1,"a":2}', undefined],
    ["the prototype", '{"params":{"__proto__":{"x":1}}}', "The JSON has the key __proto__, which names nothing here."],
    ["the prototype, escaped", '{"__pr\\u006fto__":1}', "The JSON has the key __proto__, which names nothing here."],
    ["the prototype as a value", '{"a":"__proto__"}', undefined],
    ["an open string", '{"a', undefined],
    ["an escape at the end", '{"a\\', undefined],
    ["a bad escape in a key", '{"\\x":1}', undefined],
    ["nothing", "", undefined],
    ["too many ends", "]]}", undefined],
  ])("%s", (_, text, fault) => {
    expect(jsonFault(text)).toBe(fault);
  });

  it("is none of what JSON.stringify writes, whatever the value", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 10 }), (text) => text.includes("__proto__") || jsonFault(text) === undefined),
    );
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

  it.each<[string, z.ZodType, unknown, string]>([
    ["nothing", z.string(), undefined, "is missing"],
    ["another type", z.string(), 7, "must be text"],
    ["no number", PageQuery.shape.limit, "abc", "must be a number"],
    ["a part of a number", PageQuery.shape.limit, "1.5", "must be a whole number"],
    ["too little", PageQuery.shape.limit, "0", "must be at least 1"],
    ["too much", PageQuery.shape.limit, "501", "must be at most 500"],
    ["a short text", z.string().min(3), "a", "must have at least 3 characters"],
    ["a long list", z.array(z.int()).max(1), [1, 2], "must have at most 1 entries"],
    ["none of the words", z.enum(["on", "off"]), "maybe", "must be one of on, off"],
    ["an unknown field", z.strictObject({}), { x: 1 }, "has fields that are not known here: x"],
    ["no object", z.strictObject({}), [], "must be an object"],
    ["another pattern", z.string().regex(/^a$/), "b", "must match /^a$/"],
    ["the nearest of several forms", z.union([z.string(), z.int()]), null, "must be text"],
    ["what has words of its own", Ref, "!", "a name or an id"],
  ])("say in plain words what is wrong with %s", (_, type, input, text) => {
    const faults = faultsOf(type.safeParse(input).error?.issues ?? []);
    expect(faults.map((fault) => fault.text)).toEqual([text]);
  });

  it("escape what JSON pointers escape", () => {
    const [fault] = faultsOf(z.object({ "a/b~c": z.string() }).safeParse({}).error?.issues ?? []);
    expect(fault?.pointer).toBe("/a~1b~0c");
  });
});
