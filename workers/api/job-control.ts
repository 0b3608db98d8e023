/** What people do to a job that was accepted: pause, resume, try again, leave a step out, cancel. */
import type { Context } from "hono";
import { z } from "zod";
import { JobView } from "../../shared/model/job.ts";
import type { Commands } from "../site/core/commands.ts";
import { Reason, Ref } from "./input.ts";
import type { Role } from "./principal.ts";
import { type AppEnv, body, json, needs, newApi, optionalBody, route, unwrap } from "./route.ts";
import { siteOwning } from "./site-lookup.ts";

const Param = z.object({ job: Ref });
const WithReason = z.strictObject({ reason: Reason.default("") });
const Retry = z.strictObject({
  /** Id or name; all that failed or wait for a person, if left out. */
  device: Ref.optional(),
});
const Skip = z.strictObject({
  device: Ref,
  /** Its name, or its number: within its target, from 1, as a plan is shown. */
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

type Verb = "pause" | "resume" | "retry" | "skip" | "cancel";
type Input<V extends Verb> = Commands[`job.${V}`]["in"];

/** Does it to the job at its site, in the name of who asks, and answers with the job after it. */
async function done<V extends Verb>(c: Context<AppEnv>, verb: V, job: string, more: Omit<Input<V>, "job" | "actor">) {
  const { object } = await siteOwning(c, job, "job_unknown");
  const input = { ...more, job, actor: c.var.principal.actor } as Input<V>;
  return c.json(unwrap<JobView>(await object.tell(`job.${verb}`, input)), 200);
}

export const jobControl = () =>
  newApi()
    .openapi(
      control("pause", "operator", "Start nothing more of it; what is at work is let to its end", {
        body: optionalBody(WithReason),
      }),
      (c) => done(c, "pause", c.req.valid("param").job, WithReason.parse(c.req.valid("json"))),
    )
    .openapi(control("resume", "operator", "Let a paused job go on", {}), (c) =>
      done(c, "resume", c.req.valid("param").job, {}),
    )
    .openapi(
      control("retry", "operator", "Try again what failed or waits for a person, from its first incomplete step (J8)", {
        body: optionalBody(Retry),
      }),
      (c) => done(c, "retry", c.req.valid("param").job, Retry.parse(c.req.valid("json"))),
    )
    .openapi(
      control("skip", "admin", "Leave one step out, never one that a later step rests on", { body: body(Skip) }),
      (c) => done(c, "skip", c.req.valid("param").job, c.req.valid("json")),
    )
    .openapi(
      control("cancel", "operator", "Cancel; takes effect before each target's next step (J6)", {
        body: optionalBody(WithReason),
      }),
      (c) => done(c, "cancel", c.req.valid("param").job, WithReason.parse(c.req.valid("json"))),
    );
