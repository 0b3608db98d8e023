/** Exports and restores of test worlds, done as the Worker does them. */
import type { ExportHeader } from "../../../shared/model/site-export.ts";
import type { Queries } from "./commands.ts";
import { sha256, World } from "./test-world.ts";

/** The lines of a world's export, without the last one that proves them. */
export function exported(w: World, maxChars = 1_000_000): string[] {
  const lines: string[] = [];
  let after: Queries["export.page"]["in"]["after"];
  do {
    const page = w.ask("export.page", { token: "test", after, maxChars });
    lines.push(...page.lines);
    after = page.next ?? undefined;
  } while (after);
  return lines;
}

export const hashOf = (lines: readonly string[]): string => sha256(lines.map((line) => `${line}\n`).join(""));

/** An empty object with the restore begun. */
export function begun(lines: readonly string[], generation = 2): World {
  const w = new World(0, { empty: true });
  const header = JSON.parse(lines[0] ?? "") as ExportHeader;
  w.do("restore.begin", { restore: "r1", header, generation, sha256: hashOf(lines), lines: lines.length });
  return w;
}

/** A world restored from an export, on hold, at the time of `at`. */
export function restored(lines: readonly string[], at: World, generation = 2): World {
  const w = begun(lines, generation);
  w.now = at.now + 60_000;
  w.agent = at.agent;
  for (let from = 1; from < lines.length; from += 50)
    w.do("restore.load", { restore: "r1", from, lines: lines.slice(from, from + 50) });
  w.do("restore.finish", { restore: "r1" });
  return w;
}
