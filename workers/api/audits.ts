/** Audits: run by the cron trigger, or now. */
import { z } from "zod";
import { AuditRun } from "../../shared/model/finding.ts";
import { Ref } from "./input.ts";
import { json, needs, newApi, optionalBody, route, unwrap } from "./route.ts";
import { siteFor } from "./site-lookup.ts";

const tags = ["Audits"];
const Param = z.object({ site: Ref });
const Window = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$/, "a key like manual:2026-11-25T04:00");

export const audits = () =>
  newApi()
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/audits",
          auth: needs("operator"),
          tags,
          summary: "Run an audit now; a window that was already seen is not run again",
          request: { params: Param, body: optionalBody(z.strictObject({ window: Window.optional() })) },
        },
        { 201: json(AuditRun, "Begun."), 200: json(AuditRun, "The run of this window.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        const { actor } = c.var.principal;
        const window = c.req.valid("json").window ?? `manual:${new Date(c.var.deps.clock.now()).toISOString()}`;
        const { run, created } = unwrap(await object.tell("audit.start", { window, actor }));
        return c.json(run, created ? 201 : 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/audits",
          auth: needs("viewer"),
          tags,
          summary: "The newest audits of a site",
          request: { params: Param, query: z.object({ limit: z.coerce.number().int().min(1).max(100).default(20) }) },
        },
        { 200: json(z.object({ items: z.array(AuditRun) }), "Newest first.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json({ items: unwrap(await object.ask("audits", c.req.valid("query"))) }, 200);
      },
    );
