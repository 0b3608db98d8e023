import { beforeAll, describe, expect, it } from "vitest";
import { SYNC_MAX_BYTES } from "../../shared/protocol/agent.ts";
import { type Call, call, env, makeSite, prepare, TestAgent } from "../test-fleet.ts";
import { DISCARDED } from "./bounded.ts";
import { MAX_BODY, MAX_DOCUMENT, MIB } from "./input.ts";

beforeAll(prepare);

const TEN_MB = 10_000_000;
const json = { "content-type": "application/json" };
const sync = (options: Call) => call("POST", "/agent/v1/sync", { token: null, ...options });
const tooLarge = { status: 413, body: { code: "body_too_large", status: 413, next: expect.any(String) } };

/** A body without a length that goes on for as long as it is read, and how much of it was. */
function endless(piece = new Uint8Array(64 * 1024).fill(0x20)) {
  const seen = { bytes: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        seen.bytes += piece.length;
        controller.enqueue(piece);
      },
      cancel() {
        seen.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  return { seen, body };
}

describe("[S4] a body beyond the limit", () => {
  it("of a sync is refused before anybody asks whose it is: without a token, with a made-up one, with a good one", async () => {
    const agent = await TestAgent.enrol(await makeSite("large"));
    const body = "x".repeat(TEN_MB);
    for (const token of [null, "made.up.token", agent.token()]) {
      const answer = await sync({ token, body });
      expect(answer).toMatchObject(tooLarge);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    }
  });

  it.each<[string, string, string, number]>([
    ["a sync", "POST", "/agent/v1/sync", SYNC_MAX_BYTES],
    ["an enrolment", "POST", "/agent/v1/enroll", MAX_BODY],
    ["a plan", "POST", "/v1/plans", MAX_BODY],
    ["a site file", "PUT", "/v1/sites/large/document", MAX_DOCUMENT],
    ["a path that is not there", "POST", "/v1/nothing", MAX_BODY],
    ["a method that is not offered", "DELETE", "/agent/v1/sync", SYNC_MAX_BYTES],
  ])(
    "of %s is refused by its announced length; what else comes of it is thrown away, up to a bound",
    async (_, method, path, most) => {
      const huge = endless();
      const headers = { ...json, "content-length": String(most + DISCARDED + 1) };
      expect(await call(method, path, { token: null, headers, body: huge.body })).toMatchObject(tooLarge);
      expect(huge.seen.bytes).toBe(0);
      for (const length of [undefined, "10", "none", String(most + 1)]) {
        const { seen, body } = endless();
        const lying = { ...json, ...(length !== undefined && { "content-length": length }) };
        expect(await call(method, path, { token: null, headers: lying, body })).toMatchObject(tooLarge);
        expect(seen.cancelled).toBe(true);
        expect(seen.bytes).toBeLessThanOrEqual(most + DISCARDED + 2 * 64 * 1024);
      }
    },
  );

  it("is not counted where a body has no meaning", async () => {
    for (const method of ["GET", "HEAD"]) {
      const headers = { "content-length": String(TEN_MB) };
      expect((await call(method, "/agent/v1/sync", { token: null, headers })).status).toBe(405);
    }
  });

  it("one byte below the limit goes on to the next check", async () => {
    expect((await sync({ body: "x".repeat(SYNC_MAX_BYTES) })).body).toMatchObject({ code: "unauthenticated" });
    expect(await sync({ body: "x".repeat(SYNC_MAX_BYTES + 1) })).toMatchObject(tooLarge);
  });
});

describe("[S4] a body that is not what it should be", () => {
  it("packed is refused, and never unpacked", async () => {
    const packed = await new Response(
      new Response("x".repeat(MIB)).body?.pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer();
    for (const encoding of ["gzip", "GZIP", "br", "deflate, gzip"]) {
      const answer = await call("POST", "/v1/plans", {
        body: new Uint8Array(packed),
        headers: { ...json, "content-encoding": encoding },
      });
      expect(answer).toMatchObject({ status: 415, body: { code: "unsupported_media_type" } });
    }
    const plain = { body: "{}", headers: { ...json, "content-encoding": "identity" } };
    expect((await call("POST", "/v1/plans", plain)).body).toMatchObject({ code: "validation_failed" });
  });

  it("not UTF-8 is refused, and not read as another text", async () => {
    const name = new TextEncoder().encode('{"name":"a?b","role":"viewer"}');
    const at = name.indexOf(0x3f);
    for (const byte of [0x80, 0xc0, 0xff, 0xed]) {
      name[at] = byte;
      const answer = await call("POST", "/v1/tokens", { body: name, headers: json });
      expect(answer).toMatchObject({ status: 400, body: { code: "bad_request", detail: "The body is not UTF-8." } });
    }
    const cut = new TextEncoder().encode('"é').subarray(0, -1);
    expect((await call("POST", "/v1/tokens", { body: cut, headers: json })).status).toBe(400);
    const tokens = await env.DB.prepare("SELECT count(*) AS n FROM token").first<{ n: number }>();
    expect(tokens?.n).toBe(0);
  });

  it("in pieces that end within a character is put together again", async () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ name: "x", role: "viewer", "ü€😀": 1 }));
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const answer = await call("POST", "/v1/tokens", { body, headers: json });
    expect(answer.body).toMatchObject({ errors: [{ text: "has fields that are not known here: ü€😀" }] });
  });
});
