/** Size, encoding and shape of a body, judged before anything parses it or asks who sent it (S4). */
import type { MiddlewareHandler } from "hono";
import { TurnupError } from "../../shared/errors.ts";
import { SYNC_MAX_BYTES } from "../../shared/protocol/agent.ts";
import { jsonFault, MAX_BODY, MAX_DOCUMENT, MIB } from "./input.ts";
import type { AppEnv } from "./route.ts";

/** Paths that take more than others: whole files, and the exchange for all machines of a site. */
const larger = [
  { path: /^\/v1\/(sites\/[^/]+\/document|sites\/check|device-types|restores\/lines)$/, bytes: MAX_DOCUMENT },
  { path: /^\/agent\/v1\/sync$/, bytes: SYNC_MAX_BYTES },
] as const;

export const bounded: MiddlewareHandler<AppEnv> = async (c, next) => {
  if (c.req.method === "GET" || c.req.method === "HEAD") return next();
  const most = larger.find(({ path }) => path.test(c.req.path))?.bytes ?? MAX_BODY;
  const announced = Number(c.req.header("content-length"));
  if (announced > most) {
    // Who asks before it sends (100-continue) would take the reading for a yes.
    const asks = c.req.header("expect") !== undefined;
    if (c.req.raw.body && !asks && announced <= most + DISCARDED) await discard(c.req.raw.body.getReader());
    throw tooLarge(most);
  }
  const encoding = c.req.header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity")
    throw new TurnupError({ code: "unsupported_media_type", detail: "The body comes packed; send it as it is." });
  const text = await readText(c.req.raw.body, most);
  const fault = jsonFault(text);
  if (fault !== undefined) throw new TurnupError({ code: "bad_request", detail: fault });
  // Where the context keeps a body that was read: whoever asks for it next is given this one.
  Object.assign(c.req.bodyCache, { text: Promise.resolve(text) });
  return next();
};

/**
 * Bytes of a body beyond its limit that are read at most, and thrown away unseen: many clients send all of it before they
 * look at an answer, and would hear of a broken connection instead.
 */
export const DISCARDED = 32 * MIB;
/** One that sends nothing for so long waits for the answer, ms. */
const IDLE_MS = 500;

async function discard(body: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  for (let size = 0; size <= DISCARDED; ) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const idle = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), IDLE_MS);
    });
    const next = await Promise.race([body.read(), idle]);
    clearTimeout(timer);
    if (!next || next.done) break;
    size += next.value.byteLength;
  }
  // Not waited for, as it may wait for the client.
  void body.cancel().catch(() => undefined);
}

/** Counts what comes, whatever length was announced, and keeps nothing beyond the limit: a body is never held whole before. */
async function readText(body: ReadableStream<Uint8Array> | null, most: number): Promise<string> {
  // As other text than it is, it would be taken without a word.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  const reader = body?.getReader();
  let size = 0;
  let text = "";
  try {
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      size += next.value.byteLength;
      if (size > most) {
        if (reader) await discard(reader);
        throw tooLarge(most);
      }
      text += decoder.decode(next.value, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) throw new TurnupError({ code: "bad_request", detail: "The body is not UTF-8." });
    throw error;
  }
}

const tooLarge = (most: number) =>
  new TurnupError({ code: "body_too_large", detail: `At most ${most / MIB} MiB are taken here.` });
