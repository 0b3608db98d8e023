/** API tokens: made, listed, revoked by an admin of the whole fleet; stored hashed (S3). */
import { and, eq, gt, isNull } from "drizzle-orm";
import type { Context } from "hono";
import { z } from "zod";
import { TurnupError } from "../../shared/errors.ts";
import { newSecret } from "../../shared/ids.ts";
import { Person } from "../../shared/model/approval.ts";
import { pageOf } from "../../shared/model/views.ts";
import { fleetDb } from "../db/client.ts";
import { tokens as table } from "../db/fleet.ts";
import { sha256 } from "../site/platform.ts";
import { PageQuery, Ref } from "./input.ts";
import { roles } from "./principal.ts";
import { type AppEnv, body, json, needs, needsFleet, newApi, route } from "./route.ts";
import { siteFor } from "./site-lookup.ts";

const tags = ["Tokens"];
const DAY_S = 24 * 3600;

const CreateToken = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "a name of lower-case letters, digits, dots, hyphens"),
  role: z.enum(roles),
  /** Whose token it is. Plans that it asks for are not approved by this person (G4); absent: nobody's in particular. */
  person: Person.optional(),
  /** Ids or names; absent: every site. */
  sites: z.array(Ref).min(1).max(100).optional(),
  /** Absent: a year. */
  ttlSeconds: z
    .number()
    .int()
    .min(60)
    .max(5 * 365 * DAY_S)
    .default(365 * DAY_S),
});
const TokenView = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(roles),
  person: z.string().nullable(),
  sites: z.array(z.string()).nullable(),
  createdBy: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  revokedAt: z.number().nullable(),
});

export const tokens = () =>
  newApi()
    .openapi(
      route(
        {
          method: "post",
          path: "/v1/tokens",
          auth: needsFleet("admin"),
          secretAnswer: true,
          tags,
          summary: "Make a token",
          request: { body: body(CreateToken) },
        },
        {
          201: json(
            TokenView.extend({ token: z.string() }),
            "The token. It is shown this once and only its hash is kept.",
          ),
        },
      ),
      async (c) => {
        const { clock, random } = c.var.deps;
        const { ttlSeconds, sites, person = null, ...input } = c.req.valid("json");
        const token = `tok_${newSecret(random)}`;
        const now = clock.now();
        const view = {
          id: `tok_${newSecret(random).slice(0, 16)}`,
          ...input,
          person,
          sites: sites === undefined ? null : await idsOf(c, sites),
          createdBy: c.var.principal.actor,
          createdAt: now,
          expiresAt: now + ttlSeconds * 1000,
          revokedAt: null,
        };
        await fleetDb(c.env.DB)
          .insert(table)
          .values({ ...view, hash: sha256(token) });
        return c.json({ ...view, token }, 201);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/tokens",
          auth: needsFleet("admin"),
          tags,
          summary: "The tokens, without their secrets",
          request: { query: PageQuery },
        },
        { 200: json(pageOf(TokenView), "One page, by id.") },
      ),
      async (c) => {
        const { limit, cursor } = c.req.valid("query");
        const rows = await fleetDb(c.env.DB).query.tokens.findMany({
          columns: { hash: false },
          where: cursor === undefined ? undefined : gt(table.id, cursor),
          orderBy: table.id,
          limit: limit + 1,
        });
        const items = rows.slice(0, limit);
        return c.json({ items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : null }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "get",
          path: "/v1/whoami",
          auth: needs("viewer"),
          tags,
          summary: "What the control plane knows of the token that asks",
        },
        {
          200: json(
            z.object({
              actor: z.string(),
              role: z.enum(roles),
              person: z.string().nullable(),
              sites: z.array(z.string()).nullable(),
            }),
            "The caller.",
          ),
        },
      ),
      (c) => {
        const { actor, role, person = null, sites } = c.var.principal;
        return c.json({ actor, role, person, sites: sites && [...sites] }, 200);
      },
    )
    .openapi(
      route(
        {
          method: "delete",
          path: "/v1/tokens/{token}",
          auth: needsFleet("admin"),
          tags,
          summary: "Revoke a token, by its id; its next request is refused",
          request: { params: z.object({ token: Ref }) },
        },
        { 200: json(TokenView, "The token.") },
      ),
      async (c) => {
        const { token } = c.req.valid("param");
        const db = fleetDb(c.env.DB);
        await db
          .update(table)
          .set({ revokedAt: c.var.deps.clock.now() })
          .where(and(eq(table.id, token), isNull(table.revokedAt)));
        const row = await db.query.tokens.findFirst({ columns: { hash: false }, where: eq(table.id, token) });
        if (!row) throw new TurnupError({ code: "not_found", detail: `There is no token with the id ${token}.` });
        return c.json(row, 200);
      },
    );

async function idsOf(c: Context<AppEnv>, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => siteFor(c, name)));
  return [...new Set(found.map(({ row }) => row.id))];
}
