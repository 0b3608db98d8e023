/** One BMC on a port of its own: HTTP, sessions, basic authentication, its own slowness, and the faults that BMCs have. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Faults } from "./faults.ts";
import { answer, error, type RedfishResponse, type ServedMachine } from "./redfish.ts";
import type { Witness } from "./witness.ts";

export interface BmcServerOptions {
  machine: ServedMachine;
  credentials: { username: string; password: string };
  faults: Faults;
  /** Called after a fault struck, so that it is not struck again after a restart. */
  struck(): void;
  witness: Witness;
  speed: number;
}

const MAX_BODY = 64 << 10;
/** Ports tried in a row; neighbours are other BMCs and other simulators. */
const PORT_TRIES = 2_000;
/** How long a BMC is away when it restarts, and how much slower a slow one is; real hardware, divided by the speed. */
const REBOOT_SECONDS = 90;
const SLOW_MS = 2_000;
/** Requests after which a planted restart of the BMC strikes: in the middle of the first steps. */
const REBOOT_AFTER = 9;

export class BmcServer {
  readonly #o: BmcServerOptions;
  readonly #server: Server;
  readonly #sessions = new Map<string, { token: string; seenAt: number }>();
  #nextSession = 1;
  #requests = 0;
  #awayUntil = 0;

  constructor(options: BmcServerOptions) {
    this.#o = options;
    this.#server = createServer((request, response) => {
      // A caller that was killed in the middle of its request is no reason to stop.
      this.#handle(request, response).catch(() => request.socket.destroy());
    });
    // Real ones keep few connections.
    this.#server.keepAliveTimeout = 1_000;
  }

  /** Listens on this port, or on the next one that is free. Returns the port. */
  async listen(host: string, port: number): Promise<number> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#tryPort(host, port + tries);
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE" || tries >= PORT_TRIES) throw cause;
      }
    }
  }

  #tryPort(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const failed = (cause: Error) => {
        this.#server.off("listening", listening);
        reject(cause);
      };
      const listening = () => {
        this.#server.off("error", failed);
        resolve((this.#server.address() as AddressInfo).port);
      };
      this.#server.once("error", failed).once("listening", listening);
      this.#server.listen(port, host);
    });
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { faults, speed, witness, machine } = this.#o;
    const startedAt = Date.now();
    this.#requests += 1;
    if (this.#requests > REBOOT_AFTER && faults.strikes("bmc-reboot")) {
      this.#o.struck();
      witness.record(machine.device.name, "fault", { detail: "bmc-reboot" });
      this.#sessions.clear();
      this.#awayUntil = startedAt + (REBOOT_SECONDS * 1000) / speed;
      this.#server.closeAllConnections();
    }
    if (startedAt < this.#awayUntil) return void request.socket.destroy();
    const body = await readBody(request);
    const slow = faults.has("slow-bmc") ? SLOW_MS : 0;
    await sleep((machine.personality.latencyMs + slow) / speed);
    const answered =
      body === undefined
        ? error(413, "Base.1.8.PayloadTooLarge", "The body is too large.")
        : body === MALFORMED
          ? error(400, "Base.1.8.MalformedJSON", "The request body was malformed JSON and could not be parsed.")
          : this.#route(request, body);
    const { status, headers, body: json } = answered;
    const text = json === undefined || request.method === "HEAD" ? "" : JSON.stringify(json);
    response.writeHead(status, {
      "odata-version": "4.0",
      ...(text !== "" && { "content-type": "application/json;odata.metadata=minimal;charset=utf-8" }),
      "content-length": Buffer.byteLength(text),
      ...headers,
    });
    response.end(text);
    witness.record(machine.device.name, "bmc.call", { ms: Date.now() - startedAt });
  }

  #route(request: IncomingMessage, body: unknown): RedfishResponse {
    const { faults, machine, witness } = this.#o;
    const method = request.method ?? "GET";
    const path = (request.url ?? "/").split(/[?#]/, 1)[0] ?? "/";
    if (faults.strikes("bmc-503")) {
      this.#o.struck();
      witness.record(machine.device.name, "fault", { detail: "bmc-503" });
      return error(503, "Base.1.8.ServiceTemporarilyUnavailable", "The service is temporarily unavailable.", {
        "retry-after": "5",
      });
    }
    if (/^\/redfish\/?$/.test(path)) return { status: 200, body: { v1: "/redfish/v1/" } };
    if (method === "POST" && /^\/redfish\/v1\/SessionService\/Sessions\/?$/.test(path)) return this.#login(body);
    // The root is open by the standard; all else wants a session or the password.
    if (!/^\/redfish\/v1\/?$/.test(path) && !this.#authenticated(request)) {
      return error(401, "Base.1.8.NoValidSession", "There is no valid session established with the implementation.", {
        "www-authenticate": 'Basic realm="BMC"',
      });
    }
    if (method === "GET" && /^\/redfish\/v1\/SessionService\/Sessions\/?$/.test(path)) return this.#sessionList();
    const session = /^\/redfish\/v1\/SessionService\/Sessions\/([^/]+)\/?$/.exec(path)?.[1];
    if (session !== undefined) return this.#session(method, session);
    return answer(machine, { method, path, headers: request.headers as Record<string, string | undefined>, body });
  }

  #login(body: unknown): RedfishResponse {
    const { personality } = this.#o.machine;
    const { UserName, Password } = (body ?? {}) as { UserName?: unknown; Password?: unknown };
    if (!this.#isUser(String(UserName), String(Password)))
      return error(401, "Base.1.8.InsufficientPrivilege", "The credentials are not valid.");
    this.#expireSessions();
    if (this.#sessions.size >= personality.sessionLimit)
      return error(503, "Base.1.8.SessionLimitExceeded", "The session limit is reached.", { "retry-after": "30" });
    const id = String(this.#nextSession++);
    const token = randomBytes(16).toString("hex");
    this.#sessions.set(id, { token, seenAt: Date.now() });
    const path = `/redfish/v1/SessionService/Sessions/${id}${personality.slash ? "/" : ""}`;
    return {
      status: 201,
      headers: { "x-auth-token": token, location: path },
      body: { "@odata.id": path, "@odata.type": "#Session.v1_3_0.Session", Id: id, Name: "Session", UserName },
    };
  }

  #sessionList(): RedfishResponse {
    const path = "/redfish/v1/SessionService/Sessions";
    const end = this.#o.machine.personality.slash ? "/" : "";
    const Members = [...this.#sessions.keys()].map((id) => ({ "@odata.id": `${path}/${id}${end}` }));
    return {
      status: 200,
      body: {
        "@odata.id": path + end,
        "@odata.type": "#SessionCollection.SessionCollection",
        Name: "Session Collection",
        Members,
        "Members@odata.count": Members.length,
      },
    };
  }

  #session(method: string, id: string): RedfishResponse {
    if (!this.#sessions.has(id)) return error(404, "Base.1.8.ResourceMissingAtURI", "There is no such session.");
    if (method === "DELETE") {
      this.#sessions.delete(id);
      return { status: 204 };
    }
    if (method === "GET")
      return {
        status: 200,
        body: {
          "@odata.id": `/redfish/v1/SessionService/Sessions/${id}`,
          Id: id,
          Name: "Session",
          UserName: this.#o.credentials.username,
        },
      };
    return error(405, "Base.1.8.OperationNotAllowed", "The HTTP method is not allowed on this resource.");
  }

  #expireSessions(): void {
    const limit = Date.now() - this.#o.machine.personality.sessionTimeoutSeconds * 1000;
    for (const [id, session] of this.#sessions) if (session.seenAt < limit) this.#sessions.delete(id);
  }

  #authenticated(request: IncomingMessage): boolean {
    this.#expireSessions();
    const token = request.headers["x-auth-token"];
    if (typeof token === "string") {
      for (const session of this.#sessions.values()) {
        if (!same(session.token, token)) continue;
        session.seenAt = Date.now();
        return true;
      }
      return false;
    }
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (basic === undefined) return false;
    const text = Buffer.from(basic, "base64").toString();
    const colon = text.indexOf(":");
    return this.#isUser(text.slice(0, colon), text.slice(colon + 1));
  }

  #isUser(username: string, password: string): boolean {
    const { credentials } = this.#o;
    return same(username, credentials.username) && same(password, credentials.password);
  }
}

function same(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

const MALFORMED = Symbol("malformed");

/** The JSON body; null when there is none, undefined when it is too large, MALFORMED when it is no JSON. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  if (size === 0) return null;
  try {
    return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
  } catch {
    return MALFORMED;
  }
}
