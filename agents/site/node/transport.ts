/** The agent's ways out on Node: `fetch` to the control plane, `node:http` to BMCs, the built-in WebSocket. */
import { readFileSync, statSync } from "node:fs";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { z } from "zod";
import { type Http, HttpFailure, type HttpResponse } from "../http.ts";
import type { OpenSocket } from "../link/doorbell.ts";

/** Answers above this are cut off: no BMC resource is that large. */
const MAX_ANSWER = 8 * 1024 * 1024;

const kindOf = (error: unknown): HttpFailure["kind"] => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (error instanceof Error && (error.name === "TimeoutError" || code === "UND_ERR_HEADERS_TIMEOUT")) return "timeout";
  const before = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"];
  return before.includes(code) || /CERT|TLS|SSL/.test(code) ? "refused" : "reset";
};
const codeOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return cause instanceof Error && "code" in cause
    ? String(cause.code)
    : error instanceof Error
      ? error.name
      : "failed";
};

/** Over Node's pooled `fetch`; a connection is kept open between exchanges. */
export const fetchHttp: Http = async (request) => {
  try {
    const response = await fetch(request.url, {
      method: request.method,
      redirect: "manual",
      signal: AbortSignal.timeout(request.timeoutMs),
      ...(request.headers && { headers: request.headers }),
      ...(request.body !== undefined && { body: request.body }),
    });
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
  } catch (error) {
    throw new HttpFailure(kindOf(error), codeOf(error));
  }
};

/** Where to connect instead of an address, "address:port" → "address:port"; with a map, no other address is reached. */
export type ConnectTo = (host: string) => { host: string; port: number } | undefined;

const ConnectMap = z.record(z.string(), z.string());

/** The map of a file, read again whenever it has changed: the simulated data center may start after the agent. */
export function connectFile(path: string): ConnectTo {
  let version = "";
  let map: Record<string, string> = {};
  return (host) => {
    try {
      const info = statSync(path);
      const now = `${info.mtimeMs}:${info.size}:${info.ino}`;
      if (now !== version) {
        map = ConnectMap.parse(JSON.parse(readFileSync(path, "utf8")));
        version = now;
      }
    } catch {
      // Being written just now, or not there yet: what was known counts.
    }
    const to = Object.hasOwn(map, host) ? map[host] : undefined;
    const parts = /^\[?([^\]]+?)\]?:(\d+)$/.exec(to ?? "");
    return parts?.[1] === undefined ? undefined : { host: parts[1], port: Number(parts[2]) };
  };
}

export interface BmcHttpOptions {
  connectTo?: ConnectTo;
  /** PEM of the CAs that sign the BMCs' certificates. */
  ca?: string;
}

/**
 * To BMCs: a connection per request, as many of them break reused ones (S6 of the hardware notes). TLS 1.2 at least,
 * and a certificate that the given CA signed.
 */
export function bmcHttp(options: BmcHttpOptions): Http {
  const plain = new HttpAgent({ keepAlive: false });
  const tls = new HttpsAgent({
    keepAlive: false,
    minVersion: "TLSv1.2",
    ...(options.ca !== undefined && { ca: options.ca }),
  });
  return (request) =>
    new Promise((resolve, reject) => {
      const url = new URL(request.url);
      const secure = url.protocol === "https:";
      const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
      const name = `${url.hostname}:${port}`;
      const bare = url.hostname.replace(/^\[|\]$/g, "");
      const to = options.connectTo ? options.connectTo(name) : { host: bare, port };
      if (!to) return reject(new HttpFailure("refused", `${name} is not in the connect map`));
      const fail = (kind: HttpFailure["kind"], why: string) => {
        clearTimeout(timer);
        reject(new HttpFailure(kind, why));
        outgoing.destroy();
      };
      const outgoing = (secure ? httpsRequest : httpRequest)(
        {
          host: to.host,
          port: to.port,
          method: request.method,
          path: url.pathname + url.search,
          agent: secure ? tls : plain,
          ...(secure && { servername: /^[0-9.]+$|:/.test(bare) ? "" : bare }),
          headers: {
            host: url.host,
            ...request.headers,
            ...(request.body !== undefined
              ? { "content-length": String(Buffer.byteLength(request.body)) }
              : request.method === "POST" && { "content-length": "0" }),
          },
        },
        (incoming) => {
          collect(incoming).then(
            (response) => {
              clearTimeout(timer);
              resolve(response);
            },
            (error: unknown) => fail("reset", codeOf(error)),
          );
        },
      );
      const timer = setTimeout(() => fail("timeout", `no answer within ${request.timeoutMs} ms`), request.timeoutMs);
      outgoing.on("error", (error) => fail(kindOf(error), codeOf(error)));
      outgoing.end(request.body);
    });
}

async function collect(incoming: IncomingMessage): Promise<HttpResponse> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of incoming) {
    size += (piece as Buffer).length;
    if (size > MAX_ANSWER) throw new Error("the answer is too large");
    pieces.push(piece as Buffer);
  }
  const headers = Object.entries(incoming.headers).map(([k, v]) => [k, Array.isArray(v) ? (v[0] ?? "") : (v ?? "")]);
  return {
    status: incoming.statusCode ?? 0,
    headers: Object.fromEntries(headers),
    body: Buffer.concat(pieces).toString("utf8"),
  };
}

export const openWebSocket: OpenSocket = (url, protocols, events) => {
  const socket = new WebSocket(url, protocols);
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    events.close();
  };
  socket.addEventListener("open", () => events.open());
  socket.addEventListener("message", (event) => {
    if (typeof event.data === "string") events.message(event.data);
  });
  socket.addEventListener("close", end);
  socket.addEventListener("error", end);
  return {
    send(text) {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => socket.close(),
  };
};
