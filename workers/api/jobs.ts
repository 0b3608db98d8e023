/** Jobs: accepted intent, its steps and what happened. */
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { JobEvent, JobState, JobSummary, JobView, Priority, StepView } from "../../shared/model/job.ts";
import { pageOf } from "../../shared/model/views.ts";
import { approversNow } from "./approvers.ts";
import { keyOf } from "./idempotency.ts";
import { EventsQuery, PageQuery, Ref, StepQuery } from "./input.ts";
import { Intent } from "./plans.ts";
import { listPage } from "./read-session.ts";
import { body, json, needs, newApi, route, unwrap } from "./route.ts";
import { siteFor, siteOwning } from "./site-lookup.ts";

const tags = ["Jobs"];
const Param = z.object({ job: Ref });
/** A higher one goes first, within reason: see docs/decisions/0013. */
const Order = { priority: Priority.optional() };
const FromPlan = z.strictObject({ plan: Ref, hash: z.string().min(1).max(128), ...Order });
const FromIntent = Intent.extend(Order);
/** A list of what belongs to one job, from a number on. */
const part = <const P extends string, Q extends z.ZodObject, T extends z.ZodType>(
  name: P,
  summary: string,
  query: Q,
  item: T,
  text: string,
) =>
  route(
    {
      method: "get",
      path: `/v1/jobs/{job}/${name}` as const,
      auth: needs("viewer"),
      tags,
      summary,
      request: { params: Param, query },
    },
    { 200: json(z.object({ items: z.array(item) }), text) },
  );

export const jobs = () =>
  newApi()
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/jobs",
          auth: needs("operator"),
          idempotency: "own",
          tags,
          summary: "Run a plan by its hash, or plan and run in one; needs an Idempotency-Key",
          request: { body: body(z.union([FromPlan, FromIntent])) },
        },
        { 201: json(JobView, "Accepted and durable."), 200: json(JobView, "The job that this key made before.") },
      ),
      async (c) => {
        const key = keyOf(c.req.header("idempotency-key"));
        if (key === undefined)
          throw new TurnupError({
            code: "idempotency_key_required",
            detail: "A job needs one, so that a repeat cannot start it twice (J1).",
          });
        const input = c.req.valid("json");
        const { actor, person } = c.var.principal;
        const text = await c.req.text();
        const { object } =
          "plan" in input ? await siteOwning(c, input.plan, "plan_unknown") : await siteFor(c, input.site);
        const what =
          "plan" in input
            ? { plan: input.plan, hash: input.hash, approvers: await approversNow(c) }
            : { workflow: input.workflow, targets: input.targets, params: input.params };
        const { priority } = input;
        const made = await object.tell("job.create", { key, body: text, actor, person, priority, ...what });
        const { job, created } = unwrap(made);
        return c.json(job, created ? 201 : 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/jobs",
          auth: needs("viewer"),
          tags,
          summary: "Jobs: of one site as it is now, or across sites a few seconds behind, newest first",
          request: { query: PageQuery.extend({ site: Ref.optional(), state: JobState.optional() }) },
        },
        { 200: json(pageOf(JobSummary), "One page.") },
      ),
      async (c) => {
        const { site, state, ...page } = c.req.valid("query");
        if (site !== undefined) {
          const { object } = await siteFor(c, site);
          return c.json(unwrap(await object.ask("jobs", { ...page, state })), 200);
        }
        return c.json(
          await listPage<JobSummary>(c, "rm_job", { ...page, sites: c.var.principal.sites, where: { state } }),
          200,
        );
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/jobs/{job}",
          auth: needs("viewer"),
          tags,
          summary: "One job with its targets; If-None-Match gives 304 when nothing changed",
          request: { params: Param },
        },
        { 200: json(JobView, "The job; its ETag is its version."), 304: { description: "Unchanged." } },
      ),
      async (c) => {
        const { job } = c.req.valid("param");
        const { object } = await siteOwning(c, job, "job_unknown");
        const asked = c.req.header("if-none-match");
        if (asked !== undefined) {
          const { version } = unwrap(await object.ask("job.version", { job }));
          if (matches(asked, etag(version))) return c.body(null, 304, { etag: etag(version) });
        }
        const view = unwrap(await object.ask("job", { job }));
        c.header("etag", etag(view.version));
        return c.json(view, 200);
      },
    )
    .openapi(part("steps", "Its steps, in order", StepQuery, StepView, "Steps with n > after."), async (c) => {
      const { job } = c.req.valid("param");
      const { object } = await siteOwning(c, job, "job_unknown");
      return c.json({ items: unwrap(await object.ask("steps", { job, ...c.req.valid("query") })) }, 200);
    })
    .openapi(
      part(
        "events",
        "What happened after a sequence number, oldest first",
        EventsQuery,
        JobEvent,
        "Events; ask again after the last one's seq.",
      ),
      async (c) => {
        const { job } = c.req.valid("param");
        const { object } = await siteOwning(c, job, "job_unknown");
        return c.json({ items: unwrap(await object.ask("events", { job, ...c.req.valid("query") })) }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/jobs/{job}/watch",
          auth: needs("viewer"),
          tags,
          summary: "A WebSocket: one JobEvent as JSON per message, first those after ?after=, then as they happen",
          description:
            "Browsers, which cannot send headers, offer the subprotocols `turnup.v1` and `bearer.TOKEN`. Progress comes only here: it is not stored.",
          request: { params: Param, query: EventsQuery.pick({ after: true }) },
        },
        { 101: { description: "The socket." } },
      ),
      async (c) => {
        const { job } = c.req.valid("param");
        const { object } = await siteOwning(c, job, "job_unknown");
        requireUpgrade(c.req.header("upgrade"));
        // Refused here where a refusal can still be read; a socket that closes says little.
        unwrap(await object.ask("job.version", { job }));
        const { after } = c.req.valid("query");
        const query = new URLSearchParams({ job, after: String(after) });
        return object.fetch(`https://site/watch?${query}`, { headers: { upgrade: "websocket" } });
      },
    );

export function requireUpgrade(header: string | undefined): void {
  if (header?.toLowerCase() === "websocket") return;
  throw new TurnupError({ code: "upgrade_required", detail: "The request does not ask for a WebSocket." });
}

const etag = (version: number): string => `"${version}"`;
const matches = (header: string, tag: string): boolean =>
  header.split(",").some((one) => one.trim().replace(/^W\//, "") === tag || one.trim() === "*");
