/** Who a caller is: the token's roles, the sites it is for, and how both are judged (S3). */
import { eq } from "drizzle-orm";
import type { Millis } from "../../shared/deps.ts";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import { fleetDb } from "../db/client.ts";
import { tokens } from "../db/fleet.ts";
import { sha256 } from "../site/platform.ts";

/** In rising order: each may do what those before it may. */
export const roles = ["viewer", "operator", "approver", "admin"] as const;
export type Role = (typeof roles)[number];

export interface Principal {
  /** For the record: `token:NAME`. */
  actor: string;
  /** Id of the token; what its Idempotency-Keys belong to. */
  id: string;
  role: Role;
  /** The human being whose token it is, where it is one person's (G4). */
  person?: string | undefined;
  /** Site ids, or null: every site. */
  sites: readonly string[] | null;
}

/** Shorter secrets could be guessed; such a one is treated as not set. */
const MIN_SECRET = 32;

export const mayAct = (have: Role, need: Role): boolean => roles.indexOf(have) >= roles.indexOf(need);
export const inScope = (principal: Principal, site: string): boolean => principal.sites?.includes(site) ?? true;

/** The bearer token of a request: from the header, or, for browsers' WebSockets, from the subprotocol `bearer.TOKEN`. */
export function bearerOf(headers: Headers): string | undefined {
  const header = /^Bearer ([\x21-\x7e]{1,2048})$/i.exec(headers.get("authorization") ?? "")?.[1];
  if (header !== undefined) return header;
  const offered =
    headers
      .get("sec-websocket-protocol")
      ?.split(",")
      .map((name) => name.trim()) ?? [];
  return offered.find((name) => name.startsWith("bearer."))?.slice("bearer.".length);
}

/** Proves an API token. All refusals sound the same, so that nothing can be learnt by trying. */
export async function authenticate(
  env: { DB: D1Database; TURNUP_ADMIN_TOKEN?: string | undefined },
  token: string | undefined,
  now: Millis,
): Promise<Outcome<Principal>> {
  const no = refuse("unauthenticated", "The request carries no token that is valid now.");
  if (token === undefined) return no;
  const hash = sha256(token);
  const secret = env.TURNUP_ADMIN_TOKEN;
  // Hashes are compared, so the time taken tells nothing about the secret.
  if (secret !== undefined && secret.length >= MIN_SECRET && hash === sha256(secret)) {
    return ok({ actor: "token:first-admin", id: "first-admin", role: "admin", sites: null });
  }
  const row = await fleetDb(env.DB).query.tokens.findFirst({ where: eq(tokens.hash, hash) });
  if (!row || row.revokedAt !== null || (row.expiresAt !== null && row.expiresAt <= now)) return no;
  const { id, role, sites } = row;
  return ok({ actor: `token:${row.name}`, id, role, sites, person: row.person ?? undefined });
}
