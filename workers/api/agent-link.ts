/** What agents say to the control plane: enrolment, sync, doorbell (shared/protocol/agent.ts). */
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { ApprovedPlan } from "../../shared/model/approval.ts";
import { AGENT_PROTOCOL, EnrollReply, EnrollRequest, SyncReply, SyncRequest } from "../../shared/protocol/agent.ts";
import { sha256 } from "../site/platform.ts";
import { siteObject } from "../site/rpc.ts";
import { Ref } from "./input.ts";
import { requireUpgrade } from "./jobs.ts";
import { AGENT, body, json, newApi, PUBLIC, route, unwrap } from "./route.ts";
import { findSite } from "./site-lookup.ts";

const tags = ["Agent protocol"];

export const agentLink = () =>
  newApi()
    .openapi(
      route(
        {
          method: "post",
          path: "/agent/v1/enroll",
          auth: PUBLIC,
          tags,
          summary: "Enrol with a one-time token, which is the proof",
          request: { body: body(EnrollRequest) },
        },
        { 200: json(EnrollReply, "The agent's id.") },
      ),
      async (c) => {
        const request = c.req.valid("json");
        spoken(request.v);
        const site = await findSite(
          c.env.DB,
          `st_${/^enr_([0-9a-z]{10})_[0-9a-z]{32}$/.exec(request.token)?.[1] ?? ""}`,
        );
        if (!site)
          throw new TurnupError({ code: "enrolment_refused", detail: "The token is not one that a site gave." });
        const reply = await siteObject(c.env, site).tell("agent.enroll", { request, tokenHash: sha256(request.token) });
        return c.json(unwrap(reply), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path: "/agent/v1/sync",
          auth: AGENT,
          tags,
          summary: "The one exchange for any number of machines",
          request: { body: body(SyncRequest) },
        },
        { 200: json(SyncReply, "What the agent should do next.") },
      ),
      async (c) => {
        const request = c.req.valid("json");
        spoken(request.v);
        const { token, object } = c.var.caller;
        return c.json(unwrap(await object.sync(token, request)), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/agent/v1/plans/{plan}",
          auth: AGENT,
          tags,
          summary:
            "A plan of the agent's site, whole, with its signed approvals: to be judged by the agent itself (G4)",
          request: { params: z.object({ plan: Ref }) },
        },
        { 200: json(ApprovedPlan, "The plan and what was signed.") },
      ),
      async (c) => {
        const { token, object } = c.var.caller;
        return c.json(unwrap(await object.approvedPlan(token, c.req.valid("param").plan)), 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/agent/v1/doorbell",
          auth: AGENT,
          tags,
          summary: 'A WebSocket: the text "sync" means "sync now"; "hb" is answered by "ok"',
          description: "The token comes as the header, or as the subprotocol `bearer.TOKEN` beside `turnup.v1`.",
        },
        { 101: { description: "The socket." } },
      ),
      async (c) => {
        const { token, object } = c.var.caller;
        requireUpgrade(c.req.header("upgrade"));
        return object.fetch("https://site/doorbell", {
          headers: { upgrade: "websocket", authorization: `Bearer ${token}` },
        });
      },
    );

/** C5: the Worker speaks this version and, for a release, the one before; there is none before the first. */
function spoken(version: number): void {
  if (version === AGENT_PROTOCOL) return;
  throw new TurnupError({
    code: "version_unsupported",
    detail: `Version ${version} was sent; ${AGENT_PROTOCOL} is spoken here.`,
  });
}
