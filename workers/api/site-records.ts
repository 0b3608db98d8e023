/** What a site keeps of itself: its ledger, what it has cost, and its projection in the read model. */
import { z } from "zod";
import { LedgerEvent, Meter, OutboxState, ReadModelState } from "../../shared/model/views.ts";
import { digest } from "../readmodel/digest.ts";
import { EventsQuery, PageQuery, Ref } from "./input.ts";
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
          method: "get",
          path: "/v1/sites/{site}/outbox",
          auth: needs("viewer"),
          tags,
          summary: "What has not reached the read model: rows that wait, and rows that were given up with the reason",
          request: { params: Param, query: z.object({ limit: PageQuery.shape.limit }) },
        },
        { 200: json(OutboxState, "Parked ones first.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("outbox", c.req.valid("query"))), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/read-model",
          auth: needs("viewer"),
          tags,
          summary: "The site's rows in the read model, counted and hashed, and what has not reached it",
          request: { params: Param },
        },
        { 200: json(ReadModelState, "The hash means something while nothing waits.") },
      ),
      async (c) => {
        const { row, object } = await siteFor(c, c.req.valid("param").site);
        const { changes, waiting, parked } = unwrap(await object.ask("outbox", { limit: 1 }));
        return c.json({ ...(await digest(c.env.DB, row.id)), changes, waiting, parked }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/read-model/rebuild",
          auth: needs("admin"),
          tags,
          summary: "Throw the site's rows out of the read model and send every row again (E3)",
          request: { params: Param },
        },
        { 202: json(z.object({ rows: z.number().int() }), "How many rows will be sent.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.tell("outbox.rebuild", { actor: c.var.principal.actor })), 202);
      },
    );
