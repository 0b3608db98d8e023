/** A site's policy: its versions, what another text would change, and holds as the short way to one. */
import { z } from "zod";
import { MAX_POLICY_CHARS, PolicyDiff, PolicyVersion, PolicyView } from "../../shared/model/policy.ts";
import { pageOf } from "../../shared/model/views.ts";
import { PageQuery, Reason, Ref } from "./input.ts";
import { body, json, needs, newApi, route, unwrap } from "./route.ts";
import { siteFor } from "./site-lookup.ts";

const tags = ["Policy"];
const Param = z.object({ site: Ref });
/** YAML or JSON, as people review it. */
const Text = z.string().min(1).max(MAX_POLICY_CHARS);
const Version = z.coerce.number().int().min(1).max(1_000_000);
const Apply = z.strictObject({
  /** The version that the text was compared with; 0 if there was none. */
  base: z.number().int().min(0).max(1_000_000),
  text: Text,
  reason: Reason.default(""),
  /** Also if it lacks holds that are in force (G7). */
  endHolds: z.boolean().optional(),
});
const On = z
  .string()
  .max(200)
  .regex(/^(site|(device|rack|pool):.+)$/, "device:NAME, rack:NAME, pool:NAME or site");
const Owner = z.string().trim().min(1).max(200);
const Hold = z.strictObject({
  on: On,
  /** Who can say when it is over; who asks, if left out. */
  owner: Owner.optional(),
  reason: z.string().trim().min(1, "must say why").max(200),
  until: z.iso.datetime({ offset: true }).max(40).optional(),
});
const Unhold = z.strictObject({
  on: On,
  /** Only this one's hold; all of them, if left out. */
  owner: Owner.optional(),
  reason: Reason.default(""),
});

export const policy = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/policy",
          auth: needs("viewer"),
          tags,
          summary: "The policy that holds, or one of its versions",
          request: { params: Param, query: z.object({ version: Version.optional() }) },
        },
        { 200: json(PolicyView, "The policy.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("policy", c.req.valid("query"))), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/sites/{site}/policy/history",
          auth: needs("viewer"),
          tags,
          summary: "Its versions, newest first: who applied them, when and why",
          request: {
            params: Param,
            query: PageQuery.extend({
              cursor: z
                .string()
                .regex(/^\d{1,7}$/)
                .optional(),
            }),
          },
        },
        { 200: json(pageOf(PolicyVersion), "A page of versions.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("policy.history", c.req.valid("query"))), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/policy/diff",
          auth: needs("viewer"),
          tags,
          summary: "What applying a text would change, in words; or every fault of it",
          request: { params: Param, body: body(z.strictObject({ text: Text })) },
        },
        { 200: json(PolicyDiff, "What would change, and the version that it was compared with.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("policy.diff", c.req.valid("json"))), 200);
      },
    )
    .openapi(
      route(
        {
          method: "put",
          path: "/v1/sites/{site}/policy",
          auth: needs("admin"),
          tags,
          summary: "Apply a policy as the next version: all of it, or every fault and nothing",
          request: { params: Param, body: body(Apply) },
        },
        {
          200: json(
            z.object({
              policy: PolicyView,
              /** False: the text is the one that holds already. */
              created: z.boolean(),
            }),
            "The policy that holds now.",
          ),
        },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        const input = { ...c.req.valid("json"), actor: c.var.principal.actor };
        return c.json(unwrap(await object.tell("policy.apply", input)), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/policy/hold",
          auth: needs("operator"),
          tags,
          summary: "Set a device, a rack, a pool or the site aside: nothing automatic touches it (G7)",
          request: { params: Param, body: body(Hold) },
        },
        { 200: json(PolicyView, "The policy with the hold.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        const { actor } = c.var.principal;
        const input = { owner: actor.replace(/^token:/, ""), ...c.req.valid("json"), actor };
        return c.json(unwrap(await object.tell("policy.hold", input)), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/sites/{site}/policy/unhold",
          auth: needs("operator"),
          tags,
          summary: "End the holds on something, of one owner or of all",
          request: { params: Param, body: body(Unhold) },
        },
        { 200: json(PolicyView, "The policy without them.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        const input = { ...c.req.valid("json"), actor: c.var.principal.actor };
        return c.json(unwrap(await object.tell("policy.unhold", input)), 200);
      },
    );
