/** Agents of sites, and the one-time tokens by which they enrol. */
import type { Context } from "hono";
import { z } from "zod";
import { newSecret } from "../../shared/ids.ts";
import { AgentView, pageOf } from "../../shared/model/views.ts";
import { sha256 } from "../site/platform.ts";
import { PageQuery, Ref } from "./input.ts";
import { listPage } from "./read-session.ts";
import { type AppEnv, json, needs, newApi, optionalBody, route, unwrap } from "./route.ts";
import { siteFor, siteOwning } from "./site-lookup.ts";

const tags = ["Agents"];
const HOUR = 3600;
const Invite = z.strictObject({
  ttlSeconds: z
    .number()
    .int()
    .min(60)
    .max(7 * 24 * HOUR)
    .default(HOUR),
});
const Invited = z.object({ token: z.string(), site: z.string(), siteName: z.string(), expiresAt: z.number() });

export const agents = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/agents",
          auth: needs("viewer"),
          tags,
          summary:
            "Agents with who is there now: of one site, or across sites; doorbell is null where a site did not answer",
          request: { query: PageQuery.extend({ site: Ref.optional() }) },
        },
        { 200: json(pageOf(AgentView), "One page.") },
      ),
      async (c) => {
        const { site, ...page } = c.req.valid("query");
        if (site === undefined) {
          const listed = await listPage<AgentView>(c, "rm_agent", { ...page, sites: c.var.principal.sites });
          return c.json({ ...listed, items: await withPresence(c, listed.items) }, 200);
        }
        const { object } = await siteFor(c, site);
        return c.json({ items: unwrap(await object.ask("agents", { presence: [] })), next: null }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/agents/{agent}/revoke",
          auth: needs("admin"),
          tags,
          summary: "Revoke an agent: its next request is refused",
          request: { params: z.object({ agent: Ref }) },
        },
        { 200: json(AgentView, "The agent.") },
      ),
      async (c) => {
        const { agent } = c.req.valid("param");
        const { object } = await siteOwning(c, agent, "not_found");
        return c.json(unwrap(await object.tell("agent.revoke", { agent, actor: c.var.principal.actor })), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/enrolment-tokens",
          auth: needs("admin"),
          secretAnswer: true,
          tags,
          summary: "Make a one-time token by which one agent enrols at this site",
          request: { params: z.object({ site: Ref }), body: optionalBody(Invite) },
        },
        { 201: json(Invited, "The token. It is shown this once and only its hash is kept.") },
      ),
      async (c) => {
        const { clock, random } = c.var.deps;
        const { row, object } = await siteFor(c, c.req.valid("param").site);
        // The site's id stands in the token: enrolment then finds the site without any table of tokens.
        const token = `enr_${row.id.slice(3)}_${newSecret(random)}`;
        const expiresAt = clock.now() + Invite.parse(c.req.valid("json")).ttlSeconds * 1000;
        unwrap(
          await object.tell("agent.invite", { tokenHash: sha256(token), expiresAt, actor: c.var.principal.actor }),
        );
        return c.json({ token, site: row.id, siteName: row.name, expiresAt }, 201);
      },
    );

/** Sites asked at a time; a page names at most as many sites as it has rows. */
const AT_ONCE = 20;

/** Who is there now is known to the sites' objects alone, in memory; where one does not answer it is unknown. */
async function withPresence(c: Context<AppEnv>, listed: readonly AgentView[]): Promise<AgentView[]> {
  const sites = [...new Set(listed.map((agent) => agent.site))];
  const now = new Map<string, AgentView>();
  for (let at = 0; at < sites.length; at += AT_ONCE) {
    const answers = await Promise.allSettled(
      sites.slice(at, at + AT_ONCE).map(async (site) => {
        const { object } = await siteFor(c, site);
        return unwrap(await object.ask("agents", { presence: [] }));
      }),
    );
    for (const answer of answers)
      if (answer.status === "fulfilled") for (const agent of answer.value) now.set(agent.id, agent);
  }
  return listed.map((agent) => now.get(agent.id) ?? { ...agent, lastSeenAt: null, doorbell: null });
}
