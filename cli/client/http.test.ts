import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ApiError, createHttp, type HttpDeps } from "./http.ts";

interface Seen {
  method: string;
  url: string;
  headers: Headers;
  body: string | undefined;
}
type Answer = { status: number; body: unknown } | "cut";

const answered = (status: number, body: unknown): Answer => ({ status, body });

function world(answers: Answer[], patienceMs = 1_000) {
  const seen: Seen[] = [];
  const slept: number[] = [];
  let keys = 0;
  const deps: HttpDeps = {
    url: "http://127.0.0.1:8787",
    token: "tok_secret",
    patienceMs,
    newKey: () => `key-${++keys}`,
    sleep: async (ms) => void slept.push(ms),
    fetch: async (input, init) => {
      seen.push({
        method: init?.method ?? "GET",
        url: String(input),
        headers: new Headers(init?.headers),
        body: typeof init?.body === "string" ? init.body : undefined,
      });
      const answer = answers.shift() ?? "cut";
      if (answer === "cut")
        throw new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) });
      return new Response(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body), {
        status: answer.status,
      });
    },
  };
  return { http: createHttp(deps), seen, slept };
}

const Thing = z.object({ id: z.string() });
const failureOf = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ApiError) return error;
  throw new Error(`no ApiError: ${String(error)}`);
};

describe("requests to the control plane", () => {
  it("carry the token, and read the answer by its schema", async () => {
    const { http, seen } = world([answered(200, { id: "a", later: "field" })]);
    expect(await http("GET", "/v1/things", Thing, { query: { site: "ams01", state: undefined } })).toEqual({ id: "a" });
    expect(seen[0]?.url).toBe("http://127.0.0.1:8787/v1/things?site=ams01");
    expect(seen[0]?.headers.get("authorization")).toBe("Bearer tok_secret");
    expect(seen[0]?.headers.has("idempotency-key")).toBe(false);
  });

  it("[J1] a POST repeated after a lost answer carries the same key", async () => {
    const { http, seen } = world([
      "cut",
      answered(503, { code: "unavailable", detail: "x" }),
      answered(201, { id: "a" }),
    ]);
    expect(await http("POST", "/v1/jobs", Thing, { body: { plan: "p" } })).toEqual({ id: "a" });
    expect(seen.map((one) => one.headers.get("idempotency-key"))).toEqual(["key-1", "key-1", "key-1"]);
    expect(new Set(seen.map((one) => one.body))).toEqual(new Set(['{"plan":"p"}']));
  });

  it("give up when patience ends, naming the reason", async () => {
    const { http, slept } = world([], 1_000);
    const error = await failureOf(http("GET", "/v1/things", Thing));
    expect(error).toMatchObject({ code: "unavailable", status: 0 });
    expect(error.detail).toContain("ECONNREFUSED");
    expect(slept.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(1_000);
  });

  it("never repeat a refusal, and pass on its code, advice and faults", async () => {
    const errors = [{ code: "mac_twice", pointer: "/devices/1", text: "twice", write: "another" }];
    const { http, seen } = world([
      answered(422, { code: "validation_failed", detail: "2 faults", next: "Mend them.", errors }),
    ]);
    const error = await failureOf(http("PUT", "/v1/sites/a/document", Thing, { body: {} }));
    expect(error).toMatchObject({
      code: "validation_failed",
      detail: "2 faults",
      next: "Mend them.",
      status: 422,
      errors,
    });
    expect(seen).toHaveLength(1);
  });

  it("say so when something else than Turnup answers", async () => {
    const { http } = world([answered(502, "<html>bad gateway</html>")]);
    expect(await failureOf(http("GET", "/v1/things", Thing))).toMatchObject({ code: "unavailable", status: 502 });
    const foreign = [
      answered(404, "<html>no such page</html>"),
      answered(200, "<html>hello</html>"),
      answered(401, {}),
    ];
    for (const answer of foreign)
      expect(await failureOf(world([answer]).http("GET", "/v1/things", Thing))).toMatchObject({
        code: "unavailable",
        status: 502,
        next: expect.stringContaining("TURNUP_URL"),
      });
    const other = world([answered(200, { name: "x" })]);
    expect(await failureOf(other.http("GET", "/v1/things", Thing))).toMatchObject({ code: "internal" });
  });

  it("[A7] no error shows the token", async () => {
    for (const answer of ["cut", answered(500, "x"), answered(200, {})] satisfies Answer[]) {
      const error = await failureOf(world([answer], 0).http("GET", "/v1/things", Thing));
      expect(`${error.stack}${JSON.stringify(error)}`).not.toContain("tok_secret");
    }
  });
});
