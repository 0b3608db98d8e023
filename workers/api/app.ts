/** The HTTP interface, put together. One file per resource beside this one. */
import { HTTPException } from "hono/http-exception";
import { methodNotAllowed } from "hono/method-not-allowed";
import { type Problem, TurnupError } from "../../shared/errors.ts";
import { problemResponse } from "../problem.ts";
import { BadCursor } from "../readmodel/queries.ts";
import { agentLink } from "./agent-link.ts";
import { agents } from "./agents.ts";
import { approverChanges } from "./approver-changes.ts";
import { approvers } from "./approvers.ts";
import { assets } from "./assets.ts";
import { audits } from "./audits.ts";
import { bounded } from "./bounded.ts";
import { deviceTypes } from "./device-types.ts";
import { devices } from "./devices.ts";
import { describeApi } from "./docs.ts";
import { findings } from "./findings.ts";
import { fleet } from "./fleet.ts";
import { health } from "./health.ts";
import { jobControl } from "./job-control.ts";
import { jobs } from "./jobs.ts";
import { plans } from "./plans.ts";
import { policy } from "./policy.ts";
import { type Api, type AppDeps, newApi } from "./route.ts";
import { siteExports } from "./site-exports.ts";
import { forgetSites } from "./site-lookup.ts";
import { siteRecords } from "./site-records.ts";
import { sites } from "./sites.ts";
import { tokens } from "./tokens.ts";

export function createApp(deps: AppDeps): Api {
  const app = newApi();
  app.use(async (c, next) => {
    c.set("deps", deps);
    c.set("requestId", c.req.header("cf-ray") ?? deps.random.uint32().toString(16).padStart(8, "0"));
    await next();
  });
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        const allow = methods.join(", ");
        const detail = `${c.req.path} is answered by ${allow}.`;
        return problemResponse({ code: "method_not_allowed", detail }, { now: deps.clock.now() }, { allow });
      },
    }),
  );
  app.use(bounded);
  for (const part of [
    health,
    sites,
    siteRecords,
    siteExports,
    policy,
    deviceTypes,
    devices,
    assets,
    plans,
    jobs,
    jobControl,
    agents,
    tokens,
    approvers,
    approverChanges,
    findings,
    audits,
    fleet,
    agentLink,
  ]) {
    app.route("/", part());
  }
  describeApi(app);
  app.notFound((c) => {
    const detail = `There is nothing at ${c.req.method} ${c.req.path}.`;
    return problemResponse({ code: "not_found", detail }, { now: deps.clock.now() });
  });
  app.onError((error, c) => problemResponse(problemOf(error, c.var.requestId), { now: deps.clock.now() }));
  return app;
}

/** Every error has one way out. What is not expected is a defect: its text goes to the log, not to the caller. */
function problemOf(error: Error, requestId: string): Problem {
  if (error instanceof TurnupError) {
    // This isolate still knew the object of an older generation; the next request finds the newer one.
    if (error.code === "site_fenced") forgetSites();
    return error.problem;
  }
  if (error instanceof BadCursor) return { code: "bad_request", detail: error.message };
  if (error instanceof HTTPException && error.status < 500) return { code: "bad_request", detail: error.message };
  console.error(JSON.stringify({ at: "api", requestId, error: error.stack ?? String(error) }));
  // The platform says by this property that the object was not reachable and that the call may be made again.
  if ("retryable" in error && error.retryable === true)
    return { code: "unavailable", detail: "The site's object is just restarting." };
  if ("overloaded" in error && error.overloaded === true)
    return { code: "unavailable", detail: "The site's object has too much to do." };
  return { code: "internal", detail: `Request ${requestId} met a defect.` };
}
