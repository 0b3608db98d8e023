/**
 * How a route is declared. Its authentication and role stand in the declaration and are enforced from there, so that
 * what is declared is what holds (S1); a test walks the router and fails on a route that was added in another way.
 */
import { createRoute, OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { z } from "zod";
import type { Clock, Random } from "../../shared/deps.ts";
import { type Outcome, TurnupError } from "../../shared/errors.ts";
import type { Env } from "../env.ts";
import type { FleetBudgetClient } from "../fleet/facade.ts";
import { ProblemBody } from "../problem.ts";
import { idempotent } from "./idempotency.ts";
import { faultsOf } from "./input.ts";
import { authenticate, bearerOf, mayAct, type Principal, type Role } from "./principal.ts";
import { type AgentCaller, siteOfCaller } from "./site-lookup.ts";

export type Auth =
  | { kind: "public" }
  /** An API token of at least this role; `fleet`: one that is not limited to some sites. */
  | { kind: "token"; role: Role; fleet?: true }
  /** An agent's own signed token, proven by the site's object. */
  | { kind: "agent" };

export interface AppEnv {
  Bindings: Env;
  Variables: { principal: Principal; caller: AgentCaller; requestId: string; deps: AppDeps };
}
export interface AppDeps {
  clock: Pick<Clock, "now">;
  random: Random;
  budget(env: Env): Pick<FleetBudgetClient, "configure" | "status">;
}
export type Api = OpenAPIHono<AppEnv>;

/** Authentication by "METHOD /path", as declared; filled as the routes are made. */
export const declaredAuth = new Map<string, Auth>();
export const routeKey = (method: string, path: string): string => `${method.toUpperCase()} ${path}`;

export const PUBLIC = { kind: "public" } as const satisfies Auth;
export const AGENT = { kind: "agent" } as const satisfies Auth;
export const needs = (role: Role): Auth => ({ kind: "token", role });
export const needsFleet = (role: Role): Auth => ({ kind: "token", role, fleet: true });

type Declaration = Omit<RouteConfig, "security" | "middleware" | "responses"> & {
  auth: Auth;
  /** How an Idempotency-Key is kept: by D1 for most POSTs; "own" where the site keeps it itself. */
  idempotency?: "own";
  /** The answer holds a secret that is shown once and so cannot be given again to a repeated key. */
  secretAnswer?: true;
};

/** Declares a route that answers `responses`, or a problem. */
export function route<const D extends Declaration, const R extends RouteConfig["responses"]>(
  declaration: D,
  responses: R,
) {
  const { auth, idempotency, secretAnswer, ...config } = declaration;
  const middleware: MiddlewareHandler<AppEnv>[] = [authorize(auth)];
  if (config.request?.body) middleware.push(jsonOnly);
  if (config.request?.body?.required === false) middleware.push(noneIsEmpty);
  const generic = config.method === "post" && auth.kind === "token" && idempotency !== "own";
  if (generic) middleware.push(idempotent(secretAnswer === true));
  const made = createRoute({
    ...(config as Omit<D, "auth" | "idempotency" | "secretAnswer">),
    ...(config.method === "post" && auth.kind === "token" && { parameters: [keyParameter(idempotency === "own")] }),
    responses: { ...responses, default: problemContent },
    security: auth.kind === "public" ? [] : [{ [auth.kind]: [] }],
    ...(auth.kind === "token" && { "x-turnup-role": auth.role }),
    middleware,
  });
  declaredAuth.set(routeKey(declaration.method, made.getRoutingPath()), auth);
  return made;
}

/** Only described: the key is read where it is kept, which says more than a schema could. */
const keyParameter = (required: boolean) => ({
  name: "idempotency-key",
  in: "header" as const,
  required,
  description: required
    ? "New for each intent: a repeat with the same key and body gives the same job (J1)."
    : "A repeat with the same key and body gives the first answer, for a day.",
  schema: { type: "string" as const, minLength: 1, maxLength: 128 },
});

const problemContent = {
  description: "A refusal, with a stable code and what to do next.",
  content: { "application/problem+json": { schema: ProblemBody } },
} as const;

export const json = <T extends z.ZodType>(schema: T, description: string) =>
  ({ description, content: { "application/json": { schema } } }) as const;

export const body = <T extends z.ZodType>(schema: T) =>
  ({ required: true, content: { "application/json": { schema } } }) as const;

/** A body that may be left out; nothing sent is read as `{}`, and the handler parses it again for the defaults. */
export const optionalBody = <T extends z.ZodType>(schema: T) =>
  ({ required: false, content: { "application/json": { schema } } }) as const;

/** A part of the API, with the same treatment of input that does not fit. */
export const newApi = (): Api =>
  new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (result.success) return undefined;
      throw new TurnupError({
        code: "validation_failed",
        detail: "The input does not fit the schema at /openapi.json.",
        errors: faultsOf(result.error.issues),
      });
    },
  });

function authorize(auth: Auth): MiddlewareHandler<AppEnv> {
  if (auth.kind === "public") return (_, next) => next();
  if (auth.kind === "agent")
    return async (c, next) => {
      c.set("caller", await siteOfCaller(c));
      return next();
    };
  return async (c, next) => {
    const principal = unwrap(await authenticate(c.env, bearerOf(c.req.raw.headers), c.var.deps.clock.now()));
    if (!mayAct(principal.role, auth.role)) {
      throw new TurnupError({
        code: "forbidden",
        detail: `This needs the role ${auth.role}; the token's is ${principal.role}.`,
      });
    }
    if (auth.fleet && principal.sites !== null) {
      throw new TurnupError({
        code: "forbidden",
        detail: "This is for the whole fleet; the token is limited to some sites.",
      });
    }
    c.set("principal", principal);
    return next();
  };
}

/** A body of another type would otherwise be read as none at all. */
const jsonOnly: MiddlewareHandler<AppEnv> = async (c, next) => {
  const type = c.req.header("content-type");
  if (!JSON_TYPE.test(type ?? "") && (await c.req.text()) !== "") {
    const detail = type === undefined ? "The body comes without a type." : "The body comes as another type than JSON.";
    throw new TurnupError({ code: "unsupported_media_type", detail });
  }
  return next();
};
/** Clients name the type also where they send nothing, which is no JSON but may be left out here. */
const noneIsEmpty: MiddlewareHandler<AppEnv> = async (c, next) => {
  if ((await c.req.text()) === "") Object.assign(c.req.bodyCache, { text: Promise.resolve("{}") });
  return next();
};
const JSON_TYPE = /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i;

/** The value, or the refusal thrown to the one place that answers it (app.ts). */
export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new TurnupError(outcome.problem);
}
