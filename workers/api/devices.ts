/** Devices: places in the network, and why each is in the state it is in. */
import type { Context } from "hono";
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { siteOfId } from "../../shared/ids.ts";
import { deviceStates } from "../../shared/model/lifecycle.ts";
import { DeviceView, Explanation, pageOf } from "../../shared/model/views.ts";
import { PageQuery, Ref } from "./input.ts";
import { listPage } from "./read-session.ts";
import { type AppEnv, json, needs, newApi, route, unwrap } from "./route.ts";
import { type FoundSite, siteFor, siteOwning } from "./site-lookup.ts";

const tags = ["Devices"];
const Param = z.object({ device: Ref });
const SiteQuery = z.object({ site: Ref.optional() });

export const devices = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/devices",
          auth: needs("viewer"),
          tags,
          summary: "Devices: of one site as it is now; across sites, or by state, a few seconds behind",
          request: { query: PageQuery.extend({ site: Ref.optional(), state: z.enum(deviceStates).optional() }) },
        },
        { 200: json(pageOf(DeviceView), "One page.") },
      ),
      async (c) => {
        const { site, state, ...page } = c.req.valid("query");
        if (site !== undefined && state === undefined) {
          const { object } = await siteFor(c, site);
          return c.json(unwrap(await object.ask("devices", page)), 200);
        }
        const sites = site === undefined ? c.var.principal.sites : [(await siteFor(c, site)).row.id];
        return c.json(await listPage<DeviceView>(c, "rm_device", { ...page, sites, where: { state } }), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/devices/{device}",
          auth: needs("viewer"),
          tags,
          summary: "One device, by id, or by name (with ?site= where the name is not unique)",
          request: { params: Param, query: SiteQuery },
        },
        { 200: json(DeviceView, "The device.") },
      ),
      async (c) => {
        const { device } = c.req.valid("param");
        const { object } = await siteOfDevice(c, device, c.req.valid("query").site);
        return c.json(unwrap(await object.ask("device", { device })), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/devices/{device}/explain",
          auth: needs("viewer"),
          tags,
          summary: "What state it is in, since when, what it waits for and what would change it",
          request: { params: Param, query: SiteQuery },
        },
        { 200: json(Explanation, "In words.") },
      ),
      async (c) => {
        const { device } = c.req.valid("param");
        const { object } = await siteOfDevice(c, device, c.req.valid("query").site);
        return c.json(unwrap(await object.ask("explain", { device, agents: [] })), 200);
      },
    );

/** The site of a device: named, told by its id, or the only one that has a device of this name. */
async function siteOfDevice(c: Context<AppEnv>, device: string, site: string | undefined): Promise<FoundSite> {
  if (site !== undefined) return siteFor(c, site);
  if (siteOfId(device) !== undefined) return siteOwning(c, device, "not_found");
  const { items } = await listPage<DeviceView>(c, "rm_device", {
    sites: c.var.principal.sites,
    where: { name: device },
    limit: 2,
  });
  const [only, another] = items;
  if (only === undefined)
    throw new TurnupError({
      code: "not_found",
      detail: `No list has a device ${device}. They are some seconds behind; name its site to ask that one itself.`,
    });
  if (another !== undefined)
    throw new TurnupError({ code: "conflict", detail: `Several sites have a device ${device}; say which by ?site=.` });
  return siteFor(c, only.site);
}
