/** What a site keeps of itself: its ledger, what it has cost, and its projection in the read model. */
import { z } from "zod";
import { LedgerEvent, Meter } from "../../shared/model/views.ts";
import { EventsQuery, Ref } from "./input.ts";
import { json, needs, newApi, route, unwrap } from "./route.ts";
import { siteFor } from "./site-lookup.ts";

const tags = ["Site records"];
const Param = z.object({ site: Ref });

export const siteRecords = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/ledger",
          auth: needs("viewer"),
          tags,
          summary: "The ledger: every change of an asset, device or medium, hash-chained, oldest first",
          request: { params: Param, query: EventsQuery.extend({ subject: Ref.optional() }) },
        },
        { 200: json(z.object({ items: z.array(LedgerEvent) }), "Events; ask again after the last one's seq.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json({ items: unwrap(await object.ask("ledger", c.req.valid("query"))) }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/meter",
          auth: needs("viewer"),
          tags,
          summary: "Rows written so far, in the site and in D1 (C4)",
          request: { params: Param },
        },
        { 200: json(Meter, "The count.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("meter", {})), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/read-model/rebuild",
          auth: needs("admin"),
          tags,
          summary: "Send every row to the read model again (E3)",
          request: { params: Param },
        },
        { 202: json(z.object({ rows: z.number().int() }), "How many rows will be sent.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.tell("outbox.rebuild", { actor: c.var.principal.actor })), 202);
      },
    );
