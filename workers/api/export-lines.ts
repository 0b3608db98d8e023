/** A site's export as its object gives it, page by page, with the hash over what has been read (shared/model/site-export.ts). */
import { createHash } from "node:crypto";
import type { ExportEnd } from "../../shared/model/site-export.ts";
import type { ExportPlace } from "../site/core/commands.ts";
import type { SiteRpc } from "../site/rpc.ts";
import { unwrap } from "./route.ts";

/** Of one page, characters: a message between Worker and object holds 32 MiB. */
const PAGE_CHARS = 4_000_000;

/** Reads an export; `token` is this reader's own, by which the object knows whether it still reads the same tables. */
export class ExportReader {
  readonly #object: SiteRpc;
  readonly #token: string;
  readonly #hash = createHash("sha256");
  readonly #rows: Record<string, number> = {};
  #lines = 0;
  #after: ExportPlace | undefined;
  done = false;

  constructor(object: SiteRpc, token: string) {
    this.#object = object;
    this.#token = token;
  }

  /** The next lines, each with its line feed. Throws `export_moved` when the site has changed since the first page. */
  async next(): Promise<string> {
    const page = unwrap(
      await this.#object.ask("export.page", { token: this.#token, after: this.#after, maxChars: PAGE_CHARS }),
    );
    const text = page.lines.map((line) => `${line}\n`).join("");
    this.#hash.update(text, "utf8");
    this.#lines += page.lines.length;
    for (const [table, n] of Object.entries(page.rows)) this.#rows[table] = (this.#rows[table] ?? 0) + n;
    this.#after = page.next ?? undefined;
    this.done = page.next === null;
    return text;
  }

  /** The last line, once all others have been read. */
  end(): ExportEnd {
    return { end: { rows: this.#rows, lines: this.#lines, sha256: this.#hash.digest("hex") } };
  }
}
