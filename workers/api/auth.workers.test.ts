import { beforeAll, describe, expect, it } from "vitest";
import { ADMIN, call, clock, did, env, makeSite, prepare } from "../test-fleet.ts";
import { createApp } from "./app.ts";
import { roles } from "./principal.ts";
import { type Auth, declaredAuth, routeKey } from "./route.ts";

const app = createApp({
  clock,
  random: { uint32: () => 0 },
  budget: () => {
    throw new Error("not for use");
  },
});
/** What the router really answers, without the middleware. */
const routes = app.routes.filter(({ method }) => method !== "ALL");
const keys = [...new Set(routes.map(({ method, path }) => routeKey(method, path)))];
const path = (key: string): string => (key.split(" ")[1] ?? "").replaceAll(/:[a-z]+/g, "x1");
const method = (key: string): string => key.split(" ")[0] ?? "";

interface Token {
  id: string;
  token: string;
}
const makeToken = (input: Record<string, unknown>) =>
  did<Token>("POST", "/v1/tokens", { body: { name: "t", ...input } });

beforeAll(prepare);

describe("[S1] every route", () => {
  it("declares its authentication", () => {
    expect(keys.filter((key) => !declaredAuth.has(key))).toEqual([]);
    expect(keys.length).toBeGreaterThan(30);
  });

  it("a route added in another way would be found", () => {
    const stray = createApp({
      clock,
      random: { uint32: () => 0 },
      budget: () => {
        throw new Error("not for use");
      },
    });
    stray.get("/v1/secret", (c) => c.text("x"));
    expect(
      stray.routes
        .map((r) => routeKey(r.method, r.path))
        .filter((key) => !key.startsWith("ALL") && !declaredAuth.has(key)),
    ).toEqual(["GET /v1/secret"]);
  });

  it("is public only where the specification says so", () => {
    expect(keys.filter((key) => declaredAuth.get(key)?.kind === "public").sort()).toEqual([
      "GET /",
      "GET /docs",
      "GET /docs/",
      "GET /openapi.json",
      "GET /v1/health",
      "POST /agent/v1/enroll",
    ]);
  });

  it.each(keys.filter((key) => declaredAuth.get(key)?.kind !== "public"))(
    "%s refuses who has no token, or a wrong one",
    async (key) => {
      for (const token of [null, "tok_wrong", `${ADMIN}x`]) {
        const answer = await call(method(key), path(key), { token, body: method(key) === "GET" ? undefined : {} });
        expect(answer.status).toBe(401);
        expect(answer.headers.get("content-type")).toBe("application/problem+json");
      }
    },
  );

  it("refuses each role below the one it declares, by name", async () => {
    const tokens = new Map<string, string>();
    for (const role of roles) tokens.set(role, (await makeToken({ role })).token);
    for (const key of keys) {
      const auth: Auth | undefined = declaredAuth.get(key);
      if (auth?.kind !== "token") continue;
      for (const role of roles.slice(0, roles.indexOf(auth.role))) {
        const answer = await call(method(key), path(key), {
          token: tokens.get(role) ?? "",
          body: method(key) === "GET" ? undefined : {},
        });
        expect([key, role, answer.status, answer.body.code]).toEqual([key, role, 403, "forbidden"]);
      }
    }
  });
});

describe("[S3] tokens", () => {
  it("are kept as hashes only, shown once, and end by revocation at the next request", async () => {
    const { id, token } = await makeToken({ role: "viewer" });
    const rows = await env.DB.prepare("SELECT * FROM token WHERE id = ?").bind(id).all();
    expect(JSON.stringify(rows.results)).not.toContain(token);
    const listed = await did<{ items: Token[] }>("GET", "/v1/tokens");
    expect(JSON.stringify(listed)).not.toContain(token);
    expect((await call("GET", "/v1/sites", { token })).status).toBe(200);
    await did("DELETE", `/v1/tokens/${id}`);
    expect((await call("GET", "/v1/sites", { token })).body).toMatchObject({ code: "unauthenticated" });
  });

  it("end at their time", async () => {
    const { token } = await makeToken({ role: "viewer", ttlSeconds: 60 });
    clock.skew = 61_000;
    expect((await call("GET", "/v1/sites", { token })).status).toBe(401);
    clock.skew = 0;
    expect((await call("GET", "/v1/sites", { token })).status).toBe(200);
  });

  it("of one site are refused at another by site_forbidden, and see only their own in lists", async () => {
    const own = await makeSite("scope-a");
    const other = await makeSite("scope-b");
    const { token } = await makeToken({ role: "admin", sites: ["scope-a"] });
    const job = await did<{ id: string }>("POST", "/v1/jobs", {
      key: "k",
      body: { site: "scope-b", workflow: "server.install", targets: ["node-1"] },
    });
    const refused: [string, string, unknown?][] = [
      ["GET", `/v1/sites/${other.id}`],
      ["GET", "/v1/sites/scope-b/ledger"],
      ["GET", "/v1/devices?site=scope-b"],
      ["GET", `/v1/jobs/${job.id}`],
      ["GET", "/v1/sites/no-such-site"],
      ["POST", `/v1/jobs/${job.id}/cancel`, {}],
      ["POST", "/v1/plans", { site: "scope-b", workflow: "server.install", targets: ["node-1"] }],
      ["POST", "/v1/sites/scope-b/enrolment-tokens", {}],
    ];
    for (const [how, where, body] of refused) {
      expect([where, (await call(how, where, { token, body })).body]).toMatchObject([
        where,
        { code: "site_forbidden", status: 403 },
      ]);
    }
    expect(
      (
        await call("POST", "/v1/jobs", {
          token,
          key: "k2",
          body: { site: "scope-b", workflow: "server.install", targets: ["node-1"] },
        })
      ).body,
    ).toMatchObject({ code: "site_forbidden" });
    expect(
      (await call<{ items: { id: string }[] }>("GET", "/v1/sites", { token })).body.items.map((s) => s.id),
    ).toEqual([own.id]);
    // Nor may it make itself a wider one, or touch what belongs to all.
    for (const [how, where] of [
      ["POST", "/v1/tokens"],
      ["POST", "/v1/fleet/freeze"],
      ["POST", "/v1/sites"],
      ["POST", "/v1/device-types"],
    ] as const) {
      expect((await call(how, where, { token, body: {} })).body).toMatchObject({ code: "forbidden" });
    }
  });

  it("a short admin secret is no secret", async () => {
    const ctx = {
      waitUntil: () => undefined,
      passThroughOnException: () => undefined,
      props: {},
    } as unknown as ExecutionContext;
    const answer = await app.fetch(
      new Request("https://t/v1/sites", { headers: { authorization: "Bearer short" } }),
      { ...env, TURNUP_ADMIN_TOKEN: "short" },
      ctx,
    );
    expect(answer.status).toBe(401);
  });
});
