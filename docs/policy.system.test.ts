import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { printFaults } from "../cli/input/print-faults.ts";
import { readSiteFile } from "../cli/input/site-file.ts";
import { readYamlFile } from "../cli/input/yaml-file.ts";
import { policyJsonSchema } from "../shared/model/policy/json-schema.ts";
import { validatePolicy } from "../shared/model/policy/validate.ts";
import type { PolicySite } from "../shared/model/policy/world.ts";
import { workflows } from "../workers/workflows/index.ts";

const root = join(import.meta.dirname, "..");
const document = readFileSync(join(root, "docs/policy.md"), "utf8");
const published = readFileSync(join(root, "docs/schema/policy-v1.json"), "utf8");
const example = readFileSync(join(root, "examples/policies/ams01.yaml"), "utf8");
const quoted = new Set([...document.matchAll(/`([^`\n]+)`/g)].flatMap(([, text = ""]) => [text, ...text.split(/\W+/)]));
const NOW = Date.parse("2026-11-25T12:00:00Z");

let site: PolicySite;
beforeAll(async () => {
  const read = await readSiteFile(join(root, "examples/sites/ams01.yaml"));
  if (!read.ok) expect.fail(JSON.stringify(read.faults, null, 1));
  const { name, racks, devices } = read.value.site;
  site = {
    name,
    racks: racks.map((rack) => rack.name),
    devices: devices.map((one) => ({
      name: one.name,
      role: one.role,
      rack: one.rack,
      machine: one.install !== undefined,
    })),
  };
});
const faultsOf = (text: string) => {
  const judged = validatePolicy(parse(text), { site, workflows: [...workflows.keys()] }, NOW);
  return judged.ok ? [] : judged.problem.errors;
};

it("the example policy fits the example site", () => {
  expect(faultsOf(example)).toEqual([]);
});

it("the worked example does, too", () => {
  expect(faultsOf(/```yaml example\n([\s\S]*?)```/.exec(document)?.[1] ?? "")).toEqual([]);
});

it("the broken policy has the faults that the page shows, each at its line", async () => {
  const file = "examples/broken/policy.yaml";
  const read = await readYamlFile(join(root, file), 2 ** 18);
  if (!read.ok) expect.fail(JSON.stringify(read.faults));
  const lines: string[] = [];
  const located = (faultsOf(read.value.text) ?? []).map((fault) => ({ ...read.value.locate(fault), file }));
  printFaults(located, (line) => lines.push(line));
  const shown =
    /\$ turnup policy diff examples\/broken\/policy.yaml\n([\s\S]*?)```/.exec(document)?.[1]?.trimEnd() ?? "";
  expect(lines).toEqual(shown.split("\n"));
});

describe("the schema for editors", () => {
  it("is current (else: npm run schema)", () => {
    expect(published).toBe(policyJsonSchema());
  });
  it("accepts the example, and marks a slip", () => {
    const schema = z.fromJSONSchema(JSON.parse(published));
    expect(schema.safeParse(parse(example)).error?.issues).toBeUndefined();
    const slips = { ...(parse(example) as object), pool: [], caps: { disruptive: 0 } };
    expect(
      schema
        .safeParse(slips)
        .error?.issues.map(({ path }) => path.join("/"))
        .sort(),
    ).toEqual(["", "caps/disruptive"]);
  });
  it("says of every key what it means, and so does the page", () => {
    const keys = new Set<string>();
    const undescribed: string[] = [];
    const visit = (node: unknown, path: string) => {
      if (typeof node !== "object" || node === null) return;
      for (const [key, child] of Object.entries((Reflect.get(node, "properties") as object | undefined) ?? {})) {
        keys.add(key);
        if (!("description" in (child as object))) undescribed.push(`${path}/${key}`);
        visit(child, `${path}/${key}`);
      }
      for (const key of ["items", "additionalProperties"]) visit(Reflect.get(node, key), path);
    };
    visit(JSON.parse(published), "");
    expect(undescribed).toEqual([]);
    expect(keys.size).toBeGreaterThan(40);
    expect([...keys].filter((key) => !quoted.has(key))).toEqual([]);
  });
});

it("every code that a fault may have is listed, and none that no fault has", () => {
  const source = globSync("shared/model/policy/*.ts", { cwd: root, exclude: ["**/*.test.ts"] })
    .map((file) => readFileSync(join(root, file), "utf8"))
    .join("\n");
  const table = document.slice(document.indexOf("| about | codes |"));
  const listed = [...table.matchAll(/`([a-z0-9_]+)`/g)].map(([, code = ""]) => code);
  const given = [...source.matchAll(/(?:\.add\(\s*|faults\.add\(\s*)"([a-z_]+)"/g)].map(([, code = ""]) => code);
  // Made of a kind, or by what checks the names of any list.
  const others = ["device", "rack", "role", "pool"]
    .map((kind) => `${kind}_missing`)
    .concat("name_malformed", "name_duplicate");
  expect(new Set(listed).size).toBe(listed.length);
  expect([...new Set([...given, ...others])].sort()).toEqual(listed.sort());
});
