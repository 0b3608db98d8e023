/** What a file says of the specification's rules: which ids its comments cite, and which its tests try by name. */
import { type Comment, parseSync, Visitor } from "oxc-parser";

const ID = /\b[TJLCGEAS]\d+\b/g;
const RUNS = new Set(["it", "test"]);
/** A test with one of these may never run, or proves what it should not. */
const IDLE = new Set(["skip", "skipIf", "runIf", "todo", "fails"]);

/** Ids in comments. Another list's ids look the same, as hardware notes and lessons: those say so before the id. */
export function cited(file: string, text: string): Set<string> {
  const { comments } = parseSync(file, text);
  return new Set(comments.flatMap(idsOf));
}

const idsOf = ({ value }: Comment): string[] =>
  value.replaceAll(/(lessons?|hardware notes|platform\.md|workflows) [\w.]+( and [\w.]+)?/gi, "").match(ID) ?? [];

/** Ids that stand as `[L2]` in the titles of tests which always run and whose code can fail: it expects or throws. */
export function tried(file: string, text: string): Set<string> {
  const ids = new Set<string>();
  const around: { end: number; title: string; idle: boolean }[] = [];
  new Visitor({
    CallExpression(node) {
      const { root, words } = chain(node.callee);
      if (root === undefined || !(RUNS.has(root) || root === "describe")) return;
      while (around.at(-1) && (around.at(-1)?.end ?? 0) < node.end) around.pop();
      const [title, ...rest] = node.arguments;
      if (title?.type !== "Literal" && title?.type !== "TemplateLiteral") return;
      const idle = words.some((word) => IDLE.has(word)) || around.some((outer) => outer.idle);
      const said = text.slice(title.start, title.end);
      if (root === "describe") around.push({ end: node.end, title: said, idle });
      else if (!idle && rest.some((arg) => /\b(expect|throw)\b/.test(text.slice(arg.start, arg.end))))
        for (const id of [...around.map((outer) => outer.title), said].join().matchAll(/\[([A-Z]\d+)\]/g))
          ids.add(id[1] ?? "");
    },
  }).visit(parseSync(file, text).program);
  return ids;
}

interface Callee {
  type: string;
  name?: string;
  object?: unknown;
  property?: unknown;
  callee?: unknown;
  tag?: unknown;
}

/** `it.each(rows)` is a call of `it` with the word `each`. */
function chain(callee: unknown): { root: string | undefined; words: string[] } {
  const words: string[] = [];
  let at = callee as Callee | undefined;
  while (at) {
    if (at.type === "Identifier") return { root: at.name, words };
    if (at.type === "MemberExpression") {
      words.push((at.property as Callee).name ?? "");
      at = at.object as Callee;
    } else if (at.type === "CallExpression") at = at.callee as Callee;
    else if (at.type === "TaggedTemplateExpression") at = at.tag as Callee;
    else break;
  }
  return { root: undefined, words };
}
