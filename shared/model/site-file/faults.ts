import type { Fault } from "../../errors.ts";

/** No more faults than this are listed: after a thousand the reader mends a cause, not a line (S4). */
export const MAX_FAULTS = 1000;

/** Collects faults, and knows what could not be read at all: a second verdict on such a value would only mislead. */
export class Faults {
  readonly list: Fault[] = [];
  total = 0;
  readonly #broken = new Set<string>();

  add(code: string, pointer: string, text: string, write: string): void {
    this.total += 1;
    if (this.list.length < MAX_FAULTS) this.list.push({ code, pointer, text, write });
  }

  /** A fault in the shape: what stands at the pointer and below is a stopgap from here on. */
  addBroken(code: string, pointer: string, text: string, write: string): void {
    this.add(code, pointer, text, write);
    this.#broken.add(pointer);
  }

  /** Whether the value at the pointer is a stopgap. */
  broken(pointer: string): boolean {
    if (this.#broken.size === 0) return false;
    for (let at = pointer; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
      if (this.#broken.has(at)) return true;
    }
    return this.#broken.has("");
  }
}

/** A JSON pointer (RFC 6901) from its parts. */
export const pointerTo = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
