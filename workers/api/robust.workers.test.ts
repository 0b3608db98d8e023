import { beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../site/platform.ts";
import { call, clock, did, env, installJob, makeSite, prepare, TestAgent } from "../test-fleet.ts";
import { createApp } from "./app.ts";
import { MAX_BODY } from "./input.ts";

interface Described {
  paths: Record<string, { post?: { parameters?: { name: string; in: string; required: boolean }[] } }>;
}

beforeAll(prepare);

describe("[S4] bad input", () => {
  it.each<[string, string, number]>([
    ["no JSON", '{"name":', 400],
    ["an empty body", "", 400],
    ["the wrong kind", "[]", 422],
    ["null", "null", 422],
    ["a number", "7", 422],
    ["nesting without end", `${"[".repeat(200_000)}`, 400],
    ["a body beyond the limit", JSON.stringify({ name: "x".repeat(MAX_BODY) }), 413],
    ["an unknown field", '{"name":"abc","locationHint":"weur","nmae":"x"}', 422],
    ["a key that is said twice", '{"name":"abc","locationHint":"weur","name":"abd"}', 400],
    ["a prototype", '{"name":"abc","locationHint":"weur","__proto__":{"name":"x"}}', 400],
    ["a number that is none", '{"name":NaN}', 400],
    ["a number beyond all numbers", '{"name":1e999}', 422],
    ["half a character", '{"name":"a\\ud800b","locationHint":"weur"}', 422],
    ["a name with a zero byte", '{"name":"a\\u0000b","locationHint":"weur"}', 422],
  ])("%s is a problem with a code, never a 500", async (_, body, status) => {
    const answer = await call("POST", "/v1/sites", { body });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.body).toMatchObject({
      code: expect.any(String),
      next: expect.any(String),
      detail: expect.any(String),
      now: expect.any(Number),
    });
  });

  it("a body of another type is refused", async () => {
    const answer = await call("POST", "/v1/sites", {
      body: "name=x",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect(answer).toMatchObject({ status: 415, body: { code: "unsupported_media_type" } });
    const site = await makeSite("typed");
    const optional = await call("POST", `/v1/sites/${site.name}/audits`, {
      body: '{"window":"w"}',
      headers: { "content-type": "text/plain" },
    });
    expect(optional.status).toBe(415);
    const none = { body: "", headers: { "content-type": "application/json" } };
    expect((await call("POST", `/v1/sites/${site.name}/audits`, none)).status).toBeLessThan(300);
    expect(await call("POST", "/v1/sites", none)).toMatchObject({ status: 400, body: { code: "bad_request" } });
  });

  it("no route answers 500 to odd paths, queries and bodies", { timeout: 120_000 }, async () => {
    await makeSite("odd");
    const app = createApp({
      clock,
      random: { uint32: () => 0 },
      budget: () => {
        throw new Error("not for use");
      },
    });
    const values = [
      "x",
      "%00",
      "..%2F",
      "%F0%9F%98%80",
      "'; DROP TABLE token",
      "st_0123456789",
      "job_0123456789_0123456789abcdef",
      "a".repeat(300),
      "%ZZ",
    ];
    const queries = [
      "",
      "?limit=-1",
      "?limit=x",
      "?cursor=%00",
      "?after=-5",
      "?after=1e99",
      "?state=none",
      "?site=odd&cursor=~",
      "?site='",
      "?limit=1&limit=2",
    ];
    const bodies = [
      "{}",
      "[]",
      '{"targets":null}',
      '{"ttlSeconds":-1}',
      '{"plan":1}',
      '{"types":[{}]}',
      '{"type":{}}',
      '{"site":"odd","workflow":"server.install","targets":["node-1","node-1"],"params":{"constructor":1}}',
    ];
    const tried = new Set<string>();
    for (const { method, path } of app.routes) {
      if (method === "ALL" || path.startsWith("/v1/fleet") || tried.has(method + path)) continue;
      tried.add(method + path);
      for (const [i, value] of values.entries()) {
        const url = path.replaceAll(/:[a-z]+/g, value.replaceAll(" ", "%20")) + queries[i % queries.length];
        const body = method === "GET" || method === "DELETE" ? undefined : bodies[i % bodies.length];
        const answer = await call(method, url, { body, key: `odd-${tried.size}-${i}` });
        expect([method, url, body, answer.status, answer.status < 500]).toEqual([
          method,
          url,
          body,
          answer.status,
          true,
        ]);
      }
      for (const query of queries) {
        const answer = await call(method, path.replaceAll(/:[a-z]+/g, "odd") + query, {
          body: method === "GET" || method === "DELETE" ? undefined : "{}",
        });
        expect([method, path, query, answer.status < 500]).toEqual([method, path, query, true]);
      }
    }
    expect(tried.size).toBeGreaterThan(30);
  });

  it("a bookmark goes back and forth, and a made-up one does no harm", async () => {
    const first = await call("GET", "/v1/devices");
    const bookmark = first.headers.get("x-turnup-bookmark") ?? "";
    expect(bookmark).toMatch(/^[0-9a-f-]{59}$/);
    for (const given of [bookmark, "zzz", "f".repeat(200), `${"0".repeat(8)}-`.repeat(3) + "0".repeat(32)]) {
      expect((await call("GET", "/v1/devices", { headers: { "x-turnup-bookmark": given } })).status).toBe(200);
    }
  });

  it("what is not there is a problem too", async () => {
    expect(await call("GET", "/v1/nothing")).toMatchObject({ status: 404, body: { code: "not_found" } });
    const wrong = await call("PATCH", "/v1/sites");
    expect(wrong).toMatchObject({ status: 405, body: { code: "method_not_allowed", now: expect.any(Number) } });
    expect(wrong.headers.get("allow")).toBe("POST, GET, HEAD");
    expect(await call("GET", "/v1/jobs/job_0123456789_0123456789abcdef")).toMatchObject({
      status: 404,
      body: { code: "job_unknown" },
    });
  });
});

describe("Idempotency-Key on the other POSTs", () => {
  const body = { name: "idem", locationHint: "weur" };

  it("gives a repeat the first answer, and refuses another body", async () => {
    const first = await call("POST", "/v1/sites", { key: "i1", body });
    const again = await call("POST", "/v1/sites", { key: "i1", body });
    expect([first.status, again.status, again.headers.get("idempotency-replayed")]).toEqual([201, 201, "true"]);
    expect(again.body).toEqual(first.body);
    expect(await call("POST", "/v1/sites", { key: "i1", body: { ...body, name: "other" } })).toMatchObject({
      status: 409,
      body: { code: "idempotency_key_reused" },
    });
  });

  it("does not keep a refusal: the same key may be tried again", async () => {
    expect((await call("POST", "/v1/sites", { key: "i2", body: { name: "X" } })).status).toBe(422);
    expect((await call("POST", "/v1/sites", { key: "i2", body: { name: "idem2", locationHint: "weur" } })).status).toBe(
      201,
    );
  });

  it("does the work once when two come at the same time", async () => {
    const both = await Promise.all(
      [1, 2].map(() => call("POST", "/v1/sites", { key: "i3", body: { name: "twice", locationHint: "weur" } })),
    );
    const codes = both.map((answer) => answer.status).sort();
    expect(codes[0]).toBe(201);
    expect([201, 503]).toContain(codes[1]);
    const rows = await env.DB.prepare("SELECT count(*) AS n FROM site WHERE name = 'twice'").first<{ n: number }>();
    expect(rows?.n).toBe(1);
  });

  it("is free again when the first request died before it answered", async () => {
    const insert = "INSERT INTO idempotency (actor, key, body_hash, created_at) VALUES ('first-admin', ?, ?, ?)";
    const text = JSON.stringify({ name: "died", locationHint: "weur" });
    const hash = sha256(`POST /v1/sites\n${text}`);
    await env.DB.prepare(insert).bind("i6", hash, Date.now()).run();
    expect(await call("POST", "/v1/sites", { key: "i6", body: text })).toMatchObject({
      status: 503,
      body: { code: "unavailable" },
    });
    await env.DB.prepare("UPDATE idempotency SET created_at = ? WHERE key = 'i6'")
      .bind(Date.now() - 11_000)
      .run();
    expect((await call("POST", "/v1/sites", { key: "i6", body: text })).status).toBe(201);
  });

  it("never keeps a secret: a repeat is told so", async () => {
    const token = { name: "secret", role: "viewer" };
    const first = await call<{ token: string }>("POST", "/v1/tokens", { key: "i4", body: token });
    expect(await call("POST", "/v1/tokens", { key: "i4", body: token })).toMatchObject({
      status: 409,
      body: { code: "conflict" },
    });
    const kept = await env.DB.prepare("SELECT * FROM idempotency").all();
    expect(JSON.stringify(kept.results)).not.toContain(first.body.token);
  });

  it("belongs to one caller, and ends after a day", async () => {
    await did("POST", "/v1/device-types/check", { key: "i5", body: { type: { manufacturer: "a", model: "b" } } });
    const other = await did<{ token: string }>("POST", "/v1/tokens", { body: { name: "o", role: "admin" } });
    expect(
      (
        await call("POST", "/v1/device-types/check", {
          key: "i5",
          token: other.token,
          body: { type: { manufacturer: "c", model: "d" } },
        })
      ).status,
    ).toBe(200);
    clock.skew = 25 * 3600_000;
    expect(
      (await call("POST", "/v1/device-types/check", { key: "i5", body: { type: { manufacturer: "e", model: "f" } } }))
        .status,
    ).toBe(200);
    clock.skew = 0;
  });
});

describe("the agent's routes", () => {
  it("[S2] enrolment works once for one key, and says no to anything else", async () => {
    const site = await makeSite("enrol");
    const agent = await TestAgent.enrol(site);
    expect(agent.site).toBe(site.id);
    const body = {
      v: 1,
      token: `enr_${site.id.slice(3)}_${"0".repeat(32)}`,
      name: "b",
      version: "1",
      publicKey: { kty: "OKP", crv: "Ed25519", x: "x".repeat(43) },
    };
    expect(await call("POST", "/agent/v1/enroll", { token: null, body })).toMatchObject({
      status: 401,
      body: { code: "enrolment_refused" },
    });
    expect(await call("POST", "/agent/v1/enroll", { token: null, body: { ...body, token: "x" } })).toMatchObject({
      status: 401,
      body: { code: "enrolment_refused" },
    });
    expect(await call("POST", "/agent/v1/enroll", { token: null, body: { ...body, v: 99 } })).toMatchObject({
      status: 426,
      body: { code: "version_unsupported" },
    });
  });

  it("[S2] tells an agent whose clock is off what time it is", async () => {
    const agent = await TestAgent.enrol(await makeSite("clock"));
    const late = await agent.call({}, agent.token({ iat: 1_000_000, exp: 1_000_300 }));
    expect(late).toMatchObject({ status: 401, body: { code: "unauthenticated", now: expect.any(Number) } });
  });

  it("[C5] tolerates fields it does not know, and refuses a version it does not", async () => {
    const agent = await TestAgent.enrol(await makeSite("fields"));
    expect((await agent.call({ later: true } as never)).status).toBe(200);
    expect(await agent.call({ v: 2 })).toMatchObject({ status: 426, body: { code: "version_unsupported" } });
  });

  it("[T3] a token for one site is no token at another", async () => {
    const agent = await TestAgent.enrol(await makeSite("mine"));
    const other = await TestAgent.enrol(await makeSite("theirs"));
    expect((await agent.call({}, agent.token({ sub: other.site }))).body).toMatchObject({ code: "wrong_site" });
    expect((await agent.call({}, agent.token({ iss: other.id }, { kid: other.id }))).body).toMatchObject({
      code: "unauthenticated",
    });
  });

  it("a WebSocket asked for without an upgrade is refused by 426", async () => {
    const site = await makeSite("upgrade");
    const agent = await TestAgent.enrol(site);
    const job = await installJob(site);
    for (const [path, token] of [
      [`/v1/jobs/${job.id}/watch`, undefined],
      ["/agent/v1/doorbell", agent.token()],
    ] as const) {
      const answer = await call("GET", path, token === undefined ? {} : { token });
      expect(answer).toMatchObject({ status: 426, body: { code: "upgrade_required" } });
      expect(answer.headers.get("upgrade")).toBe("websocket");
    }
  });

  it("an API token is no agent's token, nor the reverse", async () => {
    const agent = await TestAgent.enrol(await makeSite("kinds"));
    expect((await call("GET", "/v1/sites", { token: agent.token() })).status).toBe(401);
  });
});

describe("docs", () => {
  it("shows the API with a script of ours alone", async () => {
    const page = await call("GET", "/docs", { token: null });
    const html = await page.response.text();
    expect(page.status).toBe(200);
    expect(html).not.toMatch(/(src|href|url)="?https?:/);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
    for (const path of ["/", "/docs/"]) {
      const answer = await call("GET", path, { token: null });
      expect([answer.status, answer.headers.get("location")]).toEqual([302, "/docs"]);
    }
    const api = await call<Described>("GET", "/openapi.json", { token: null });
    const posts = Object.entries(api.body.paths).filter(([path, { post }]) => path.startsWith("/v1/") && post);
    expect(posts.length).toBeGreaterThan(10);
    for (const [path, { post }] of posts) {
      const key = post?.parameters?.filter(({ name }) => name === "idempotency-key");
      expect([path, key]).toEqual([path, [expect.objectContaining({ in: "header", required: path === "/v1/jobs" })]]);
    }
  });
});
