import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { catalogOf } from "../device-type/catalog.ts";
import { bare, exampleOf, flow } from "./example.ts";
import { SiteFile } from "./schema.ts";
import { validateSiteFile } from "./validate.ts";

function adviceOn(document: unknown): (string | undefined)[] {
  const judged = validateSiteFile(document, catalogOf([]));
  const errors = judged.ok ? [] : (judged.problem.errors ?? []);
  return errors.filter(({ code }) => code === "missing_key").map(({ write }) => write);
}

/** Every key of the format that must be there, by its path. */
function required(schema: unknown, path: string): [string, string, z.ZodType][] {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray) return required(inner.element, `${path}[]`);
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape).flatMap(([key, part]) => {
    const at = `${path}.${key}`;
    const own: [string, string, z.ZodType][] =
      part === bare(part) && part instanceof z.ZodType ? [[at, key, part]] : [];
    return [...own, ...required(part, at)];
  });
}

describe("what is advised for a missing key can be written as it stands", () => {
  it.each(required(SiteFile, ""))("%s", (_path, key, schema) => {
    const example = flow(exampleOf(schema));
    expect(example).not.toContain("…");
    const read: unknown = parse(`${key}: ${example} # and a remark`);
    expect(schema.safeParse(Reflect.get(Object(read), key)).error?.issues).toBeUndefined();
  });
});

it("gives an empty file a whole one, of which the shape is right", () => {
  const [write = "", ...more] = adviceOn(null);
  expect(more).toEqual([]);
  expect(SiteFile.safeParse(parse(write)).error?.issues).toBeUndefined();
});

it("writes the keys of the top as they stand in a file", () => {
  expect(adviceOn({})).toEqual([
    "schema: turnup/site/v1",
    expect.stringMatching(/^site: \{ name: ams01, locationHint: weur, jurisdiction: eu \} # /),
    "racks: [{ name: r01, heightU: 42 }] # Racks",
    expect.stringMatching(/^devices: \[\{ name: tor-a, .*serial: JPE21140001 \} \}\] # /),
  ]);
});

it("quotes what YAML would not read as text", () => {
  for (const text of ["4XK0QW3", "12", "1e3", "no", "null", "a: b", "a #b", "x:", "[", ""]) {
    expect(parse(`[${flow(text)}]`)).toEqual([text]);
  }
  expect(flow("vault:ams01/bmc/web-01")).toBe("vault:ams01/bmc/web-01");
});
