/** Every rule of the specification is cited where it is enforced, and tried there by a test that names it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cited, tried } from "./rules.ts";

const root = join(import.meta.dirname, "..");
const files = ["shared", "workers", "agents", "cli", "lab", "bench", "scripts"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules"))
    .map((file) => ({ file: join(folder, file), text: readFileSync(join(root, folder, file), "utf8") })),
);
/** `contract.ts`: tests that several test files run. */
const isTest = (file: string) => file.endsWith(".test.ts") || file.endsWith("contract.ts");
const isHelper = (file: string) => /(^|\/)(test-|testing\/)/.test(file);
const product = files.filter(
  ({ file }) => /^(shared|workers|agents|cli)\//.test(file) && !isTest(file) && !isHelper(file),
);
const tests = files.filter(({ file }) => isTest(file));

const COORDINATOR = /^workers\/(site|workflows)\//;
const AGENT = /^agents\//;
const BOTH = [COORDINATOR, AGENT];
/** Of what both ends share, the citation may stand there. */
const WORKERS = /^(shared|workers)\//;

/** Where each rule is enforced: every place has to cite it, and to try it. */
const places: Readonly<Record<string, readonly RegExp[]>> = {
  T1: [COORDINATOR],
  T2: [AGENT],
  T3: BOTH,
  T4: [COORDINATOR],
  T5: BOTH,
  T6: BOTH,
  J1: [COORDINATOR],
  J2: [COORDINATOR],
  J3: [COORDINATOR],
  J4: BOTH,
  J5: [COORDINATOR],
  J6: [COORDINATOR],
  J7: [COORDINATOR],
  J8: [COORDINATOR],
  J9: [COORDINATOR],
  J10: [COORDINATOR],
  L1: [COORDINATOR],
  L2: BOTH,
  L3: BOTH,
  L4: [COORDINATOR],
  L5: [AGENT],
  L6: BOTH,
  L7: [COORDINATOR],
  G5: [COORDINATOR],
  G6: [COORDINATOR],
  G8: [COORDINATOR],
  C1: [COORDINATOR],
  C2: [COORDINATOR],
  C3: [COORDINATOR],
  C4: [COORDINATOR],
  C5: [WORKERS, AGENT],
  C6: [WORKERS],
  C7: [WORKERS],
};

it("knows the rules of the specification, each of them", () => {
  const spec = readFileSync(join(root, "docs/spec.md"), "utf8");
  const said = [...spec.matchAll(/^- \*\*([TJLC]\d+|G[568])\*\*/gm)].map((m) => m[1] ?? "");
  expect(said.sort()).toEqual(Object.keys(places).sort());
});

const citing = new Map(product.map(({ file, text }) => [file, cited(file, text)]));
const trying = new Map(tests.map(({ file, text }) => [file, tried(file, text)]));
const having = (of: Map<string, Set<string>>, rule: string) =>
  [...of].filter(([, ids]) => ids.has(rule)).map(([file]) => file);

it.each(Object.entries(places))("%s is cited where it is enforced, and tried there by name", (rule, rooms) => {
  for (const room of rooms) {
    expect([`${room}`, having(citing, rule).some((file) => room.test(file))]).toEqual([`${room}`, true]);
    // That nobody else writes is seen only by looking at all: below.
    const where = rule === "J2" ? /^lab\/rules\.test\.ts$/ : room;
    expect([`${where}`, having(trying, rule).some((file) => where.test(file))]).toEqual([`${where}`, true]);
  }
});

const tables = "(job|job_target|step|step_need|lock)";
const write = new RegExp(`\\b(INTO|UPDATE|DELETE FROM|DROP TABLE|ALTER TABLE)\\s+["\`[]?${tables}\\b`, "i");

it("[J2] nothing but the site's core writes the state of jobs, steps, locks and leases, or holds their tables", () => {
  const isCore = (file: string) => file.startsWith("workers/site/core/");
  const writers = files
    .filter(({ file, text }) => !isTest(file) && !isHelper(file) && write.test(text))
    .map((f) => f.file);
  expect(writers.filter(isCore).length).toBeGreaterThan(3);
  // The seeded defects of the simulation are texts of the core's own code, spoilt on purpose.
  expect(writers.filter((file) => !isCore(file))).toEqual([
    "lab/simulation/mutants.ts",
    "lab/simulation/past-defects.ts",
  ]);
  // However a statement is put together: the object hands its tables to the core, and asks them nothing itself.
  const outside = product.filter(({ file }) => file.startsWith("workers/") && !isCore(file));
  const naming = (what: RegExp) => outside.filter(({ text }) => what.test(text)).map(({ file }) => file);
  expect(naming(/\bstorage\.sql\b|\bSqlStorage\b/)).toEqual(["workers/site/storage-sql.ts"]);
  expect(naming(/\bStorageSql\b/)).toEqual(["workers/site/object.ts", "workers/site/storage-sql.ts"]);
  const object = outside.find(({ file }) => file === "workers/site/object.ts")?.text ?? "";
  expect(object.match(/\bsql\.(?!ts\b)\w+/g)).toEqual(["sql.charge"]);
});

describe("the reading of rules", () => {
  it("takes a citation from a comment, and from nothing else", () => {
    const text = `
      // L2: only grows.
      /** J4, (L3) and lesson C7. */
      const id = "L4"; const L5 = 1;`;
    expect([...cited("a.ts", text)].sort()).toEqual(["J4", "L2", "L3"]);
  });

  it("takes a trial from the title of a test that runs and can fail, and from nothing else", () => {
    const text = `
      // it("[J1] in a comment", () => expect(1).toBe(1));
      const title = "[J2] no test";
      it.skip("[J3] skipped", () => expect(1).toBe(1));
      it.todo("[J4] to be done");
      describe.skip("[J5]", () => { it("[J6] within", () => expect(1).toBe(1)); });
      it("[J7] proves nothing", () => { run(); });
      it("[L1] proves", () => { expect(1).toBe(1); });
      it.each([1])("[L2][L3] each", () => { throw new Error(); });
      describe("[L4]", () => { it("[L5] within", () => expect(1).toBe(1)); });
      describe("[L6]", () => { it.todo("nothing in it"); });
      it(\`[L7] \${title}\`, () => expect(1).toBe(1));`;
    expect([...tried("a.test.ts", text)].sort()).toEqual(["L1", "L2", "L3", "L4", "L5", "L7"]);
  });
});
