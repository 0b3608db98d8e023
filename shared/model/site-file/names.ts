import type { Faults } from "./faults.ts";
import { nameForm } from "./schema.ts";

/** Judges the names of one list (form, used once) and maps each good one to its place in the list. */
export function checkNames(entries: readonly { name: string }[], at: string, faults: Faults): Map<string, number> {
  const places = new Map<string, number>();
  entries.forEach(({ name }, i) => {
    const pointer = `${at}/${i}/name`;
    if (faults.broken(pointer)) return;
    if (!nameForm.test(name)) {
      faults.add("name_malformed", pointer, `the name "${name}" has a form that is not allowed`, nameFrom(name));
    }
    const first = places.get(name);
    if (first === undefined) places.set(name, i);
    else
      faults.add(
        "name_duplicate",
        pointer,
        `the name ${name} is used by entry ${first + 1} already`,
        freeName(name, entries),
      );
  });
  return places;
}

/** What the writer probably meant, in the allowed form. */
function nameFrom(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .slice(0, 63)
    .replace(/^[.-]+|[.-]+$/g, "");
  return name || "lower-case letters, digits, dots and hyphens, as web-01";
}

function freeName(name: string, entries: readonly { name: string }[]): string {
  const used = new Set(entries.map((entry) => entry.name));
  const [, stem = name, digits = ""] = /^(.*?)(\d*)$/.exec(name) ?? [];
  for (let n = Number(digits || "1") + 1; n < 100_000; n++) {
    const candidate = `${digits ? stem : `${name}-`}${String(n).padStart(digits.length, "0")}`;
    if (!used.has(candidate)) return candidate;
  }
  return "a name of its own";
}
