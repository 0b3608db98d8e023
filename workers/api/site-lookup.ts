/** From what a caller names (a site's id or name, or an id that a site made) to the site's object, within the token's scope. */
import { eq, or } from "drizzle-orm";
import type { Context } from "hono";
import { TurnupError } from "../../shared/errors.ts";
import { siteOfId } from "../../shared/ids.ts";
import { fleetDb } from "../db/client.ts";
import { sites } from "../db/fleet.ts";
import { claimedAgent } from "../site/agent-token.ts";
import { OLD_OBJECT_ASKED_MS } from "../site/core/settling.ts";
import { type SiteRpc, siteObject } from "../site/rpc.ts";
import { bearerOf, inScope, type Principal } from "./principal.ts";
import type { AppEnv } from "./route.ts";

export type SiteRow = typeof sites.$inferSelect;

/** Sites already looked up, by id and by name; bounded. Only a restore changes a row, so an isolate may keep it a while. */
const known = new Map<string, { row: SiteRow; until: number }>();
const MAX_KNOWN = 10_000;
/** Another generation is there than an isolate may believe. */
export const forgetSites = (): void => known.clear();

export async function findSite(db: D1Database, idOrName: string): Promise<SiteRow | undefined> {
  const kept = known.get(idOrName);
  if (kept && kept.until > Date.now()) return kept.row;
  const row = await fleetDb(db).query.sites.findFirst({ where: or(eq(sites.id, idOrName), eq(sites.name, idOrName)) });
  if (row) {
    if (known.size >= MAX_KNOWN) known.clear();
    const kept = { row, until: Date.now() + OLD_OBJECT_ASKED_MS };
    known.set(row.id, kept);
    known.set(row.name, kept);
  }
  return row;
}

export interface FoundSite {
  row: SiteRow;
  object: SiteRpc;
}

/** The site by id or name; refuses `site_forbidden` before saying whether there is one, when the token is limited. */
export async function siteFor(c: Context<AppEnv>, idOrName: string): Promise<FoundSite> {
  const row = await findSite(c.env.DB, idOrName);
  checkScope(c.var.principal, row?.id);
  if (!row) throw new TurnupError({ code: "site_unknown", detail: `There is no site ${idOrName}.` });
  return { row, object: siteObject(c.env, row) };
}

/** The site that made this id (C6: ids carry their site's key). An id that no site made is `code`. */
export async function siteOwning(
  c: Context<AppEnv>,
  id: string,
  code: "not_found" | "job_unknown" | "plan_unknown",
): Promise<FoundSite> {
  const siteId = siteOfId(id);
  const row = siteId === undefined ? undefined : await findSite(c.env.DB, siteId);
  if (siteId !== undefined) checkScope(c.var.principal, siteId);
  if (!row) throw new TurnupError({ code, detail: `There is nothing with the id ${id}.` });
  return { row, object: siteObject(c.env, row) };
}

function checkScope(principal: Principal, site: string | undefined): void {
  if (principal.sites === null) return;
  if (site === undefined || !inScope(principal, site)) {
    throw new TurnupError({ code: "site_forbidden", detail: "The token's scope does not include this site." });
  }
}

/** An agent's token, which its site's object proves, and that object. */
export interface AgentCaller {
  token: string;
  object: SiteRpc;
}

/** An agent's token carries its site in the agent's id; the object there proves it. Unknown sites wake no object. */
export async function siteOfCaller(c: Context<AppEnv>): Promise<AgentCaller> {
  const token = bearerOf(c.req.raw.headers);
  const agent = token === undefined ? undefined : claimedAgent(token);
  const siteId = agent === undefined ? undefined : siteOfId(agent);
  const site = siteId === undefined ? undefined : await findSite(c.env.DB, siteId);
  if (token === undefined || !site)
    throw new TurnupError({ code: "unauthenticated", detail: "The request carries no agent token of a site here." });
  return { token, object: siteObject(c.env, site) };
}

/** All sites, or those of a limited token. */
export async function sitesInScope(db: D1Database, principal: Principal | null): Promise<SiteRow[]> {
  const rows = await fleetDb(db).query.sites.findMany({ orderBy: sites.name });
  return principal === null ? rows : rows.filter((row) => inScope(principal, row.id));
}
