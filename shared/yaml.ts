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
import type { Fault } from "./errors.ts";

/** A fault with its place in a text, counted from 1 as editors do. */
export interface PlacedFault extends Fault {
  line: number;
  col: number;
}

export interface YamlText {
  value: unknown;
  /** What is wrong with the YAML and yet let it be read: keys written twice. */
  faults: PlacedFault[];
  /** The place of a fault that others find in the value. */
  locate<F extends Fault>(fault: F): F & { line: number; col: number };
}

/** Aliases may be resolved so often in all; more is a bomb (S4). */
const MAX_ALIASES = 200;

/** Reads one YAML document, or tells every fault that keeps it from being read. */
export function readYaml(text: string): { ok: true; value: YamlText } | { ok: false; faults: PlacedFault[] } {
  const refused = (faults: PlacedFault[]) => ({ ok: false as const, faults });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const deepest = document.errors.find((error) => error.code === "RESOURCE_EXHAUSTION");
  // All that the parser says beside it follows from it.
  if (deepest) return refused([yamlFault(deepest, lines)]);
  const faults = firstAtEachPlace(document.errors.map((error) => yamlFault(error, lines)));
  if (document.errors.some((error) => error.code !== "DUPLICATE_KEY")) return refused(faults);
  const aliases = readAliases(document);
  const lost = aliases.flatMap(({ alias, wrong }) => (wrong ? [aliasFault(alias, wrong, lines)] : []));
  if (lost.length > 0) return refused([...faults, ...lost]);
  const tooMuch = () => refused([...faults, aliasFault(aliases[0]?.alias, "and others stand for too much", lines)]);
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
  return { ok: true, value: { value, faults, locate: (fault) => ({ ...fault, ...placeOf(document, lines, fault) }) } };
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

function aliasFault(alias: Alias | undefined, why: string, lines: LineCounter): PlacedFault {
  const { line, col } = lines.linePos(startOf(alias) ?? 0);
  const text = `the alias *${alias?.source ?? ""} ${why}`;
  return { code: "yaml_alias", pointer: "", text, write: "the value itself", line, col };
}

function holds(target: Node, alias: Alias): boolean {
  const at = startOf(alias);
  return at !== undefined && isNodeWithRange(target) && target.range[0] <= at && at < target.range[1];
}

function yamlFault(error: YAMLError, lines: LineCounter): PlacedFault {
  const { line, col } = lines.linePos(error.pos[0]);
  const at = { pointer: "", line: Math.max(line, 1), col: Math.max(col, 1) };
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
function firstAtEachPlace(faults: PlacedFault[]): PlacedFault[] {
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
