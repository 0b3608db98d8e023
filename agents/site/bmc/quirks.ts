import { SEEN_MAX_CHARS } from "../../../shared/protocol/agent.ts";

/** What vendors do differently, as data: it changes how a request is shaped or which field is read, never what is meant. */
export interface Quirks {
  /** The field of the system that holds the identity as the vendor gives it (T17 of the hardware notes: Dell's tag is the SKU). */
  identity: "SerialNumber" | "SKU";
  /** `changed`: an unchanged field in a boot PATCH is refused or makes a job (B6). `full`: what is left out is reset (B4, B5). */
  bootPatch: "changed" | "full";
  /** After an install the BMC leaves the boot settings alone (B18). */
  leaveBootAlone: boolean;
}

const standard: Quirks = { identity: "SerialNumber", bootPatch: "full", leaveBootAlone: false };

const vendors: readonly { match: RegExp; quirks: Partial<Quirks> }[] = [
  { match: /\bdell\b/i, quirks: { identity: "SKU", bootPatch: "changed" } },
  { match: /\blenovo\b/i, quirks: { leaveBootAlone: true } },
];

/** The quirks of a manufacturer; an unknown one behaves as the standard says. */
export function quirksOf(manufacturer: string | undefined): Quirks {
  const found = vendors.find((v) => v.match.test(manufacturer ?? ""));
  return { ...standard, ...found?.quirks };
}

const placeholders = new Set([
  "none",
  "n/a",
  "na",
  "unknown",
  "not specified",
  "default string",
  "system serial number",
]);

/** A field that names a thing; what a factory left in it is nothing (B14). */
export function realText(value: string | undefined | null): string | undefined {
  const text = value?.trim() ?? "";
  // No label is that long: who names a thing like this says nothing that could be compared or told.
  if (text.length > SEEN_MAX_CHARS) return undefined;
  if (text === "" || /^[0.\- ]+$/.test(text) || /^to be filled/i.test(text)) return undefined;
  return placeholders.has(text.toLowerCase()) ? undefined : text;
}
