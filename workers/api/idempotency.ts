/**
 * Idempotency-Key for the POSTs that no site keeps itself. The key is claimed before the work and the answer stored
 * after it, so a repeat gets the first answer, and two at once do the work once.
 */
import { and, eq, lt } from "drizzle-orm";
import type { MiddlewareHandler } from "hono";
import { TurnupError } from "../../shared/errors.ts";
import { fleetDb } from "../db/client.ts";
import { idempotency } from "../db/fleet.ts";
import { sha256 } from "../site/platform.ts";
import type { AppEnv } from "./route.ts";

export const KEY = /^[\x21-\x7e][\x20-\x7e]{0,127}$/;
/** A first request that has not answered for so long has died with its Worker; its key may be used anew. */
const ABANDONED_MS = 10_000;
/** Answers are kept a day; longer retries are new intents. */
const KEPT_MS = 24 * 60 * 60_000;

export function keyOf(header: string | undefined): string | undefined {
  if (header === undefined || header === "") return undefined;
  if (KEY.test(header)) return header;
  throw new TurnupError({ code: "bad_request", detail: "Idempotency-Key is 1 to 128 printable ASCII characters." });
}

export function idempotent(secretAnswer: boolean): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const key = keyOf(c.req.header("idempotency-key"));
    if (key === undefined) return next();
    const now = c.var.deps.clock.now();
    const actor = c.var.principal.id;
    const bodyHash = sha256(`${c.req.method} ${c.req.path}\n${await c.req.text()}`);
    const db = fleetDb(c.env.DB);
    const mine = and(eq(idempotency.actor, actor), eq(idempotency.key, key));

    // Old answers of this caller go first: no sweep is needed, and no index for one.
    await db.delete(idempotency).where(and(eq(idempotency.actor, actor), lt(idempotency.createdAt, now - KEPT_MS)));
    const claimed = await db
      .insert(idempotency)
      .values({ actor, key, bodyHash, createdAt: now })
      .onConflictDoNothing()
      .returning({ key: idempotency.key });
    if (claimed.length === 0) {
      const before = await db.query.idempotency.findFirst({ where: mine });
      if (before && before.bodyHash !== bodyHash) {
        throw new TurnupError({
          code: "idempotency_key_reused",
          detail: `The key ${key} was used for another request.`,
        });
      }
      if (before?.status != null) {
        if (secretAnswer) {
          throw new TurnupError({
            code: "conflict",
            detail: "This was done; its secret was shown once and is not kept. Make another and revoke the first.",
          });
        }
        return new Response(before.body, {
          status: before.status,
          headers: { "content-type": "application/json", "idempotency-replayed": "true" },
        });
      }
      const taken = await db
        .update(idempotency)
        .set({ createdAt: now })
        .where(and(mine, eq(idempotency.bodyHash, bodyHash), lt(idempotency.createdAt, now - ABANDONED_MS)))
        .returning({ key: idempotency.key });
      if (taken.length === 0) {
        throw new TurnupError({ code: "unavailable", detail: "The first request with this key is still at work." });
      }
    }
    await next();
    // Only what was done is kept: a refusal changed nothing, so the same key may be tried again.
    if (c.res.ok) {
      const body = secretAnswer ? null : await c.res.clone().text();
      await db.update(idempotency).set({ status: c.res.status, body }).where(mine);
    } else await db.delete(idempotency).where(mine);
  };
}
