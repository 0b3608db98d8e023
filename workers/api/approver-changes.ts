/** Changes of the agents' own lists of approvers, signed by two people on them: carried from here, judged there (G4). */
import { z } from "zod";
import { ApproversChange } from "../../shared/model/approver-list.ts";
import { ApproverChanges } from "../../shared/model/views.ts";
import { Ref } from "./input.ts";
import { body, json, needs, newApi, route, unwrap } from "./route.ts";
import { siteFor } from "./site-lookup.ts";

const tags = ["Approvers"];
const path = "/v1/sites/{site}/approver-changes" as const;
const params = z.object({ site: Ref });

export const approverChanges = () =>
  newApi()
    .openapi(
      route(
        {
          method: "get",
          path,
          auth: needs("viewer"),
          tags,
          summary: "Signed changes on their way to the agents, and which list of approvers each agent has",
          request: { params },
        },
        { 200: json(ApproverChanges, "A list is told by its hash alone, as `turnup agent approver list` prints it.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        return c.json(unwrap(await object.ask("approvers.changes", {})), 200);
      },
    )
    .openapi(
      route(
        {
          method: "post",
          path,
          auth: needs("approver"),
          tags,
          summary: "Send a signed change to the site's agents; each takes it if two people on its list have signed it",
          request: { params, body: body(z.strictObject(ApproversChange.shape)) },
        },
        { 200: json(ApproverChanges, "What is on its way.") },
      ),
      async (c) => {
        const { object } = await siteFor(c, c.req.valid("param").site);
        const { actor } = c.var.principal;
        return c.json(unwrap(await object.tell("approvers.offer", { change: c.req.valid("json"), actor })), 200);
      },
    );
