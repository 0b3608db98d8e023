/**
 * The fleet's list of people who may approve plans, with their public keys (G4). Each site's agent has a list of its own
 * that nobody changes from here: this one decides what the coordinators take, that one what is done.
 */
import { and, eq, gt, isNull } from "drizzle-orm";
import type { Context } from "hono";
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { newSecret } from "../../shared/ids.ts";
import { Approver } from "../../shared/model/approval.ts";
import { ApproverView, pageOf } from "../../shared/model/views.ts";
import { fleetDb } from "../db/client.ts";
import { approvers as table } from "../db/fleet.ts";
import { PageQuery, Ref } from "./input.ts";
import { type AppEnv, body, json, needsFleet, newApi, route } from "./route.ts";

const tags = ["Approvers"];
type Row = typeof table.$inferSelect;
const viewOf = ({ publicKey: key, ...row }: Row): ApproverView => ({ ...row, key });

/** The keys that count now; read anew for each question, so that a revocation takes effect at the next one. */
export async function approversNow(c: Context<AppEnv>): Promise<Approver[]> {
  const rows = await fleetDb(c.env.DB).query.approvers.findMany({ where: isNull(table.revokedAt) });
  return rows.map(({ publicKey: key, person }) => ({ key, person }));
}

export const approvers = () =>
  newApi()
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/approvers",
          auth: needsFleet("admin"),
          tags,
          summary: "Add a key by which a person approves plans",
          request: { body: body(z.strictObject(Approver.shape)) },
        },
        { 201: json(ApproverView, "The key. A key is one person's for good; revoked, it never comes back.") },
      ),
      async (c) => {
        const { clock, random } = c.var.deps;
        const { key, person } = c.req.valid("json");
        const row: Row = {
          id: `apr_${newSecret(random).slice(0, 16)}`,
          person,
          publicKey: key,
          createdAt: clock.now(),
          revokedAt: null,
        };
        const added = await fleetDb(c.env.DB).insert(table).values(row).onConflictDoNothing().returning();
        if (added.length === 0) {
          const there = await fleetDb(c.env.DB).query.approvers.findFirst({ where: eq(table.publicKey, key) });
          const how = there?.revokedAt == null ? "is on the list" : "was on the list and is revoked";
          throw new TurnupError({ code: "conflict", detail: `This key ${how}, as ${there?.person}'s (${there?.id}).` });
        }
        return c.json(viewOf(row), 201);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/approvers",
          auth: needsFleet("admin"),
          tags,
          summary: "The keys by which people approve, also those that were revoked",
          request: { query: PageQuery },
        },
        { 200: json(pageOf(ApproverView), "One page, by id.") },
      ),
      async (c) => {
        const { limit, cursor } = c.req.valid("query");
        const rows = await fleetDb(c.env.DB).query.approvers.findMany({
          where: cursor === undefined ? undefined : gt(table.id, cursor),
          orderBy: table.id,
          limit: limit + 1,
        });
        const items = rows.slice(0, limit).map(viewOf);
        return c.json({ items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "delete",
          path: "/v1/approvers/{approver}",
          auth: needsFleet("admin"),
          tags,
          summary: "Revoke a key, by its id: it approves nothing more, nor what it has approved and nobody has applied",
          request: { params: z.object({ approver: Ref }) },
        },
        { 200: json(ApproverView, "The key.") },
      ),
      async (c) => {
        const { approver } = c.req.valid("param");
        const db = fleetDb(c.env.DB);
        await db
          .update(table)
          .set({ revokedAt: c.var.deps.clock.now() })
          .where(and(eq(table.id, approver), isNull(table.revokedAt)));
        const row = await db.query.approvers.findFirst({ where: eq(table.id, approver) });
        if (!row)
          throw new TurnupError({ code: "not_found", detail: `There is no approver's key with the id ${approver}.` });
        return c.json(viewOf(row), 200);
      },
    );
