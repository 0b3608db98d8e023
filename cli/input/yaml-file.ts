import { open } from "node:fs/promises";
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import type { Fault, Problem } from "../../shared/errors.ts";

/** A fault with its place in a file, counted from 1 as editors do. */
export interface LocatedFault extends Fault {
  file: string;
  line: number;
  col: number;
}

/** An `Outcome` whose refusal also tells the places; empty when the file could not even be opened. */
export type Reading<T> = { ok: true; value: T } | { ok: false; problem: Problem; faults: LocatedFault[] };

export interface YamlFile {
  file: string;
  value: unknown;
  /** What is wrong with the YAML and yet let it be read: keys written twice. */
  faults: LocatedFault[];
  locate(fault: Fault): LocatedFault;
}

/** Aliases may be resolved so often in all; more is a bomb (S4). */
const MAX_ALIASES = 200;

export const refuseFile = (
  problem: Problem,
  faults: LocatedFault[] = [],
): { ok: false; problem: Problem; faults: LocatedFault[] } => ({
  ok: false,
  problem: faults.length > 0 ? { ...problem, errors: faults } : problem,
  faults,
});

/**
 * Reads a YAML file of at most `maxBytes`. Refuses `not_found`, `bad_request` (not readable as a file),
 * `body_too_large`, and `validation_failed` with the place of every fault in the YAML.
 */
export async function readYamlFile(file: string, maxBytes: number): Promise<Reading<YamlFile>> {
  const bytes = await readBounded(file, maxBytes);
  if (!bytes.ok) return bytes;
  const lines = new LineCounter();
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.value);
  } catch {
    const fault = {
      code: "yaml_not_utf8",
      pointer: "",
      text: "the file is not UTF-8",
      write: "the file saved as UTF-8",
    };
    return faulty(file, [{ ...fault, file, line: 1, col: 1 }]);
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const deepest = document.errors.find((error) => error.code === "RESOURCE_EXHAUSTION");
  // All that the parser says beside it follows from it.
  if (deepest) return faulty(file, [yamlFault(deepest, file, lines)]);
  const faults = firstAtEachPlace(document.errors.map((error) => yamlFault(error, file, lines)));
  if (document.errors.some((error) => error.code !== "DUPLICATE_KEY")) return faulty(file, faults);
  const aliases = readAliases(document);
  const lost = aliases.flatMap(({ alias, wrong }) => (wrong ? [aliasFault(alias, wrong, file, lines)] : []));
  if (lost.length > 0) return faulty(file, [...faults, ...lost]);
  const tooMuch = () =>
    faulty(file, [...faults, aliasFault(aliases[0]?.alias, "and others stand for too much", file, lines)]);
  // The library goes through the whole document for each.
  if (aliases.length > MAX_ALIASES) return tooMuch();
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    // What it throws when aliases of aliases come to more.
    if (!(error instanceof ReferenceError)) throw error;
    return tooMuch();
  }
  const locate = (fault: Fault): LocatedFault => ({ ...fault, file, ...placeOf(document, lines, fault) });
  return { ok: true, value: { file, value, faults, locate } };
}

interface AliasUse {
  alias: Alias;
  /** Why it stands for nothing. */
  wrong: string | undefined;
}

/** Every alias in the order of the file; an anchor counts from where it stands, and may be given again. */
function readAliases(document: Document.Parsed): AliasUse[] {
  const anchors = new Map<string, Node>();
  const uses: AliasUse[] = [];
  visit(document, {
    Node: (_, node) => {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        return;
      }
      const target = anchors.get(node.source);
      const wrong = target
        ? holds(target, node)
          ? "lies inside its own anchor"
          : undefined
        : "has no anchor before it";
      uses.push({ alias: node, wrong });
    },
  });
  return uses;
}

function aliasFault(alias: Alias | undefined, why: string, file: string, lines: LineCounter): LocatedFault {
  const { line, col } = lines.linePos(startOf(alias) ?? 0);
  const text = `the alias *${alias?.source ?? ""} ${why}`;
  return { code: "yaml_alias", pointer: "", text, write: "the value itself", file, line, col };
}

function holds(target: Node, alias: Alias): boolean {
  const at = startOf(alias);
  return at !== undefined && isNodeWithRange(target) && target.range[0] <= at && at < target.range[1];
}

const faulty = (file: string, faults: LocatedFault[]) =>
  refuseFile({ code: "validation_failed", detail: `${file} cannot be read as YAML.` }, faults);

async function readBounded(file: string, maxBytes: number): Promise<Reading<Buffer>> {
  try {
    const handle = await open(file, "r");
    try {
      // Not by the size it names: a pipe or a device names none.
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of handle.createReadStream({ autoClose: false })) {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxBytes) {
          return refuseFile({ code: "body_too_large", detail: `${file} has more than the ${maxBytes} bytes allowed.` });
        }
      }
      return { ok: true, value: Buffer.concat(chunks) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "ENOENT") return refuseFile({ code: "not_found", detail: `There is no file ${file}.` });
    if (code === "") throw error;
    return refuseFile({ code: "bad_request", detail: `${file} cannot be read: ${code}.` });
  }
}

function yamlFault(error: YAMLError, file: string, lines: LineCounter): LocatedFault {
  const { line, col } = lines.linePos(error.pos[0]);
  const at = { pointer: "", file, line: Math.max(line, 1), col: Math.max(col, 1) };
  if (error.code === "DUPLICATE_KEY") {
    return { ...at, code: "yaml_duplicate_key", text: "this key stands here twice", write: "each key once" };
  }
  if (error.code === "TAB_AS_INDENT") {
    return { ...at, code: "yaml_tab", text: "the line is indented with a tab", write: "spaces, two per level" };
  }
  if (error.code === "MULTIPLE_DOCS") {
    const text = "a second YAML document begins here";
    return { ...at, code: "yaml_second_document", text, write: "one document per file, without --- in it" };
  }
  if (error.code === "RESOURCE_EXHAUSTION") {
    return { ...at, code: "yaml_too_deep", text: "this is nested too deeply", write: "ten levels at most" };
  }
  return { ...at, code: "yaml_syntax", text: `this is no YAML: ${error.message}`, write: "YAML 1.2, one document" };
}

/** What the parser says next about the same place only follows from the first: of 100 open brackets, 100 things. */
function firstAtEachPlace(faults: LocatedFault[]): LocatedFault[] {
  const seen = new Set<string>();
  return faults.filter(({ line, col }) => {
    const fresh = !seen.has(`${line}:${col}`);
    seen.add(`${line}:${col}`);
    return fresh;
  });
}

/** Codes whose fault is the key and not its value. */
const ABOUT_KEY = ["unknown_key", "media_bay_unknown"];

/** The place of what the pointer names; of something missing, the place of the nearest part that is there. */
function placeOf(
  document: Document.Parsed,
  lines: LineCounter,
  { pointer, code }: Fault,
): { line: number; col: number } {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const part of pointer.split("/").slice(1).map(decode)) {
    if (isAlias(node)) node = node.resolve(document);
    if (isSeq(node)) node = node.items[Number(part)];
    else if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : undefined) === part);
      if (!pair) break;
      const key = startOf(pair.key);
      if (key !== undefined) offset = key;
      node = pair.value;
      if (ABOUT_KEY.includes(code)) continue;
    } else break;
    offset = startOf(node) ?? offset;
  }
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), col: Math.max(col, 1) };
}

const decode = (part: string): string => part.replaceAll("~1", "/").replaceAll("~0", "~");

function startOf(node: unknown): number | undefined {
  return isNodeWithRange(node) ? node.range[0] : undefined;
}
const isNodeWithRange = (node: unknown): node is Node & { range: [number, number, number] } =>
  typeof node === "object" && node !== null && "range" in node && Array.isArray(node.range);
