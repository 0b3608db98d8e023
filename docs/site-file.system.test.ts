import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { expect, it } from "vitest";
import { readSiteFile } from "../cli/input/site-file.ts";

const root = join(import.meta.dirname, "..");
const document = readFileSync(join(root, "docs/site-file.md"), "utf8");
const quoted = new Set([...document.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text));

it("the worked example is a site without faults, and its bill of materials is the one shown", async () => {
  const example = /```yaml example\n([\s\S]*?)```/.exec(document)?.[1] ?? expect.fail("no example");
  const dir = mkdtempSync(join(tmpdir(), "turnup-site-doc-"));
  const file = join(dir, "site.yaml");
  writeFileSync(file, example.replace("examples/device-types", relative(dir, join(root, "examples/device-types"))));
  try {
    const read = await readSiteFile(file);
    if (!read.ok) expect.fail(JSON.stringify(read.faults, null, 1));
    const install = read.value.site.devices[1]?.install ?? expect.fail("not to be installed");
    expect(install.systemDrive).toBe("PHYG1234001K480");
    const { manufacturer, model, macs, drives } = install.bom;
    const rows = document.split("\n").filter((line) => line.startsWith("| "));
    const shown = (...parts: string[]) => rows.some((row) => parts.every((part) => row.includes(part)));
    expect(shown(`${manufacturer} ${model}`)).toBe(true);
    expect(shown(...macs)).toBe(true);
    for (const { bay, protocol, mediaType, sizeBytes, serial } of drives) {
      expect(shown(`${bay}: ${protocol} ${mediaType}, ${sizeBytes.toLocaleString("en")} bytes, ${serial}`), bay).toBe(
        true,
      );
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

it("explains every key of the schema", () => {
  const keys = new Set<string>();
  const visit = (node: unknown) => {
    if (typeof node !== "object" || node === null) return;
    const properties: unknown = Reflect.get(node, "properties");
    for (const [key, child] of Object.entries(properties ?? {})) {
      keys.add(key);
      visit(child);
    }
    visit(Reflect.get(node, "items"));
  };
  visit(JSON.parse(readFileSync(join(root, "docs/schema/site-v1.json"), "utf8")));
  expect(keys.size).toBeGreaterThan(40);
  expect([...keys].filter((key) => !quoted.has(key))).toEqual([]);
});

it("lists every code that a fault may have, and none that no fault has", () => {
  const source = ["shared/model/site-file", "cli/input"]
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name)))
    .concat(join(root, "shared/yaml.ts"))
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
  const table = document.slice(document.indexOf("| about | codes |"));
  const listed = [...table.matchAll(/`([a-z0-9_]+)`/g)].map(([, code = ""]) => code);
  expect(new Set(listed).size).toBe(listed.length);
  expect(listed.filter((code) => !source.includes(`"${code}"`))).toEqual([]);
  const given = [
    ...source.matchAll(/\.add(?:Broken)?\(\s*"([a-z0-9_]+)"/g),
    ...source.matchAll(/\bcode: "([a-z0-9_]+)"/g),
    ...source.matchAll(/"([a-z]+_serial_[a-z]+|serial_duplicate)"/g),
  ].map(([, code = ""]) => code);
  const problems = ["validation_failed", "not_found", "bad_request", "body_too_large"];
  expect(given.length).toBeGreaterThan(50);
  expect([...new Set(given)].filter((code) => !listed.includes(code) && !problems.includes(code))).toEqual([]);
});
