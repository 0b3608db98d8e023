/** Sites: made once, with where they live fixed for good; filled and changed by their site file. */
import { eq } from "drizzle-orm";
import type { Context } from "hono";
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { newSiteId } from "../../shared/ids.ts";
import { Jurisdiction, LocationHint, ResolvedSite, SiteName } from "../../shared/model/site.ts";
import { pageOf, SiteView } from "../../shared/model/views.ts";
import { fleetDb } from "../db/client.ts";
import { sites as siteTable } from "../db/fleet.ts";
import { project } from "../readmodel/projection.ts";
import { installedElsewhere } from "../readmodel/serials.ts";
import { siteObject } from "../site/rpc.ts";
import { setUpBudget } from "./fleet.ts";
import { Ref } from "./input.ts";
import { inScope } from "./principal.ts";
import { listPage } from "./read-session.ts";
import { type AppEnv, body, json, needs, needsFleet, newApi, route, unwrap } from "./route.ts";
import { resolveDocument } from "./site-document.ts";
import { findSite, siteFor, sitesInScope } from "./site-lookup.ts";

const tags = ["Sites"];
/** Sites that are asked for themselves in one list, at most. */
const ASKED = 20;
const SiteParam = z.object({ site: Ref });
const CreateSite = z.strictObject({
  name: SiteName,
  locationHint: LocationHint,
  jurisdiction: Jurisdiction.default("none"),
});
const Imported = z.object({
  site: SiteView,
  added: z.number().int(),
  changed: z.number().int(),
  unchanged: z.number().int(),
});

export const sites = () =>
  newApi()
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites",
          auth: needsFleet("admin"),
          tags,
          summary: "Make a site; locationHint and jurisdiction are fixed from then on",
          request: { body: body(CreateSite) },
        },
        {
          201: json(SiteView, "The new site."),
          200: json(SiteView, "It was made before but had not been finished; now it is."),
        },
      ),
      async (c) => {
        const { view, created } = await createSite(c, c.req.valid("json"));
        return c.json(view, created ? 201 : 200);
      },
    )
    .openapi(
      route(
        { method: "get", path: "/v1/sites", auth: needs("viewer"), tags, summary: "The sites, by name" },
        { 200: json(pageOf(SiteView), "All of them that the token may see.") },
      ),
      async (c) => {
        const rows = await sitesInScope(c.env.DB, c.var.principal);
        const views = new Map<string, SiteView>();
        const ids = rows.map((row) => row.id);
        let cursor: string | undefined;
        do {
          const page = await listPage<SiteView>(c, "rm_site", { sites: ids, limit: 500, cursor }, "first-primary");
          for (const view of page.items) views.set(view.id, view);
          cursor = page.next ?? undefined;
        } while (cursor !== undefined);
        // The registry says which there are; what the read model does not know yet, as after a restore, its site is asked for.
        const unknown = rows.filter((row) => !views.has(row.id)).slice(0, ASKED);
        const told = await Promise.allSettled(unknown.map((row) => siteObject(c.env, row).ask("site", {})));
        for (const answer of told)
          if (answer.status === "fulfilled" && answer.value.ok) views.set(answer.value.value.id, answer.value.value);
        const items = rows.map(
          (row) => views.get(row.id) ?? SiteView.parse({ ...row, revision: 0, racks: 0, devices: 0, version: 0 }),
        );
        return c.json({ items, next: null }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}",
          auth: needs("viewer"),
          tags,
          summary: "One site, by id or name",
          request: { params: SiteParam },
        },
        { 200: json(SiteView, "The site.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("site", {})), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/document",
          auth: needs("viewer"),
          tags,
          summary: "The resolved site, as imported last",
          request: { params: SiteParam },
        },
        { 200: json(ResolvedSite, "The resolved site.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("site.document", {})), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/check",
          auth: needsFleet("admin"),
          tags,
          summary: "Whether a site file (as JSON) of a site that is not there yet would be taken; changes nothing",
          request: { body: body(z.record(z.string(), z.unknown())) },
        },
        { 200: json(z.object({ name: SiteName, devices: z.number().int() }), "It has no fault.") },
      ),
      async (c) => {
        const site = unwrap(await resolveDocument(c.env.DB, c.req.valid("json")));
        await refuseElsewhere(c, (await findSite(c.env.DB, site.name))?.id ?? "", site);
        return c.json({ name: site.name, devices: site.devices.length }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "put",
          path: "/v1/sites/{site}/document",
          auth: needs("operator"),
          tags,
          summary: "Import a site file (as JSON): all of it, or every fault and nothing",
          request: { params: SiteParam, body: body(z.record(z.string(), z.unknown())) },
        },
        { 200: json(Imported, "What it changed.") },
      ),
      async (c) => {
        const { row, object } = await siteFor(c, c.req.valid("param").site);
        const site = unwrap(await resolveDocument(c.env.DB, c.req.valid("json")));
        await refuseElsewhere(c, row.id, site);
        const imported = unwrap(await object.tell("site.import", { site, actor: c.var.principal.actor }));
        await showAtOnce(c, imported.site);
        return c.json(imported, 200);
      },
    );

/** Articles that a refusal names, at most. */
const NAMED = 5;

/** T4: an article is in one site only. A token that is limited to some sites is not told the names of others. */
async function refuseElsewhere(c: Context<AppEnv>, id: string, site: ResolvedSite): Promise<void> {
  const found = await installedElsewhere(c.env.DB, id, site);
  if (found.length === 0) return;
  const texts = found.slice(0, NAMED).map(async ({ serial, site: other }) => {
    const name = inScope(c.var.principal, other) ? (await findSite(c.env.DB, other))?.name : undefined;
    return `${serial} is installed in ${name === undefined ? "another site" : `the site ${name}`}`;
  });
  const more = found.length > texts.length ? `; and ${found.length - texts.length} more` : "";
  const detail = `${(await Promise.all(texts)).join("; ")}${more}. Take it out of that site's file first, or correct the serial (T4).`;
  throw new TurnupError({ code: "conflict", detail });
}

/**
 * Puts the site's row into the read model before the import is answered, so that a list asked next tells its counts. The
 * outbox sends the same row at the same version, which then changes nothing (C3); should this fail, it is only later.
 */
async function showAtOnce(c: Context<AppEnv>, site: SiteView): Promise<void> {
  try {
    await project(c.env.DB, site, [{ kind: "site", id: site.id, version: site.version, row: site }]);
  } catch (error) {
    console.warn(JSON.stringify({ at: "api", requestId: c.var.requestId, site: site.id, projection: String(error) }));
  }
}

/** The registry's row comes first, then the object: a crash in between is finished by the same request made again. */
async function createSite(
  c: Context<AppEnv>,
  input: z.infer<typeof CreateSite>,
): Promise<{ view: SiteView; created: boolean }> {
  const { clock, random } = c.var.deps;
  const db = fleetDb(c.env.DB);
  const fresh = { id: newSiteId(random), ...input, createdAt: clock.now() };
  const inserted = await db.insert(siteTable).values(fresh).onConflictDoNothing().returning();
  const row = inserted[0] ?? (await db.query.sites.findFirst({ where: eq(siteTable.name, input.name) }));
  if (!row) throw new TurnupError({ code: "unavailable", detail: "The registry of sites changed under this request." });
  if (row.locationHint !== input.locationHint || row.jurisdiction !== input.jurisdiction) {
    throw new TurnupError({
      code: "site_frozen_field",
      detail: `${row.name} was made with locationHint ${row.locationHint} and jurisdiction ${row.jurisdiction}.`,
    });
  }
  const object = siteObject(c.env, row);
  const exists = inserted.length === 0 ? await object.ask("site", {}) : undefined;
  if (exists?.ok) throw new TurnupError({ code: "site_exists", detail: `The site ${row.name} exists, as ${row.id}.` });
  await setUpBudget(c);
  const view = unwrap(await object.tell("site.create", { ...input, id: row.id, actor: c.var.principal.actor }));
  return { view, created: inserted.length > 0 };
}
