/** Size and nesting of a body, judged before anything reads it (S4). */
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { TurnupError } from "../../shared/errors.ts";
import { MAX_BODY, MAX_DEPTH, MAX_DOCUMENT, MIB, tooDeep } from "./input.ts";
import type { AppEnv } from "./route.ts";

/** Paths that take whole files. */
const LARGE = /^\/v1\/(sites\/[^/]+\/document|device-types|restores\/lines)$|^\/agent\/v1\/sync$/;

const limit = (maxSize: number): MiddlewareHandler<AppEnv> =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new TurnupError({ code: "body_too_large", detail: `At most ${maxSize / MIB} MiB are taken here.` });
    },
  });
const small = limit(MAX_BODY);
const large = limit(MAX_DOCUMENT);

export const bounded: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.req.method === "GET" || c.req.method === "HEAD") return next();
  return (LARGE.test(c.req.path) ? large : small)(c, async () => {
    if (tooDeep(await c.req.text())) {
      throw new TurnupError({ code: "bad_request", detail: `The JSON nests deeper than ${MAX_DEPTH} levels.` });
    }
    await next();
  });
};
