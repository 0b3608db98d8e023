import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { siteFileJsonSchema } from "./json-schema.ts";

const root = join(import.meta.dirname, "../../..");
const published = readFileSync(join(root, "docs/schema/site-v1.json"), "utf8");

it("what is published is current (else: npm run schema)", () => {
  expect(published).toBe(siteFileJsonSchema());
});

describe("an editor that has only the published schema", () => {
  const schema = z.fromJSONSchema(JSON.parse(published));
  const example = (name: string): unknown => parse(readFileSync(join(root, "examples", name), "utf8"));

  it("accepts the example site", () => {
    expect(schema.safeParse(example("sites/ams01.yaml")).error?.issues).toBeUndefined();
  });

  it("marks what it can see of the broken one: the forms, and not what hangs together", () => {
    const issues = schema.safeParse(example("broken/site.yaml")).error?.issues ?? [];
    const places = issues.map(({ path }) => path.join("/")).sort();
    expect(places).toEqual([
      "devices/2/interfaces/0",
      "devices/5/interfaces/0/mac",
      "devices/6/asset/serial",
      "devices/6/bmc/secret",
    ]);
  });

  it("says of every key what it means", () => {
    const undescribed: string[] = [];
    const visit = (node: unknown, path: string) => {
      if (typeof node !== "object" || node === null) return;
      const properties: unknown = Reflect.get(node, "properties");
      for (const [key, child] of Object.entries(properties ?? {})) {
        if (typeof child !== "object" || child === null || !("description" in child))
          undescribed.push(`${path}/${key}`);
        visit(child, `${path}/${key}`);
      }
      for (const key of ["items", "additionalProperties"]) visit(Reflect.get(node, key), path);
    };
    visit(JSON.parse(published), "");
    expect(undescribed).toEqual([]);
  });
});
