/**
 * The one owner of a BMC (A3): one session, one request at a time, always logged out, a 401 breaker shared by all
 * callers. What it throws is a TurnupError with a code of the catalog; no text of a BMC or of a secret is in it (A7).
 */
import { z } from "zod";
import type { Clock } from "../../../shared/deps.ts";
import { type ErrorCode, TurnupError } from "../../../shared/errors.ts";
import type { BmcAddress } from "../../../shared/model/site.ts";
import { sleep, type Timers } from "../deps.ts";
import { type Http, HttpFailure, type HttpRequest, type HttpResponse, parseJson } from "../http.ts";
import type { Journal } from "../journal/journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Credentials, Vault } from "../vault.ts";

/** Says whether a call may start: asked right before each one (L2, L3). */
export interface Fence {
  /** Resolves when a call of at most this long may start; throws a TurnupError when it never may. */
  admit(timeoutMs: number): Promise<void>;
}

export interface BmcResponse {
  status: number;
  /** The login in which it was answered, by its number. */
  login: number;
  etag: string | undefined;
  location: string | undefined;
  json: unknown;
}

export interface BmcOwner {
  /** Sends one request and returns what was answered, whatever the status, but for 401 and "busy". */
  send(fence: Fence, method: HttpRequest["method"], path: string, more?: SendOptions): Promise<BmcResponse>;
  root(fence: Fence): Promise<Root>;
  /** Facts that do not change while the session lives (links), by name. */
  memo: Map<string, unknown>;
  close(): Promise<void>;
}
interface SendOptions {
  /**
   * T2: the login in which the machine was identified. A session is good at one BMC only, so within it the write reaches
   * the machine whose serial was read, whatever is done to cables and addresses; in any other login nothing is sent.
   */
  login?: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface OwnerOptions {
  http: Http;
  vault: Vault;
  clock: Clock;
  timers: Timers;
  log: Log;
  metrics: Metrics;
  sessions: Journal["sessions"];
  timeoutMs: number;
  gapMs: number;
  sessionIdleMs: number;
  /** Divides waits that a BMC asks for. */
  speed: number;
}

/** After a refused login nothing is tried for this long: some BMCs block the source address after three (hardware notes 4). */
const BREAKER_MS = 300_000;
/** Tries while the BMC says that it is busy (S7), and the longest wait that it may ask for, ms. */
const BUSY_TRIES = 6;
const BUSY_WAIT_MS = 10_000;

const Link = z.object({ "@odata.id": z.string() });
const Root = z.object({
  Systems: Link.optional().catch(undefined),
  Chassis: Link.optional().catch(undefined),
  SessionService: Link.optional().catch(undefined),
  Links: z
    .object({ Sessions: Link.optional().catch(undefined) })
    .optional()
    .catch(undefined),
});
export type Root = z.infer<typeof Root>;

/** The login that the write was bound to has ended, and the write was not sent: the machine is to be identified anew. */
export class LoginEnded extends TurnupError {}

const authFailed = (detail: string): TurnupError => new TurnupError({ code: "bmc_auth_failed", detail });

export function bmcOwner(address: BmcAddress, o: OwnerOptions): BmcOwner {
  const host = address.address.includes(":") ? `[${address.address}]` : address.address;
  const base = `${address.scheme}://${host}:${address.port}`;
  const name = `${host}:${address.port}`;
  const memo = new Map<string, unknown>();
  let auth: { headers: Record<string, string>; location?: string } | undefined;
  let logins = 0;
  let rootSeen: Root | undefined;
  let blockedUntil = 0;
  let lastEnd = Number.NEGATIVE_INFINITY;
  let tail: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let cancelIdle: () => void = () => {};

  const fail = (code: ErrorCode, detail: string) => new TurnupError({ code, detail });

  /** One request at a time; the next one starts when this one has ended, however it did. */
  const serial = <T>(work: () => Promise<T>): Promise<T> => {
    cancelIdle();
    waiting += 1;
    const mine = tail.then(work).finally(() => {
      waiting -= 1;
      if (waiting === 0 && auth) cancelIdle = o.timers.after(o.sessionIdleMs, () => void close());
    });
    tail = mine.catch(() => undefined);
    return mine;
  };

  /** One HTTP call. A GET whose connection broke is repeated once (S6); a write never (S8). */
  const call = async (fence: Fence | undefined, request: HttpRequest): Promise<HttpResponse> => {
    for (let tries = 1; ; tries++) {
      const gap = lastEnd + o.gapMs - o.clock.monotonic();
      // Below a timer's grain a pause costs more than it gives (simulated hardware only).
      if (gap >= 5) await sleep(o.timers, gap);
      await fence?.admit(request.timeoutMs);
      try {
        const response = await o.http(request);
        o.metrics.bmcRequests.inc({ outcome: `${Math.floor(response.status / 100)}xx` });
        return response;
      } catch (error) {
        o.metrics.bmcRequests.inc({ outcome: "failed" });
        const kind = error instanceof HttpFailure ? error.kind : "reset";
        if (kind === "reset" && request.method === "GET" && tries === 1) continue;
        const words = {
          refused: "refuses connections",
          reset: "broke the connection",
          timeout: "did not answer in time",
        };
        throw fail("bmc_unreachable", `The BMC ${name} ${words[kind]}.`);
      } finally {
        lastEnd = o.clock.monotonic();
      }
    }
  };

  const request = (method: HttpRequest["method"], path: string, more?: SendOptions): HttpRequest => ({
    method,
    url: `${base}${localPath(path)}`,
    headers: {
      accept: "application/json",
      // B3: a compressed answer turns strong ETags into weak ones.
      "accept-encoding": "identity",
      "odata-version": "4.0",
      ...(more?.body !== undefined && { "content-type": "application/json" }),
      ...more?.headers,
    },
    ...(more?.body !== undefined && { body: JSON.stringify(more.body) }),
    timeoutMs: o.timeoutMs,
  });

  /** A link may name this host in full; another host is never followed, nor told our credentials. */
  const localPath = (link: string): string => {
    if (link.startsWith("/") && !link.startsWith("//")) return link;
    if (URL.canParse(link)) {
      const url = new URL(link);
      if (url.host === new URL(base).host) return url.pathname + url.search;
    }
    throw fail("bmc_error", `The BMC ${name} links to another place.`);
  };

  /** Repeats while the BMC says that it is busy: it has not done what was asked. */
  const patient = async (fence: Fence | undefined, built: HttpRequest): Promise<HttpResponse> => {
    for (let tries = 1; ; tries++) {
      let response = await call(fence, built);
      if ([301, 307, 308].includes(response.status) && response.headers.location) {
        response = await call(fence, { ...built, url: `${base}${localPath(response.headers.location)}` });
      }
      // 503 is "not now" for every method; other 5xx may have done a write (S7, S8).
      const busy = response.status === 503 || (response.status >= 500 && built.method === "GET");
      if (!busy) return response;
      if (tries === BUSY_TRIES)
        throw fail("bmc_unavailable", `The BMC ${name} answered ${response.status} ${tries} times.`);
      const asked = Number(response.headers["retry-after"]) * 1000;
      const waitMs = Math.min(Number.isFinite(asked) && asked > 0 ? asked : 1000 * 2 ** (tries - 1), BUSY_WAIT_MS);
      await sleep(o.timers, Math.max(waitMs / o.speed, 50));
    }
  };

  const readRoot = async (fence: Fence): Promise<Root> => {
    if (rootSeen) return rootSeen;
    const response = await patient(fence, request("GET", "/redfish/v1/"));
    const parsed = Root.safeParse(parseJson(response.body));
    if (response.status !== 200 || !parsed.success)
      throw fail("bmc_error", `The BMC ${name} has no Redfish service root (HTTP ${response.status}).`);
    rootSeen = parsed.data;
    return rootSeen;
  };

  const credentials = (): Credentials => {
    const secret = o.vault.get(address.secret);
    if (!secret.ok) throw new TurnupError(secret.problem);
    return secret.value;
  };

  const login = async (fence: Fence): Promise<void> => {
    logins += 1;
    const { username, password } = credentials();
    const root = await readRoot(fence);
    const link =
      root.Links?.Sessions?.["@odata.id"] ??
      (root.SessionService && `${root.SessionService["@odata.id"].replace(/\/$/, "")}/Sessions`);
    const basic = { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` };
    if (link === undefined) {
      auth = { headers: basic };
      return;
    }
    const response = await patient(fence, request("POST", link, { body: { UserName: username, Password: password } }));
    if (response.status === 401 || response.status === 403 || response.status === 400) {
      blockedUntil = o.clock.monotonic() + BREAKER_MS;
      o.log.warn({ bmc: name }, "the BMC refuses the login; nothing is tried for five minutes");
      throw authFailed(`The BMC ${name} refuses the login (HTTP ${response.status}).`);
    }
    if (response.status === 404 || response.status === 405) {
      auth = { headers: basic };
      return;
    }
    const token = response.headers["x-auth-token"];
    if (response.status >= 300 || token === undefined)
      throw fail("bmc_error", `The BMC ${name} opened no session (HTTP ${response.status}).`);
    const body = Link.safeParse(parseJson(response.body));
    const location = response.headers.location ?? (body.success ? body.data["@odata.id"] : undefined);
    auth = { headers: { "x-auth-token": token }, ...(location !== undefined && { location }) };
    const stale = o.sessions.get(name);
    if (location !== undefined) o.sessions.set(name, location);
    // A killed agent left its session open; the pool of a BMC is small (S1).
    if (stale !== undefined && stale !== location)
      await call(fence, request("DELETE", stale, { headers: auth.headers })).catch(() => undefined);
  };

  const refuseWhileBlocked = () => {
    if (o.clock.monotonic() < blockedUntil)
      throw authFailed(`The BMC ${name} refused the login a moment ago; the breaker is open.`);
  };

  const authorised = async (
    fence: Fence,
    method: HttpRequest["method"],
    path: string,
    more?: SendOptions,
  ): Promise<BmcResponse> => {
    for (let tries = 1; ; tries++) {
      refuseWhileBlocked();
      if (!auth) await login(fence);
      if (more?.login !== undefined && more.login !== logins)
        throw new LoginEnded({
          code: "bmc_unavailable",
          detail: `The BMC ${name} ended the session in which its machine was identified.`,
        });
      const response = await patient(
        fence,
        request(method, path, { ...more, headers: { ...more?.headers, ...auth?.headers } }),
      );
      if (response.status !== 401) return shaped(response, logins);
      // S4: sessions die early. One fresh login, then the breaker; a 401 means that nothing was done, so a write may follow.
      const hadSession = auth?.headers["x-auth-token"] !== undefined;
      auth = undefined;
      if (tries === 2 || !hadSession) {
        blockedUntil = o.clock.monotonic() + BREAKER_MS;
        throw authFailed(`The BMC ${name} refuses the credentials.`);
      }
    }
  };

  const close = (): Promise<void> => {
    cancelIdle();
    const done = tail.then(async () => {
      cancelIdle();
      const open = auth;
      auth = undefined;
      rootSeen = undefined;
      memo.clear();
      if (open?.location === undefined) return;
      await call(undefined, request("DELETE", open.location, { headers: open.headers })).catch(() => undefined);
      o.sessions.delete(name);
    });
    tail = done.catch(() => undefined);
    return done;
  };

  return {
    send: (fence, method, path, more) => serial(() => authorised(fence, method, path, more)),
    root: (fence) =>
      serial(() => {
        // Without a secret there is no point in starting.
        refuseWhileBlocked();
        credentials();
        return readRoot(fence);
      }),
    memo,
    close,
  };
}

const shaped = (response: HttpResponse, login: number): BmcResponse => {
  const json = parseJson(response.body);
  const inBody = z.object({ "@odata.etag": z.string() }).safeParse(json);
  const etag = response.headers.etag || (inBody.success ? inBody.data["@odata.etag"] : undefined) || undefined;
  return { status: response.status, login, etag, location: response.headers.location, json };
};
