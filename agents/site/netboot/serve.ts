import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorText, type Log } from "../log.ts";
import type { Netboot, NetbootResponse } from "./routes.ts";

/** Bodies above this are refused (S4): the largest message is an inventory. */
const MAX_BODY = 1024 * 1024;

export interface Listening {
  port: number;
  close(): Promise<void>;
}

/** Listens for machines; resolves when it does, rejects when it cannot. */
export async function serve(handle: Netboot, host: string, port: number, log: Log): Promise<Listening> {
  const server = createServer((request, response) => {
    answer(handle, request, response).catch((error: unknown) => {
      // A machine that loses its power in the middle of a download is everyday.
      log.debug({ error: errorText(error), path: request.url?.split("?")[0] }, "a request ended early");
      response.destroy();
    });
  });
  server.keepAliveTimeout = 30_000;
  return listen(server, host, port);
}

export async function listen(server: Server, host: string, port: number): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(handle: Netboot, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://agent");
  const body = await readBody(request);
  if (body === undefined) {
    response.writeHead(413, { "content-type": "text/plain", connection: "close" }).end("The body is too large.\n");
    return;
  }
  const reply: NetbootResponse = await handle({
    method: request.method ?? "GET",
    path: decodePath(url.pathname),
    query: url.searchParams,
    headers: Object.fromEntries(Object.entries(request.headers).map(([k, v]) => [k, Array.isArray(v) ? v[0] : v])),
    body,
    from: request.socket.remoteAddress ?? "",
  });
  response.writeHead(reply.status, reply.headers);
  if (typeof reply.body === "string") {
    response.end(reply.body);
    return;
  }
  await pipeline(reply.body instanceof Readable ? reply.body : Readable.from(reply.body), response);
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request) {
    size += (piece as Buffer).length;
    if (size > MAX_BODY) return undefined;
    pieces.push(piece as Buffer);
  }
  return Buffer.concat(pieces).toString("utf8");
}
