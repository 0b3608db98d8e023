import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import { AnyExportHeader, ExportEnd, ExportHeader, ExportRow, formatFault } from "../../shared/model/site-export.ts";

/** A site's export, read once from its first line to its last and found whole. */
export interface ExportFile {
  file: string;
  header: ExportHeader;
  end: ExportEnd["end"];
}

/** The lines of a file, one at a time: an export may be larger than memory. */
export const linesOf = (file: string): AsyncIterable<string> =>
  createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Number.POSITIVE_INFINITY });

/** Checks all of an export that can be told without its site. Refuses `file_unreadable`, `export_version`, and `export_broken` with the line. */
export async function readExport(file: string): Promise<Outcome<ExportFile>> {
  const hash = createHash("sha256");
  const rows: Record<string, number> = {};
  let header: ExportHeader | undefined;
  let last: string | undefined;
  let count = 0;
  const broken = (why: string) => refuse("export_broken", `${file}: ${why}`);
  try {
    for await (const line of linesOf(file)) {
      // The last line proves the others and is none of them; which it is shows when the file ends.
      if (last !== undefined) {
        hash.update(`${last}\n`, "utf8");
        count += 1;
        if (count === 1) {
          const any = AnyExportHeader.safeParse(json(last));
          const unknown = any.success ? formatFault(any.data.format) : undefined;
          if (unknown !== undefined) return refuse("export_version", `${file}: ${unknown}`);
          const parsed = ExportHeader.safeParse(any.data);
          if (!parsed.success) return broken("its first line is no header of an export");
          header = parsed.data;
        } else {
          const row = ExportRow.safeParse(json(last));
          if (!row.success) return broken(`line ${count} is no row of an export`);
          rows[row.data.t] = (rows[row.data.t] ?? 0) + 1;
        }
      }
      last = line;
    }
  } catch (error) {
    return refuse("file_unreadable", `${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const end = ExportEnd.safeParse(json(last ?? ""));
  if (!header) return broken("it is no export");
  if (!end.success) return broken("its last line is missing: it was cut");
  if (end.data.end.sha256 !== hash.digest("hex")) return broken("its lines are not those that its last line proves");
  const same = JSON.stringify(Object.entries(rows).sort()) === JSON.stringify(Object.entries(end.data.end.rows).sort());
  if (!same || end.data.end.lines !== count) return broken("it holds other rows than its last line counts");
  return ok({ file, header, end: end.data.end });
}

/** Characters and lines sent at once. */
const CHUNK_CHARS = 1_000_000;
const CHUNK_LINES = 5_000;

/** The rows in parts to be sent, each with how many lines come before it. */
export async function* chunksOf({ file, end }: ExportFile): AsyncGenerator<{ from: number; lines: string[] }> {
  let at = 0;
  let chars = 0;
  let lines: string[] = [];
  for await (const line of linesOf(file)) {
    at += 1;
    if (at === 1) continue;
    if (at > end.lines) break;
    lines.push(line);
    chars += line.length;
    if (chars < CHUNK_CHARS && lines.length < CHUNK_LINES) continue;
    yield { from: at - lines.length, lines };
    lines = [];
    chars = 0;
  }
  if (lines.length > 0) yield { from: end.lines - lines.length, lines };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
