import { expect, it } from "vitest";
import { printFaults } from "./print-faults.ts";
import type { LocatedFault } from "./yaml-file.ts";

const fault = (given: Partial<LocatedFault>): LocatedFault => ({
  file: "a.yaml",
  line: 1,
  col: 1,
  code: "unknown_key",
  pointer: "",
  text: "there is no key here",
  write: "name",
  ...given,
});
function printed(...faults: LocatedFault[]): string[] {
  const lines: string[] = [];
  printFaults(faults, (line) => lines.push(line));
  return lines;
}

it("prints place, code, text and advice in one line", () => {
  expect(printed(fault({ line: 12, col: 7 }))).toEqual(["a.yaml:12:7 unknown_key there is no key here. Write: name"]);
});

it("leaves the advice out where there is none", () => {
  expect(printed(fault({ write: undefined }))).toEqual(["a.yaml:1:1 unknown_key there is no key here."]);
});

it("ends a text with one full stop", () => {
  expect(printed(fault({ text: "It is odd." }))[0]).toBe("a.yaml:1:1 unknown_key It is odd. Write: name");
});

it("keeps one line for a text and an advice with line breaks", () => {
  const lines = printed(fault({ text: "one\ntwo\r\n  three\u2028four", write: "five\n\tsix\v" }));
  expect(lines).toEqual(["a.yaml:1:1 unknown_key one two three four. Write: five six"]);
});

it("lets no control sign through to the terminal, and nothing that turns the line around", () => {
  const hostile = "a\u001b[2Jb\u0007c\u009bd\u202ee\u2066f\u0000g";
  const [line = "", ...more] = printed(fault({ file: `x\u001b[31m\n.yaml`, text: hostile, write: hostile }));
  expect(more).toEqual([]);
  expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(line).toContain("a [2Jb c d e f g");
});

it("sorts by file, line, column and code, and leaves the list as it was", () => {
  const faults = [
    fault({ line: 10 }),
    fault({ line: 9, col: 20 }),
    fault({ line: 9, col: 3, code: "b" }),
    fault({ line: 9, col: 3, code: "a" }),
    fault({ file: "Z.yaml", line: 99 }),
  ];
  const before = [...faults];
  expect(printed(...faults).map((line) => line.split(" ").slice(0, 2))).toEqual([
    ["Z.yaml:99:1", "unknown_key"],
    ["a.yaml:9:3", "a"],
    ["a.yaml:9:3", "b"],
    ["a.yaml:9:20", "unknown_key"],
    ["a.yaml:10:1", "unknown_key"],
  ]);
  expect(faults).toEqual(before);
});
