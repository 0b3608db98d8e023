import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { arrowViolations } from "./arrows.ts";

const root = join(import.meta.dirname, "..");

describe("import arrows", () => {
  it("hold in the whole project", () => {
    const { files, violations } = arrowViolations(root);
    expect(files).toBeGreaterThan(50);
    expect(violations.map((v) => `${v.file}:${v.line} ${v.text}`)).toEqual([]);
  });
});

describe("a planted violation is found", () => {
  let dir = "";
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function plant(files: Record<string, string>): string[] {
    dir = mkdtempSync(join(tmpdir(), "turnup-arrows-"));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    return arrowViolations(dir).violations.map((v) => `${v.file}:${v.line}`);
  }

  it.each([
    ["workers/api/a.ts", 'import { x } from "../../agents/site/x.ts";'],
    ["agents/site/a.ts", 'import type { X } from "../../workers/api/x.ts";'],
    ["cli/a.ts", 'export { x } from "../workers/api/x.ts";'],
    ["cli/b.ts", 'const x = await import("../agents/site/x.ts");'],
    ["shared/a.ts", 'import { x } from "../cli/x.ts";'],
    ["shared/b.ts", 'import { readFileSync } from "node:fs";'],
    ["workers/site/core/a.ts", 'import { x } from "../object.ts";'],
    ["workers/workflows/a.ts", 'import { Hono } from "hono";'],
    ["agents/site/b.ts", 'import { sharedData } from "../../lab/shared-data.ts";'],
    ["cli/c.ts", 'import { start } from "./run/start.ts";'],
    ["workers/site/core/b.ts", "export const t = () => Date.now();"],
    ["workers/site/core/c.ts", "export const t = () => new Date();"],
    ["workers/workflows/b.ts", "export const r = () => Math.random();"],
    ["shared/c.ts", "export const w = () => setTimeout(() => {}, 1);"],
    ["shared/d.ts", "export const u = () => crypto.randomUUID();"],
  ])("%s: %s", (path, text) => {
    expect(plant({ [path]: `${text}\n` })).toEqual([`${path}:1`]);
  });

  it.each([
    ["workers/site/core/a.ts", 'import { ok } from "../../../shared/errors.ts";'],
    ["workers/site/core/a.ts", 'import { planOf } from "../../workflows/index.ts";'],
    ["workers/site/object.ts", 'import { SiteCore } from "./core/core.ts";'],
    ["cli/run/start.ts", 'import { x } from "../../agents/simulator/witness.ts";'],
    ["agents/site/a.system.test.ts", 'import { x } from "../../workers/site/core/core.ts";'],
    ["shared/a.ts", "export const at = (ms: number) => new Date(ms).toISOString();"],
    ["shared/b.ts", "export const f = (x: { fetch(): void }) => x.fetch();"],
  ])("and what is allowed is not: %s: %s", (path, text) => {
    expect(plant({ [path]: `${text}\n` })).toEqual([]);
  });
});
