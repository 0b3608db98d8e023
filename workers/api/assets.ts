/** Assets: the physical articles, each with its drives. */
import { z } from "zod";
import { AssetView, pageOf } from "../../shared/model/views.ts";
import { PageQuery, Ref } from "./input.ts";
import { listPage } from "./read-session.ts";
import { json, needs, newApi, route, unwrap } from "./route.ts";
import { siteFor, siteOwning } from "./site-lookup.ts";

const tags = ["Assets"];

export const assets = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/assets",
          auth: needs("viewer"),
          tags,
          summary: "Assets: of one site as it is now; across sites, or by serial, a few seconds behind",
          request: { query: PageQuery.extend({ site: Ref.optional(), serial: z.string().max(128).optional() }) },
        },
        { 200: json(pageOf(AssetView), "One page.") },
      ),
      async (c) => {
        const { site, serial, ...page } = c.req.valid("query");
        if (site !== undefined && serial === undefined) {
          const { object } = await siteFor(c, site);
          return c.json(unwrap(await object.ask("assets", page)), 200);
        }
        const sites = site === undefined ? c.var.principal.sites : [(await siteFor(c, site)).row.id];
        return c.json(await listPage<AssetView>(c, "rm_asset", { ...page, sites, where: { serial } }), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/assets/{asset}",
          auth: needs("viewer"),
          tags,
          summary: "One asset, by id",
          request: { params: z.object({ asset: Ref }) },
        },
        { 200: json(AssetView, "The asset with its drives.") },
      ),
      async (c) => {
        const { asset } = c.req.valid("param");
        const { object } = await siteOwning(c, asset, "not_found");
        return c.json(unwrap(await object.ask("asset", { asset })), 200);
      },
    );
