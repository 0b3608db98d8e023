/** Every rule of the specification is cited where it is enforced, and tried by a test that names it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const files = ["shared", "workers", "agents", "cli", "lab"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({ file: join(folder, file), text: readFileSync(join(root, folder, file), "utf8") })),
);
const isTest = (file: string) => file.endsWith(".test.ts") || file.includes("test-") || file.includes("testing/");

/** Rules of targets, jobs, leases and the control plane, and the guards that there are. */
const rules = [...readFileSync(join(root, "docs/spec.md"), "utf8").matchAll(/^- \*\*([TJLC]\d+|G[568])\*\*/gm)].map(
  (m) => m[1] ?? "",
);

it("knows the rules of the specification", () => {
  expect(rules.length).toBeGreaterThanOrEqual(6 + 10 + 7 + 6 + 3);
});

it.each(rules)("%s is cited where it is enforced, and tried by name", (rule) => {
  const cited = files.filter(({ file, text }) => !isTest(file) && new RegExp(`\\b${rule}\\b`).test(text));
  const tried = files.filter(
    ({ file, text }) => (isTest(file) || file.endsWith("contract.ts")) && text.includes(`[${rule}]`),
  );
  expect(cited.map(({ file }) => file)).not.toEqual([]);
  expect(tried.map(({ file }) => file)).not.toEqual([]);
});

it("[J2] nothing but the site's core writes the state of jobs, steps, locks and leases", () => {
  const write = /(INSERT INTO|UPDATE|DELETE FROM) (job|job_target|step|lock|step_need)\b/;
  const writers = files.filter(({ file, text }) => !file.endsWith(".test.ts") && write.test(text)).map((f) => f.file);
  expect(writers.length).toBeGreaterThan(3);
  // The seeded defects of the simulation are texts of the core's own code, spoilt on purpose.
  const others = writers.filter((file) => !file.startsWith("workers/site/core/"));
  expect(others).toEqual(["lab/simulation/mutants.ts"]);
});
