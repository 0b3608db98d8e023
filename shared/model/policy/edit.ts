import { Document, isMap, isScalar, isSeq, type Node, parseDocument, type YAMLSeq } from "yaml";
import { canonicalJson } from "../../canonical.ts";
import type { Hold } from "../policy.ts";

/**
 * Holds written into the text of a policy and taken out of it, for `turnup hold` and `turnup unhold`. People review that
 * text, so all else in it stays to the letter: lines are put in or cut out. Where that does not come to what is meant (a
 * text in JSON, say), the library writes the whole text anew; the comments stay then, too.
 */

/** The text with one hold more. Without a text: a policy of this hold alone. */
export function withHold(text: string | undefined, site: string, hold: Hold): string {
  const before = text ?? `schema: turnup/policy/v1\nsite: ${JSON.stringify(site)}\n`;
  const document = parseDocument(before);
  const line = (indent: string) => `${indent}- ${flow(hold)}\n`;
  const holds = document.get("holds");
  const last = isSeq(holds) ? holds.items.at(-1) : undefined;
  let lines: string;
  if (isSeq(holds) && last) {
    const at = ended(before, endOf(last));
    lines = `${at.before}${line(indentOf(before, holds))}${at.after}`;
    holds.add(document.createNode(hold, { flow: true }));
  } else {
    lines = `${ended(before, before.length).before}holds:\n${line("  ")}`;
    document.set("holds", [hold]);
  }
  return meaning(lines) === canonicalJson(document.toJS()) ? lines : document.toString({ lineWidth: 0 });
}

/** The text without the holds on this, of this owner or of all. Undefined: there is none. */
export function withoutHolds(text: string, on: string, owner: string | undefined): string | undefined {
  const document = parseDocument(text);
  const holds = document.get("holds");
  if (!isSeq(holds)) return undefined;
  const isIt = (item: unknown): boolean =>
    isMap(item) && item.get("on") === on && (owner === undefined || item.get("owner") === owner);
  const gone = holds.items.filter(isIt);
  if (gone.length === 0) return undefined;
  let lines = text;
  if (gone.length === holds.items.length) {
    const key = isMap(document.contents)
      ? document.contents.items.find(({ value }) => value === holds)?.key
      : undefined;
    lines = cut(text, lineStart(text, startOf(key)), endOf(holds));
  } else for (const item of gone.toReversed()) lines = cut(lines, lineStart(text, startOf(item)), endOf(item));
  holds.items = holds.items.filter((item) => !isIt(item));
  if (holds.items.length === 0) document.delete("holds");
  return meaning(lines) === canonicalJson(document.toJS()) ? lines : document.toString({ lineWidth: 0 });
}

/** The hold in one line of YAML. */
function flow(hold: Hold): string {
  const document = new Document(hold);
  if (isMap(document.contents)) document.contents.flow = true;
  // Older YAML reads a moment as something else than text.
  const until = document.get("until", true);
  if (isScalar(until)) until.type = "QUOTE_DOUBLE";
  return document.toString({ lineWidth: 0 }).trimEnd();
}

/** What a text says, or undefined where it is no YAML. */
function meaning(text: string): string | undefined {
  const document = parseDocument(text);
  return document.errors.length > 0 ? undefined : canonicalJson(document.toJS());
}

const rangeOf = (node: unknown): readonly number[] => {
  const range = (node as Node | null | undefined)?.range;
  return range ?? [0, 0, 0];
};
const startOf = (node: unknown): number => rangeOf(node)[0] ?? 0;
/** Behind the node and what stands in its last line. */
const endOf = (node: unknown): number => rangeOf(node)[2] ?? 0;

const lineStart = (text: string, at: number): number => text.lastIndexOf("\n", at - 1) + 1;
const cut = (text: string, from: number, to: number): string => text.slice(0, from) + text.slice(to);

/** The text before and behind a place, the former with the end of its line. */
function ended(text: string, at: number): { before: string; after: string } {
  const before = text.slice(0, at);
  return { before: before === "" || before.endsWith("\n") ? before : `${before}\n`, after: text.slice(at) };
}

/** What stands before the dashes of a list. */
function indentOf(text: string, list: YAMLSeq): string {
  const at = startOf(list.items[0]);
  return /^ */.exec(text.slice(lineStart(text, at)))?.[0] ?? "";
}
