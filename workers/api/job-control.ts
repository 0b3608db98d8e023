/** What people do to a job that was accepted: pause, resume, try again, leave a step out, cancel. */
import { z } from "zod";
import { JobView } from "../../shared/model/job.ts";
import { Reason, Ref } from "./input.ts";
import type { Role } from "./principal.ts";
import { body, json, needs, newApi, optionalBody, route, unwrap } from "./route.ts";
import { siteOwning } from "./site-lookup.ts";

const Param = z.object({ job: Ref });
const WithReason = z.strictObject({ reason: Reason.default("") });
const Retry = z.strictObject({
  /** Id or name; all that failed or wait for a person, if left out. */
  device: Ref.optional(),
});
const Skip = z.strictObject({
  device: Ref,
  /** Its name or number. */
  step: Ref,
  /** Kept with the job: a step that nobody took needs a why (E4). */
  reason: Reason.trim().min(1, "must say why"),
});

const control = <const V extends string, const R extends object>(verb: V, role: Role, summary: string, request: R) =>
  route(
    {
      method: "post",
      path: `/v1/jobs/{job}/${verb}` as const,
      auth: needs(role),
      tags: ["Jobs"],
      summary,
      request: { params: Param, ...request },
    },
    { 200: json(JobView, "The job after it.") },
  );

export const jobControl = () =>
  newApi()
    .openapi(
      control("pause", "operator", "Start nothing more of it; what is at work is let to its end", {
        body: optionalBody(WithReason),
      }),
      async (c) => {
        const { job } = c.req.valid("param");
        const { object } = await siteOwning(c, job, "job_unknown");
        const { reason } = WithReason.parse(c.req.valid("json"));
        return c.json(unwrap(await object.tell("job.pause", { job, reason, actor: c.var.principal.actor })), 200);
      },
    )
    .openapi(control("resume", "operator", "Let a paused job go on", {}), async (c) => {
      const { job } = c.req.valid("param");
      const { object } = await siteOwning(c, job, "job_unknown");
      return c.json(unwrap(await object.tell("job.resume", { job, actor: c.var.principal.actor })), 200);
    })
    .openapi(
      control("retry", "operator", "Try again what failed or waits for a person, from its first incomplete step (J8)", {
        body: optionalBody(Retry),
      }),
      async (c) => {
        const { job } = c.req.valid("param");
        const { object } = await siteOwning(c, job, "job_unknown");
        const { device } = Retry.parse(c.req.valid("json"));
        return c.json(unwrap(await object.tell("job.retry", { job, device, actor: c.var.principal.actor })), 200);
      },
    )
    .openapi(
      control("skip", "admin", "Leave one step out, never one that a later step rests on", { body: body(Skip) }),
      async (c) => {
        const { job } = c.req.valid("param");
        const { object } = await siteOwning(c, job, "job_unknown");
        const skip = { job, ...c.req.valid("json"), actor: c.var.principal.actor };
        return c.json(unwrap(await object.tell("job.skip", skip)), 200);
      },
    )
    .openapi(
      control("cancel", "operator", "Cancel; takes effect before each target's next step (J6)", {
        body: optionalBody(WithReason),
      }),
      async (c) => {
        const { job } = c.req.valid("param");
        const { object } = await siteOwning(c, job, "job_unknown");
        const { reason } = WithReason.parse(c.req.valid("json"));
        return c.json(unwrap(await object.tell("job.cancel", { job, reason, actor: c.var.principal.actor })), 200);
      },
    );
