/** Bodies that fit a route's schema more or less, for tests that send what nobody expects. One seed decides everything. */
import fc from "fast-check";

/** The parts of JSON Schema that the API's document uses. */
export interface Schema {
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
}

/** Stands for text that is put into the body as it is: what JSON has no value for. */
const RAW = "\u0001raw:";

/** Texts that mean something to some route; the sender puts real ids in for the names with a dollar sign. */
const words = [
  ...["$site", "$siteId", "$job", "$plan", "$hash", "$agent", "$token", "$lease", "$device", "$restore"],
  ...["server.install", "node-1", "node-2", "compute", "acme", "identify", "weur", "viewer", "succeeded", "1"],
];
const texts = [
  ...["", " ", "\0", "\ud800", "__proto__", "constructor", "toString", "../..", "'; DROP TABLE step; --", "%00", "NaN"],
  ...["null", "a".repeat(129), "é".repeat(5_000), "st_0123456789", "job_0123456789_0123456789abcdef", "1e3", "\u202e"],
];
const numbers = [0, -0, -1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 2 ** 63, Number.MIN_VALUE, 1_000_000];
const raws = [
  ...["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "-", "undefined", "'x'", "", "/**/1", "\u00a0"],
  ...['"\\ud800"', '"\\u0000"', '"\\x41"', '"\n"', "9".repeat(400), `0.${"3".repeat(400)}`, "[,]", '{"a":1,}'],
  ...['{"a":1,"a":2}', '{"__proto__":{"admin":true}}', '{"constructor":{"prototype":1}}', "]", "}", '"'],
  ...["[".repeat(30) + "]".repeat(30), "[".repeat(60) + "]".repeat(60), '{"a":'.repeat(60), "[".repeat(100_000)],
];
const keys = ["__proto__", "constructor", "prototype", "toString", "", "id", "v", "$ref", "length", "k".repeat(1_000)];

const text = fc.oneof(
  { arbitrary: fc.constantFrom(...words), weight: 6 },
  { arbitrary: fc.constantFrom(...texts), weight: 1 },
  { arbitrary: fc.string({ unit: "binary", maxLength: 20 }), weight: 1 },
);
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, [], {}, [[]], [null], { a: 1 }),
  fc.constantFrom(...numbers),
  fc.constantFrom(...texts, ...words),
  fc.constantFrom(...raws).map((raw) => RAW + raw),
  fc.jsonValue({ maxDepth: 3 }),
);

/** What stands in a path: `$fit` for what belongs there. */
export const named = fc.oneof({ arbitrary: fc.constant("$fit"), weight: 8 }, { arbitrary: text, weight: 2 });

/** Something of the schema's shape, within its bounds. */
export function fitting(schema: Schema | undefined, depth = 0): fc.Arbitrary<unknown> {
  if (!schema || depth > 6) return odd;
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => fitting(one, depth + 1)));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case "object": {
      const { properties = {}, required = [], additionalProperties: more } = schema;
      const known = Object.entries(properties).map(([key, of]) => [key, fitting(of, depth + 1)] as const);
      if (known.length > 0) return fc.record(Object.fromEntries(known), { requiredKeys: required });
      return fc.dictionary(text, fitting(typeof more === "object" ? more : undefined, depth + 1), { maxKeys: 2 });
    }
    case "array":
      return fc.array(fitting(schema.items, depth + 1), { maxLength: 3 });
    case "integer":
    case "number": {
      const { minimum: min = -100, maximum: max = 1_000 } = schema;
      const edges = [...numbers, min, max].filter(
        (n) => n >= min && n <= max && (schema.type === "number" || Number.isSafeInteger(n)),
      );
      return fc.oneof(
        fc.integer({ min: Math.max(min, -5), max: Math.min(max, Math.max(min, 20)) }),
        fc.constantFrom(...edges),
      );
    }
    case "boolean":
      return fc.boolean();
    default:
      return schema.maxLength === undefined ? text : text.map((one) => one.slice(0, schema.maxLength));
  }
}

interface Change {
  at: number;
  how: "replace" | "remove" | "add" | "twice" | "wrap" | "repeat";
  key: string;
  value: unknown;
}
const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(1_000),
  how: fc.constantFrom("replace", "remove", "add", "twice", "wrap", "repeat"),
  key: fc.constantFrom(...keys),
  value: odd,
});

/** The value, with some places of it changed. */
export const disturbed = (value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(
      value,
      fc.oneof(
        { arbitrary: fc.constant([]), weight: 2 },
        { arbitrary: change.map((one) => [one]), weight: 3 },
        { arbitrary: fc.array(change, { maxLength: 3 }), weight: 1 },
      ),
    )
    .map(([whole, changes]) => changes.reduce(changed, whole));

/** A copy that differs in one place: the node that comes `at`-th, modulo how many there are. */
function changed(whole: unknown, { at, how, key, value }: Change): unknown {
  let left = at % count(whole);
  const walk = (node: unknown): unknown => {
    if (left-- === 0) return there(node);
    if (Array.isArray(node)) return node.flatMap((item) => shown(walk(item)));
    if (typeof node !== "object" || node === null) return node;
    return object(Object.entries(node).flatMap(([k, v]) => shown(walk(v)).map((now) => [k, now] as const)));
  };
  const there = (node: unknown): unknown => {
    if (how === "remove") return REMOVED;
    if (how === "wrap") return [node];
    const entries =
      typeof node === "object" && node !== null && !Array.isArray(node) ? Object.entries(node) : undefined;
    if (entries && how === "add") return object([...entries, [key, value]]);
    const [first] = entries ?? [];
    if (entries && first && how === "twice") {
      const pairs = [...entries, [first[0], value] as const].map(([k, v]) => `${JSON.stringify(k)}:${written(v)}`);
      return `${RAW}{${pairs.join()}}`;
    }
    if (Array.isArray(node) && how === "repeat") return [...node, ...node, ...node];
    return value;
  };
  const out = walk(whole);
  return out === REMOVED ? undefined : out;
}

const REMOVED = Symbol("removed");
const shown = (node: unknown): unknown[] => (node === REMOVED ? [] : [node]);
const count = (node: unknown): number =>
  typeof node === "object" && node !== null ? 1 + Object.values(node).reduce((n: number, v) => n + count(v), 0) : 1;
/** With "__proto__" as a key of its own, as JSON has it. */
const object = (entries: readonly (readonly [string, unknown])[]): object => {
  const out = {};
  for (const [key, value] of entries) Object.defineProperty(out, key, { value, enumerable: true, configurable: true });
  return out;
};

/** The value with what `own` says in the place of each name with a dollar sign. */
export const resolved = (value: unknown, own: (name: string) => unknown): unknown => {
  if (typeof value === "string") return value.startsWith("$") ? own(value) : value;
  if (Array.isArray(value)) return value.map((item) => resolved(item, own));
  if (typeof value !== "object" || value === null) return value;
  return object(Object.entries(value).map(([key, item]) => [key, resolved(item, own)] as const));
};

/** The value as it is sent, with what JSON has no value for in its place. */
export const written = (value: unknown): string =>
  (JSON.stringify(value) ?? "").replaceAll(
    /"\\u0001raw:((?:[^"\\]|\\.)*)"/g,
    (_, raw: string) => JSON.parse(`"${raw}"`) as string,
  );
