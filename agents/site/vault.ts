import { readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import { SecretRef } from "../../shared/model/site.ts";

export interface Credentials {
  username: string;
  password: string;
}

/** Secrets of the site, by `vault:` reference only. What it gives goes into a request and nowhere else (A7). */
export interface Vault {
  get(ref: string): Outcome<Credentials>;
}

const Entries = z.record(SecretRef, z.object({ username: z.string().min(1), password: z.string().min(1) }));

export function memoryVault(entries: Record<string, Credentials>): Vault {
  return {
    get(ref) {
      const found = Object.hasOwn(entries, ref) ? entries[ref] : undefined;
      return found ? ok(found) : refuse("secret_missing", `The vault has no entry ${ref}.`);
    },
  };
}

/**
 * The vault on a file: JSON, reference → username and password, of mode 0600. It is read again when it has changed, so
 * a secret can be added to a running agent. Opening refuses a file that others may read, or that does not fit.
 */
export function fileVault(path: string): Outcome<Vault> {
  let seen = "";
  let entries: Record<string, Credentials> = {};
  const load = (): Outcome<null> => {
    let stat: ReturnType<typeof statSync>;
    try {
      stat = statSync(path);
    } catch {
      return refuse("secret_missing", `The vault file ${path} cannot be read.`);
    }
    if ((stat.mode & 0o077) !== 0)
      return refuse("secret_missing", `The vault file ${path} can be read by others: chmod 600 it.`);
    const version = `${stat.mtimeMs}:${stat.size}:${stat.ino}`;
    if (version === seen) return ok(null);
    // The content is never quoted: a syntax error's message would carry a piece of it (A7).
    try {
      const parsed = Entries.safeParse(JSON.parse(readFileSync(path, "utf8")));
      if (!parsed.success)
        return refuse("secret_missing", `The vault file ${path} is not a map of vault: references to users.`);
      entries = parsed.data;
      seen = version;
      return ok(null);
    } catch {
      return refuse("secret_missing", `The vault file ${path} is not JSON.`);
    }
  };
  const first = load();
  if (!first.ok) return first;
  return ok({
    get(ref) {
      const loaded = load();
      return loaded.ok ? memoryVault(entries).get(ref) : loaded;
    },
  });
}
