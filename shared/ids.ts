import type { Random } from "./deps.ts";

/** Crockford's alphabet without the letters that people misread. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

function token(random: Random, length: number): string {
  let out = "";
  while (out.length < length) {
    let bits = random.uint32();
    for (let i = 0; i < 6 && out.length < length; i++) {
      out += ALPHABET[bits & 31];
      bits >>>= 5;
    }
  }
  return out;
}

/** Kinds of id and the prefix that makes one readable in a log. Ids are ours and opaque (C6). */
export const idPrefix = {
  site: "st",
  device: "dev",
  asset: "ast",
  medium: "med",
  plan: "pln",
  job: "job",
  agent: "agt",
  lease: "lse",
  token: "tok",
  boot: "bot",
} as const;
export type IdKind = keyof typeof idPrefix;

/** The short site key: the part of a site id that ids made by that site carry. 10 symbols are 50 bits. */
export function newSiteId(random: Random): string {
  return `${idPrefix.site}_${token(random, 10)}`;
}

/**
 * A fresh id made by a site: `job_<site key>_<16 symbols>`. It carries the site's key so that the Worker can route a
 * bare id to the object that owns it without asking a read model that may lag (docs/decisions/0003).
 */
export function newId(kind: Exclude<IdKind, "site">, siteId: string, random: Random): string {
  return `${idPrefix[kind]}_${siteKey(siteId)}_${token(random, 16)}`;
}

export function siteKey(siteId: string): string {
  return siteId.slice(idPrefix.site.length + 1);
}

/** The site that made this id, or undefined if it is not of our making. */
export function siteOfId(id: string): string | undefined {
  const match = /^[a-z]+_([0-9a-z]{10})_[0-9a-z]{16}$/.exec(id);
  return match?.[1] === undefined ? undefined : `${idPrefix.site}_${match[1]}`;
}

/** A secret with 160 bits, for tokens that people paste. */
export function newSecret(random: Random): string {
  return token(random, 32);
}
