/** The fleet's kill switch and the number of sites that may work at once. */
import { eq } from "drizzle-orm";
import type { Context } from "hono";
import { z } from "zod";
import { fleetDb } from "../db/client.ts";
import { fleetSettings } from "../db/fleet.ts";
import { MAX_SITES_CEILING, StatusOut } from "../fleet/permits.ts";
import { siteObject } from "../site/rpc.ts";
import { type AppEnv, body, json, needs, needsFleet, newApi, route, unwrap } from "./route.ts";
import { sitesInScope } from "./site-lookup.ts";

const tags = ["Fleet"];
const SETTING = "budget";
const Limit = z.strictObject({
  maxSites: z.number().int().min(1, "at least 1; `turnup fleet freeze` stops every site").max(MAX_SITES_CEILING),
});

export const fleet = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/fleet",
          auth: needs("viewer"),
          tags,
          summary: "Whether anything may start, and how many sites are working",
        },
        { 200: json(StatusOut, "The budget.") },
      ),
      async (c) => c.json(unwrap(await budget(c).status()), 200),
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/fleet/freeze",
          auth: needsFleet("admin"),
          tags,
          summary: "The kill switch: no step starts anywhere",
        },
        { 200: json(StatusOut, "Frozen.") },
      ),
      async (c) => {
        const status = unwrap(await budget(c).configure({ frozen: true }));
        await note(c, { frozen: true });
        await pokeSites(c, true);
        return c.json(status, 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/fleet/thaw",
          auth: needsFleet("admin"),
          tags,
          summary: "Turn the kill switch off",
        },
        { 200: json(StatusOut, "Thawed.") },
      ),
      async (c) => {
        const status = unwrap(await budget(c).configure({ frozen: false }));
        await note(c, { frozen: false });
        await pokeSites(c, false);
        return c.json(status, 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/fleet/limit",
          auth: needsFleet("admin"),
          tags,
          summary: "How many sites may work at once",
          request: { body: body(Limit) },
        },
        { 200: json(StatusOut, "The budget.") },
      ),
      async (c) => {
        const { maxSites } = c.req.valid("json");
        const status = unwrap(await budget(c).configure({ maxSites }));
        await note(c, { maxSites });
        return c.json(status, 200);
      },
    );

const budget = (c: Context<AppEnv>) => c.var.deps.budget(c.env);

/**
 * Sets the budget up when the first site is made. Only then: D1 remembers that it was done, so an object that has
 * forgotten its state later stays frozen until an admin looks and thaws it.
 */
export async function setUpBudget(c: Context<AppEnv>): Promise<void> {
  const done = await fleetDb(c.env.DB).query.fleetSettings.findFirst({ where: eq(fleetSettings.key, SETTING) });
  if (done) return;
  const status = unwrap(await budget(c).status());
  if (!status.configured) unwrap(await budget(c).configure({ frozen: false }));
  await note(c, { frozen: false });
}

/** For people to read who set what and when; nothing decides by it. */
async function note(c: Context<AppEnv>, value: Record<string, unknown>): Promise<void> {
  const row = { value, actor: c.var.principal.actor, at: c.var.deps.clock.now() };
  await fleetDb(c.env.DB)
    .insert(fleetSettings)
    .values({ key: SETTING, ...row })
    .onConflictDoUpdate({ target: fleetSettings.key, set: row });
}

/** Told at once rather than at their next permit; a site that cannot be reached now hears it then. */
async function pokeSites(c: Context<AppEnv>, frozen: boolean): Promise<void> {
  const rows = await sitesInScope(c.env.DB, null);
  for (let at = 0; at < rows.length; at += 20) {
    await Promise.allSettled(
      rows.slice(at, at + 20).map((row) => siteObject(c.env, row).tell("fleet.poke", { frozen })),
    );
  }
}
