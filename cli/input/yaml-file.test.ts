import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readYamlFile } from "./yaml-file.ts";

const MAX = 1_000_000;
let dir = "";
let made = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "turnup-yaml-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function write(content: string | Uint8Array): string {
  const file = join(dir, `${++made}.yaml`);
  writeFileSync(file, content);
  return file;
}
/** The faults as `line:col code`, whether the file could be read nevertheless or not. */
async function faultsOf(content: string | Uint8Array): Promise<string[]> {
  const read = await readYamlFile(write(content), MAX);
  const faults = read.ok ? read.value.faults : read.faults;
  return faults.map(({ line, col, code }) => `${line}:${col} ${code}`);
}

const unreadable: [what: string, content: string | Uint8Array, faults: string[]][] = [
  ["a list that does not end", "a: [1, 2\nb: 3\n", ["2:1 yaml_syntax"]],
  ["a text that does not end", 'a: 1\nb: "x\n', ["3:1 yaml_syntax"]],
  ["two values in one line", "a: b: c\n", ["1:4 yaml_syntax"]],
  ["a key at another column", "a:\n    b: 1\n   c: 2\n", ["3:1 yaml_syntax"]],
  ["a tab as indent", "a:\n\tb: 1\n", ["2:1 yaml_tab"]],
  ["a tab among the blanks", "a:\n  - b: 1\n\t  c: 2\n", ["3:1 yaml_tab"]],
  ["a second document", "a: 1\n---\nb: 2\n", ["2:1 yaml_second_document"]],
  ["bytes that are no UTF-8", Uint8Array.of(0x61, 0x3a, 0x20, 0xff), ["1:1 yaml_not_utf8"]],
  ["aliases without an anchor", "a: *x\nb: [*y]\n", ["1:4 yaml_alias", "2:5 yaml_alias"]],
  ["an alias before its anchor", "a: *x\nb: &x 1\n", ["1:4 yaml_alias"]],
  ["an alias inside its own anchor", "a: &a\n  b: [*a]\n", ["2:7 yaml_alias"]],
];

describe("what is no YAML is refused with its place", () => {
  it.each(unreadable)("%s", async (_, content, faults) => {
    expect(await readYamlFile(write(content), MAX)).toMatchObject({
      ok: false,
      problem: { code: "validation_failed" },
    });
    expect(await faultsOf(content)).toEqual(faults);
  });
});

it("reads on past keys written twice, and reports each", async () => {
  const content = "a: 1\nb: { c: 1, c: 2 }\na: 3\n";
  expect(await faultsOf(content)).toEqual(["2:12 yaml_duplicate_key", "3:1 yaml_duplicate_key"]);
  expect(await readYamlFile(write(content), MAX)).toMatchObject({ ok: true });
});

it("says one thing about one place, though the parser says much", async () => {
  expect(await faultsOf("[".repeat(100))).toEqual(["1:101 yaml_syntax"]);
  // Where the parser gives up depends on its stack.
  expect(await faultsOf("[".repeat(20_000))).toEqual([expect.stringMatching(/^1:\d+ yaml_too_deep$/)]);
});

describe("[S4] aliases are bounded", () => {
  it("a bomb is refused, not expanded", async () => {
    const rows = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [before, name] of ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi", "ij"].map((two) => two.split(""))) {
      rows.push(`${name}: &${name} [${new Array(9).fill(`*${before}`).join(", ")}]`);
    }
    expect(await faultsOf(rows.join("\n"))).toEqual(["2:8 yaml_alias"]);
  });

  it("so are many, each with its own anchor", async () => {
    const rows = (n: number) => Array.from({ length: n }, (_, i) => `k${i}: &a${i} { x: 1 }\nl${i}: *a${i}`).join("\n");
    expect(await faultsOf(rows(200))).toEqual([]);
    expect(await faultsOf(rows(201))).toEqual(["2:5 yaml_alias"]);
  });

  it("a few are what YAML has them for", async () => {
    const read = await readYamlFile(write("a: &a { x: 1 }\nb: *a\nc: [*a, *a]\n"), MAX);
    expect(read).toMatchObject({ ok: true, value: { value: { b: { x: 1 }, c: [{ x: 1 }, { x: 1 }] } } });
  });
});

describe("[S4] files are bounded", () => {
  it("a file of the size allowed is read, one byte more is not", async () => {
    const file = write(`a: ${"x".repeat(96)}\n`);
    expect((await readYamlFile(file, 100)).ok).toBe(true);
    expect(await readYamlFile(file, 99)).toMatchObject({ ok: false, problem: { code: "body_too_large" }, faults: [] });
  });

  it("a device without a size and without an end is given up", async () => {
    expect(await readYamlFile("/dev/zero", MAX)).toMatchObject({ ok: false, problem: { code: "body_too_large" } });
  });

  it("what is missing or no file is said so", async () => {
    const missing = join(dir, "nothing.yaml");
    expect(await readYamlFile(missing, MAX)).toMatchObject({ ok: false, problem: { code: "not_found" } });
    expect(await readYamlFile(dir, MAX)).toMatchObject({ ok: false, problem: { code: "bad_request" } });
  });
});

describe("a pointer becomes line and column", () => {
  const content = [
    "# a comment",
    "site: { name: ams01, note: x }",
    "racks:",
    "  - name: r01",
    "    heightU: 42",
    "  - &second",
    "    name: r02",
    "spare: *second",
    "media:",
    '  "Bay/0": A1',
    "  Bay~1: B1",
    "  7: C1",
    "empty:",
    "",
  ].join("\n");
  const places: [pointer: string, code: string, line: number, col: number][] = [
    ["", "missing_key", 2, 1],
    ["/site/name", "name_malformed", 2, 15],
    ["/racks/0/heightU", "value_out_of_range", 5, 14],
    ["/racks/1/name", "name_duplicate", 7, 11],
    // The key is at fault and not its value.
    ["/site/note", "unknown_key", 2, 22],
    ["/media/Bay~10", "media_bay_unknown", 10, 3],
    ["/media/Bay~01", "media_serial_duplicate", 11, 10],
    ["/media/7", "media_serial_duplicate", 12, 6],
    // Missing: the nearest part that is there.
    ["/site/jurisdiction", "missing_key", 2, 7],
    ["/racks/0/missing/deeper", "missing_key", 4, 5],
    ["/racks/9", "missing_key", 4, 3],
    ["/nowhere", "missing_key", 2, 1],
    ["/empty", "missing_key", 13, 7],
    // Through an alias to what it stands for.
    ["/spare/name", "name_malformed", 7, 11],
  ];

  it.each(places)("%s (%s) is at %i:%i", async (pointer, code, line, col) => {
    const read = await readYamlFile(write(content), MAX);
    if (!read.ok) expect.fail(JSON.stringify(read.problem));
    expect(read.value.locate({ code, pointer, text: "", write: "" })).toMatchObject({ line, col });
  });

  it("an empty file has a place too", async () => {
    const read = await readYamlFile(write(""), MAX);
    if (!read.ok) expect.fail(JSON.stringify(read.problem));
    expect(read.value.locate({ code: "missing_key", pointer: "/site", text: "" })).toMatchObject({ line: 1, col: 1 });
  });

  it("columns count from the byte order mark's end, in signs and not in bytes", async () => {
    const read = await readYamlFile(write("\ufeffä: { ö: [1, x] }\n"), MAX);
    if (!read.ok) expect.fail(JSON.stringify(read.problem));
    expect(read.value.locate({ code: "wrong_type", pointer: "/ä/ö/1", text: "" })).toMatchObject({ line: 1, col: 13 });
  });
});
