import { z } from "zod";

/** The schema without the wrappers that let a key be left out. */
export function bare(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.unwrap();
  }
  return inner;
}

/** A small value that fits the schema: the example of its metadata, else one made of its parts, with required keys only. */
export function exampleOf(schema: unknown): unknown {
  if (schema instanceof z.ZodDefault) return schema.def.defaultValue;
  const inner = bare(schema);
  if (!(inner instanceof z.ZodType)) return "…";
  const [given] = (inner.meta()?.examples ?? []) as unknown[];
  if (given !== undefined) return given;
  if (inner instanceof z.ZodObject) {
    const required = Object.entries(inner.shape).filter(([, part]) => part === bare(part));
    return Object.fromEntries(required.map(([key, part]) => [key, exampleOf(part)]));
  }
  if (inner instanceof z.ZodArray) return [exampleOf(inner.element)];
  if (inner instanceof z.ZodRecord) return {};
  if (inner instanceof z.ZodEnum) return inner.options[0];
  if (inner instanceof z.ZodLiteral) return inner.value;
  if (inner instanceof z.ZodBoolean) return true;
  return inner instanceof z.ZodNumber ? 1 : "…";
}

/** The value in one line of YAML. */
export function flow(value: unknown): string {
  if (typeof value === "string")
    return plain.test(value) && !/^(true|false|yes|no|on|off|null)$/i.test(value) ? value : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{ ${Object.entries(value)
    .map(([key, part]) => `${key}: ${flow(part)}`)
    .join(", ")} }`;
}

const plain = /^[A-Za-z/](?:[A-Za-z0-9 ._/-]|:(?=[A-Za-z0-9/]))*$/;
