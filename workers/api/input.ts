/** Bounds and shapes of what comes in (S4). */
import { z } from "zod";
import type { Fault } from "../../shared/errors.ts";

export const MIB = 2 ** 20;
export const MAX_BODY = 2 ** 20;
/** A site file of 10,000 machines has some 20 MB as JSON. */
export const MAX_DOCUMENT = 32 * MIB;
export const MAX_DEPTH = 40;

/**
 * What makes JSON unfit before anything recurses over it or believes it, told from the text alone: nesting without end,
 * a key that is said twice (one reader takes the first, another the last), and `__proto__`. Undefined: none of it.
 */
export function jsonFault(text: string, max = MAX_DEPTH): string | undefined {
  /** The keys of each object that is open; null for a list. */
  const open: (Set<string> | null)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      const from = i + 1;
      let escaped = false;
      for (i = from; i < text.length && text.charCodeAt(i) !== QUOTE; i++) {
        if (text.charCodeAt(i) !== BACKSLASH) continue;
        escaped = true;
        i += 1;
      }
      const keys = open.at(-1);
      if (!keys || !isKey(text, i + 1)) continue;
      const key = escaped ? unescaped(text.slice(from, i)) : text.slice(from, i);
      if (key === "__proto__") return "The JSON has the key __proto__, which names nothing here.";
      if (keys.has(key)) return `The JSON has the key ${key.slice(0, 64)} twice in one object.`;
      keys.add(key);
    } else if (c === LIST || c === OBJECT) {
      if (open.length === max) return `The JSON nests deeper than ${max} levels.`;
      open.push(c === OBJECT ? new Set() : null);
    } else if (c === LIST_END || c === OBJECT_END) open.pop();
  }
  return undefined;
}
const [QUOTE, BACKSLASH, LIST, OBJECT, LIST_END, OBJECT_END] = [34, 92, 91, 123, 93, 125];

/** In JSON a string before a colon is a key, and nothing else is. */
function isKey(text: string, at: number): boolean {
  let i = at;
  while (text.charCodeAt(i) <= 32) i += 1;
  return text.charCodeAt(i) === 58;
}

function unescaped(inner: string): string {
  try {
    return JSON.parse(`"${inner}"`) as string;
  } catch {
    // No JSON, as whoever parses it next will say.
    return inner;
  }
}

/** What zod found, as faults with JSON pointers. Of a choice, the faults of the form that was nearest are told. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], under: readonly PropertyKey[] = []): Fault[] {
  return issues.flatMap((issue) => {
    const path = [...under, ...issue.path];
    const branches = issue.code === "invalid_union" ? issue.errors.filter((branch) => branch.length > 0) : [];
    const [nearest] = branches.toSorted((a, b) => a.length - b.length);
    if (nearest) return faultsOf(nearest, path);
    const pointer = path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
    return [{ code: `input_${issue.code}`, pointer, text: plain(issue) }];
  });
}

/** How zod's own texts begin; any other was written here, for people. */
const BY_ZOD = /^(Invalid|Too |Unrecognized)/;

/** What is wrong, in plain words. What was sent is not repeated: it may be a secret (A7). */
function plain(issue: z.core.$ZodIssue): string {
  if (!BY_ZOD.test(issue.message)) return issue.message;
  switch (issue.code) {
    case "invalid_type":
      return issue.message.endsWith("received undefined")
        ? "is missing"
        : `must be ${KINDS[issue.expected] ?? issue.expected}`;
    case "too_small":
      return `must ${bound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}`;
    case "too_big":
      return `must ${bound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum)}`;
    case "invalid_value":
      return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.map(String).join(", ")}`;
    case "unrecognized_keys":
      return `has fields that are not known here: ${issue.keys.slice(0, 10).join(", ")}`;
    case "invalid_format":
      return issue.pattern === undefined ? `must be a valid ${issue.format}` : `must match ${issue.pattern}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "invalid_key":
      return "has a key of the wrong form";
    default:
      return "fits none of the forms that it may have";
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

function bound(origin: string, how: string, limit: number | bigint): string {
  if (origin === "string") return `have ${how} ${limit} characters`;
  if (origin === "array" || origin === "set") return `have ${how} ${limit} entries`;
  return `be ${how} ${limit}`;
}

/** Ids and names in paths and filters. */
export const Ref = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]*$/, "a name or an id");
export const Reason = z.string().max(500);

export const MAX_PAGE = 500;
/** Steps are paged by their number. */
export const StepQuery = z.object({
  after: z.coerce.number().int().min(-1).default(-1),
  limit: z.coerce.number().int().min(1).max(5_000).default(5_000),
});

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(100),
  /** `next` of the page before. */
  cursor: z.string().max(500).optional(),
});
export const EventsQuery = z.object({
  /** Only what came after this sequence number; 0 is the beginning. */
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(500),
});
