import { z } from "zod";
import { bare, exampleOf, flow } from "./example.ts";
import { type Faults, pointerTo } from "./faults.ts";
import { instead, nearest, oneOf } from "./nearest.ts";

/**
 * Parses the document. Every issue becomes a fault; then unknown keys are dropped and what does not fit is replaced by
 * a stopgap, so that the rest can still be judged. Undefined when not even that can be done.
 */
export function readShape<T extends z.ZodType>(schema: T, value: unknown, faults: Faults): z.infer<T> | undefined {
  const first = schema.safeParse(value);
  if (first.success) return first.data;
  for (const issue of first.error.issues) report(schema, value, issue, faults);
  const second = schema.safeParse(fill(schema, value));
  return second.success ? second.data : undefined;
}

function report(schema: z.ZodType, value: unknown, issue: z.core.$ZodIssue, faults: Faults): void {
  const { path } = issue;
  const about = schemaAt(schema, path);
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) unknownKey(about, [...path, key], key, faults);
    return;
  }
  const pointer = pointerTo(path);
  const key = path.length === 0 ? "the file" : keyOf(path);
  const what = about?.description ?? "";
  const found = valueAt(value, path);
  // A7: what stands at a secret may be a password by mistake.
  const quoted = path.at(-1) === "secret" ? "something else" : shown(found);
  if (path.length === 0 && (found === undefined || found === null)) {
    faults.addBroken("missing_key", pointer, "the file is empty", written(schema, path));
  } else if (found === undefined || found === null) {
    const text = `${key} ${found === null ? "has no value" : "is missing"}`;
    faults.addBroken("missing_key", pointer, text, remarked(written(schema, path), allowedBy(issue) ?? what));
  } else if (issue.code === "invalid_type" && issue.expected === "string" && typeof found !== "object") {
    const write = `${key}: "…", in quotes, exactly as printed`;
    faults.addBroken("not_text", pointer, `${key} is ${quoted}, which YAML reads as no text`, write);
  } else if (issue.code === "invalid_type") {
    const write = remarked(written(schema, path), what ? `${wanted(issue)}: ${what}` : wanted(issue));
    faults.addBroken("wrong_type", pointer, `${key} is ${quoted}`, write);
  } else if (issue.code === "invalid_value") {
    const all = oneOf(issue.values.map(String), 20);
    const near = typeof found === "string" ? nearest(found, issue.values.map(String)) : undefined;
    const write = near === undefined ? all : `${near} (${all})`;
    faults.addBroken("value_not_allowed", pointer, `${key} is ${quoted}`, write);
  } else {
    faults.addBroken("value_out_of_range", pointer, `${key} is ${quoted}`, `${key}: ${bounds(issue)}`);
  }
}

/** What may stand at the path, as it would be written there. */
function written(schema: z.ZodType, path: readonly PropertyKey[]): string {
  const example = flow(exampleOf(rawAt(schema, path)));
  const last = path.at(-1);
  if (last === undefined) return example;
  return typeof last === "number" ? `- ${example}` : `${cut(String(last))}: ${example}`;
}

const remarked = (write: string, remark: string): string => (remark === "" ? write : `${write} # ${remark}`);

/** The choice, where there is one; of a single value the example says it all. */
function allowedBy(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code !== "invalid_value") return undefined;
  return issue.values.length > 1 ? oneOf(issue.values.map(String), 20) : "";
}

function unknownKey(about: z.ZodType | undefined, path: PropertyKey[], key: string, faults: Faults): void {
  const known = about instanceof z.ZodObject ? Object.keys(about.shape) : [];
  const secret = known.includes("secret") && /pass|user|cred/i.test(key);
  const write = secret ? "secret: vault:…, and user and password into the agent's vault" : instead(key, known);
  faults.add("unknown_key", pointerTo(path), `there is no key "${cut(key)}" here`, write);
}

/** The key that a person sees: an entry of a list is called by the list. */
function keyOf(path: readonly PropertyKey[]): string {
  const last = path.at(-1);
  return typeof last === "number" ? `entry ${last + 1} of ${String(path.at(-2) ?? "the list")}` : cut(String(last));
}

const cut = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

function shown(value: unknown): string {
  if (typeof value === "string") return value === "" ? "empty" : JSON.stringify(cut(value));
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "a mapping" : String(value);
}

const words: Record<string, string> = {
  string: "a text",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
  int: "a whole number",
};

function wanted(issue: z.core.$ZodIssue): string {
  return issue.code === "invalid_type" ? (words[issue.expected] ?? `a ${issue.expected}`) : "a value";
}

function bounds(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "too_small":
      if (issue.origin === "string") return "a text that is not empty";
      return `${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}`;
    case "too_big": {
      const unit = issue.origin === "string" ? " characters" : issue.origin === "array" ? " entries" : "";
      return `at most ${issue.maximum}${unit}`;
    }
    case "not_multiple_of":
      return `a multiple of ${issue.divisor}`;
    case "custom":
    case "invalid_format":
      return issue.message;
    default:
      return "a value as the schema has it";
  }
}

function childOf(schema: unknown, key: PropertyKey): unknown {
  const inner = bare(schema);
  if (inner instanceof z.ZodArray) return inner.element;
  if (inner instanceof z.ZodRecord) return inner.valueType;
  if (!(inner instanceof z.ZodObject)) return undefined;
  return Object.hasOwn(inner.shape, key) ? inner.shape[String(key)] : undefined;
}

const rawAt = (schema: unknown, path: readonly PropertyKey[]): unknown => path.reduce(childOf, schema);

/** The schema that applies at the path; the wrapper only where the description hangs on it. */
function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  const at = rawAt(schema, path);
  const inner = bare(at);
  if (inner instanceof z.ZodObject || !(at instanceof z.ZodType) || !at.description) {
    return inner instanceof z.ZodType ? inner : undefined;
  }
  return at;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = Reflect.get(at, part);
  }
  return at;
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value with unknown keys dropped and everything that does not fit replaced by something that does. */
function fill(schema: unknown, value: unknown): unknown {
  const inner = bare(schema);
  const optional = inner !== schema;
  if (optional && (value === undefined || value === null)) return undefined;
  if (inner instanceof z.ZodObject) {
    if (optional && !isMapping(value)) return undefined;
    const keys = Object.keys(inner.shape);
    return Object.fromEntries(keys.map((key) => [key, fill(inner.shape[key], valueAt(value, [key]))]));
  }
  if (!(inner instanceof z.ZodType) || inner.safeParse(value).success) return value;
  if (inner instanceof z.ZodArray) {
    const entries = Array.isArray(value) ? value.map((entry) => fill(inner.element, entry)) : [];
    return fitting(inner, entries, []);
  }
  if (inner instanceof z.ZodRecord) {
    const entries = isMapping(value) ? Object.entries(value).filter(([key]) => key !== "") : [];
    const filled = Object.fromEntries(entries.map(([key, entry]) => [key, fill(inner.valueType, entry)]));
    return fitting(inner, filled, {});
  }
  if (inner instanceof z.ZodEnum) return inner.options[0];
  if (inner instanceof z.ZodLiteral) return inner.value;
  return fitting(inner, inner instanceof z.ZodNumber ? 1 : "?");
}

/** The first of these that fits, else the example of the schema: what fits nowhere would take all around it away. */
const fitting = (schema: z.ZodType, ...candidates: unknown[]): unknown =>
  candidates.find((candidate) => schema.safeParse(candidate).success) ?? exampleOf(schema);
