/** Findings: what audits saw that should not be. */
import { z } from "zod";
import { Finding } from "../../shared/model/finding.ts";
import { pageOf } from "../../shared/model/views.ts";
import { PageQuery, Ref } from "./input.ts";
import { listPage } from "./read-session.ts";
import { json, needs, newApi, route, unwrap } from "./route.ts";
import { siteFor } from "./site-lookup.ts";

export const findings = () =>
  newApi().openapi(
    route(
      {
        method: "get",
        path: "/v1/findings",
        auth: needs("viewer"),
        tags: ["Findings"],
        summary: "Findings: of one site as it is now, or across sites a few seconds behind",
        request: { query: PageQuery.extend({ site: Ref.optional(), state: z.enum(["open", "closed"]).optional() }) },
      },
      { 200: json(pageOf(Finding), "One page.") },
    ),
    async (c) => {
      const { site, state, ...page } = c.req.valid("query");
      if (site !== undefined) {
        const { object } = await siteFor(c, site);
        return c.json(unwrap(await object.ask("findings", { ...page, state })), 200);
      }
      return c.json(
        await listPage<Finding>(c, "rm_finding", { ...page, sites: c.var.principal.sites, where: { state } }),
        200,
      );
    },
  );
