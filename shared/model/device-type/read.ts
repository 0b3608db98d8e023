import { z } from "zod";
import { type Fault, type Outcome, ok, refuse } from "../../errors.ts";
import { type ComponentList, componentListNames, componentLists, DeviceType } from "./device-type.ts";

/** What was made of a file that is not quite as its own schema wants it. */
export interface ReadReport {
  /** Read anyway, with what was done about it. */
  tolerated: string[];
  /** Not in the file; what is taken instead. */
  missing: string[];
}
export interface ReadDeviceType {
  type: DeviceType;
  report: ReadReport;
}

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads one document of the NetBox device-type library. Real files bend their schema: numbers where text belongs, no
 * slug, no height, fields nobody declared. What can be understood is taken and reported; only what cannot is refused
 * (`validation_failed`, with a pointer each).
 */
export function readDeviceType(document: unknown): Outcome<ReadDeviceType> {
  if (!isFields(document)) {
    return refuse("validation_failed", "The file is no device type.", [
      { code: "not_a_device_type", pointer: "", text: "the file does not hold one mapping", write: EXAMPLE },
    ]);
  }
  const report: ReadReport = { tolerated: [], missing: [] };
  const source = mend(document, DeviceType, "", report);
  defaults(source, report);
  for (const key of componentListNames) mendList(source, key, report);
  const parsed = DeviceType.safeParse(source);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(faultOf);
    return refuse("validation_failed", `The device type has ${faults.length} fault(s).`, faults);
  }
  noteDoubles(parsed.data, report);
  return ok({ type: parsed.data, report });
}

const EXAMPLE = "manufacturer: Dell, model: PowerEdge R650, u_height: 1, interfaces: […]";

/** What NetBox itself assumes where the file says nothing. */
function defaults(source: Fields, report: ReadReport): void {
  if (source.u_height === undefined) {
    source.u_height = 1;
    report.missing.push("u_height: taken as 1, as NetBox does");
  }
  if (source.is_full_depth === undefined) {
    source.is_full_depth = true;
    report.missing.push("is_full_depth: taken as true, as NetBox does");
  }
  if (source.slug === undefined) {
    source.slug = slugOf(`${source.manufacturer ?? ""} ${source.model ?? ""}`) || "unnamed";
    report.missing.push(`slug: derived as ${String(source.slug)}`);
  }
  if (source.interfaces === undefined) report.missing.push("interfaces: none are listed");
}

const slugOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/\+/g, "-plus")
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^-+|-+$/g, "");

/** A copy in which every known field has its type where that is possible without guessing. */
function mend(value: Fields, schema: z.ZodObject, at: string, report: ReadReport): Fields {
  const out: Fields = {};
  for (const [key, found] of Object.entries(value)) {
    const where = at ? `${at}.${key}` : key;
    const wanted = Object.hasOwn(schema.shape, key) ? schema.shape[key] : undefined;
    if (!wanted) report.tolerated.push(`${where}: not in the schema, kept as it is`);
    if (found === null) {
      report.tolerated.push(`${where}: empty, taken as absent`);
      continue;
    }
    out[key] = wanted ? coerce(found, kindOf(wanted), where, report) : found;
  }
  return out;
}

type Kind = "string" | "number" | "boolean" | "other";
function kindOf(schema: unknown): Kind {
  let inner = schema;
  while (inner instanceof z.ZodOptional) inner = inner.unwrap();
  if (inner instanceof z.ZodString) return "string";
  if (inner instanceof z.ZodNumber) return "number";
  return inner instanceof z.ZodBoolean ? "boolean" : "other";
}

function coerce(value: unknown, kind: Kind, where: string, report: ReadReport): unknown {
  if (kind === "string" && (typeof value === "number" || typeof value === "boolean")) {
    report.tolerated.push(`${where}: ${String(value)} is no text, taken as "${String(value)}"`);
    return String(value);
  }
  if (kind === "number" && typeof value === "string" && /^\s*\d+(\.\d+)?\s*$/.test(value)) {
    report.tolerated.push(`${where}: "${value}" is text, taken as the number ${Number(value)}`);
    return Number(value);
  }
  if (kind === "boolean" && typeof value === "string" && /^(true|false|yes|no)$/i.test(value)) {
    report.tolerated.push(`${where}: "${value}" is text, taken as ${/^(true|yes)$/i.test(value)}`);
    return /^(true|yes)$/i.test(value);
  }
  return value;
}

function mendList(source: Fields, key: ComponentList, report: ReadReport): void {
  const entries = source[key];
  if (!Array.isArray(entries)) return;
  source[key] = entries.map((entry: unknown, i) =>
    isFields(entry) ? mend(entry, componentLists[key], `${key}[${i}]`, report) : entry,
  );
}

/** A port or bay listed twice under one name: the library has such files, and a cable could not tell them apart. */
function noteDoubles(type: DeviceType, report: ReadReport): void {
  for (const key of componentListNames) {
    const seen = new Set<string>();
    for (const { name } of type[key] ?? []) {
      if (seen.has(name)) report.tolerated.push(`${key}: "${name}" is listed twice; the first counts`);
      seen.add(name);
    }
  }
}

function faultOf(issue: z.core.$ZodIssue): Fault {
  const pointer = issue.path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  const last = String(issue.path.at(-1) ?? "the file");
  return { code: "device_type_fault", pointer, text: `${last} ${complaint(issue)}`, write: advice(last) };
}

function complaint(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") {
    return issue.message.endsWith("received undefined")
      ? "is missing"
      : `is no ${kinds[issue.expected] ?? issue.expected}`;
  }
  return issue.code === "too_small" && issue.origin === "string" ? "is empty" : "is not what may stand here";
}

const kinds: Record<string, string> = { string: "text", array: "list", object: "mapping", record: "mapping" };

function advice(field: string): string {
  if (field === "manufacturer") return "manufacturer: the maker's name, as Dell";
  if (field === "model") return "model: the model's name, as PowerEdge R650";
  if (field === "u_height") return "u_height: rack units in halves, as 1 or 0.5";
  if (field === "slug") return "slug: lower-case letters, digits and hyphens, as dell-poweredge-r650";
  if (field === "name") return 'name: what is printed at the port or bay, as "Gig-E 1"';
  if (field === "type") return "type: a NetBox type, as 1000base-t";
  return `${field}: a value as the device-type library's schema has it`;
}
