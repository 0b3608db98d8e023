/** Plans: built, shown and hashed; nothing happens until a job runs one. */
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { Approval, Person } from "../../shared/model/approval.ts";
import { PlanStep } from "../../shared/model/plan.ts";
import { PlanView } from "../../shared/model/views.ts";
import { approversNow } from "./approvers.ts";
import { Ref, StepQuery } from "./input.ts";
import { body, json, needs, newApi, route, unwrap } from "./route.ts";
import { siteFor, siteOwning } from "./site-lookup.ts";

const tags = ["Plans"];

/** Names in one request: more than any plan takes, so that one too large is answered by its own code. */
const MAX_NAMED = 10_000;

/** What is wanted: a workflow over named targets (T1). How many it takes, and that none is too few, is for the core to say. */
export const Intent = z.strictObject({
  site: Ref,
  workflow: z.string().min(1).max(64),
  targets: z.array(Ref).max(MAX_NAMED).default([]),
  params: z.record(z.string().max(64), z.unknown()).default({}),
});

export const plans = () =>
  newApi()
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/plans",
          auth: needs("operator"),
          tags,
          summary: "Build a plan and show what it would do",
          request: { body: body(Intent) },
        },
        { 201: json(PlanView, "The plan, with the hash to apply it by.") },
      ),
      async (c) => {
        const { site, ...intent } = c.req.valid("json");
        const { object } = await siteFor(c, site);
        const { actor, person } = c.var.principal;
        return c.json(unwrap(await object.tell("plan.create", { ...intent, actor, person })), 201);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/plans/{plan}",
          auth: needs("viewer"),
          tags,
          summary: "One plan",
          request: { params: z.object({ plan: Ref }) },
        },
        { 200: json(PlanView, "The plan.") },
      ),
      async (c) => {
        const { plan } = c.req.valid("param");
        const { object } = await siteOwning(c, plan, "plan_unknown");
        return c.json(unwrap(await object.ask("plan", { plan, approvers: await approversNow(c) })), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/plans/{plan}/approvals",
          auth: needs("approver"),
          tags,
          summary: "Approve a plan by a signed statement; never by the token or the person that asked for it",
          request: { params: z.object({ plan: Ref }), body: body(z.strictObject(Approval.shape)) },
        },
        { 200: json(PlanView, "The plan.") },
      ),
      async (c) => {
        const { plan } = c.req.valid("param");
        const { object } = await siteOwning(c, plan, "plan_unknown");
        const { actor, person } = c.var.principal;
        const input = { plan, approval: c.req.valid("json"), actor, person, approvers: await approversNow(c) };
        return c.json(unwrap(await object.tell("plan.approve", input)), 200);
      },
    )
    .openapi(
      route(
        {
          method: "delete",
          path: "/v1/plans/{plan}/approvals",
          auth: needs("approver"),
          tags,
          summary:
            "Take an approval back, as long as the plan was not used: the caller's own, or that of the person named",
          request: { params: z.object({ plan: Ref }), query: z.object({ person: Person.optional() }) },
        },
        { 200: json(PlanView, "The plan.") },
      ),
      async (c) => {
        const { plan } = c.req.valid("param");
        const { object } = await siteOwning(c, plan, "plan_unknown");
        const { actor, person: own } = c.var.principal;
        const person = c.req.valid("query").person ?? own;
        if (person === undefined)
          throw new TurnupError({ code: "bad_request", detail: "The token is no person's: name one with ?person=." });
        const input = { plan, person, actor, approvers: await approversNow(c) };
        return c.json(unwrap(await object.tell("plan.unapprove", input)), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/plans/{plan}/steps",
          auth: needs("viewer"),
          tags,
          summary: "Steps of a plan, by page: a large plan is shown with its first steps only",
          request: { params: z.object({ plan: Ref }), query: StepQuery },
        },
        { 200: json(z.object({ items: z.array(PlanStep) }), "Steps with n > after, in order.") },
      ),
      async (c) => {
        const { plan } = c.req.valid("param");
        const { object } = await siteOwning(c, plan, "plan_unknown");
        return c.json({ items: unwrap(await object.ask("plan.steps", { plan, ...c.req.valid("query") })) }, 200);
      },
    );
