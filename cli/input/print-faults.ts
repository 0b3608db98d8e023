import type { LocatedFault } from "./yaml-file.ts";

/** Prints exactly one line per fault, `file:line:col code text. Write: …`, in the order of the files. */
export function printFaults(faults: readonly LocatedFault[], print: (line: string) => void): void {
  const sorted = [...faults].sort(
    (a, b) => compare(a.file, b.file) || a.line - b.line || a.col - b.col || compare(a.code, b.code),
  );
  for (const { file, line, col, code, text, write } of sorted) {
    const advice = write ? ` Write: ${oneLine(write)}` : "";
    print(`${harmless(file)}:${line}:${col} ${code} ${oneLine(text).replace(/\.$/, "")}.${advice}`);
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Control signs from a file must neither break the line nor reach the terminal, nor may it turn the line around. */
const oneLine = (text: string): string => text.replace(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim();
/** A path keeps its blanks. */
const harmless = (path: string): string => path.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
