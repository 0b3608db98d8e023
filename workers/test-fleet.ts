/** A control plane for tests inside workerd: the real app, objects and D1, spoken to through the public door. */

import { applyD1Migrations, createExecutionContext, runInDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env as bindings } from "cloudflare:workers";
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { expect } from "vitest";
import type { JobView } from "../shared/model/job.ts";
import type { SiteView } from "../shared/model/views.ts";
import {
  AGENT_PROTOCOL,
  type EnrollReply,
  type Lease,
  type SyncReply,
  type SyncRequest,
} from "../shared/protocol/agent.ts";
import { createApp } from "./api/app.ts";
import type { Env } from "./env.ts";
import { budgetOf } from "./fleet/itty.ts";
import { resultOf } from "./site/core/test-results.ts";
import { platformRandom } from "./site/platform.ts";
import { siteObject } from "./site/rpc.ts";

export const ADMIN = "tok_admin_for_tests_0123456789abcdef";
const given: unknown = bindings;
export const env: Env = { ...(given as Env), TURNUP_ADMIN_TOKEN: ADMIN, TURNUP_LOCAL: "1" };
export const { TEST_MIGRATIONS: migrations, TEST_PAST_FLEETS: pastFleets } = given as {
  TEST_MIGRATIONS: Parameters<typeof applyD1Migrations>[1];
  TEST_PAST_FLEETS: Record<string, string>;
};

export const clock = { skew: 0, now: () => Date.now() + clock.skew };
const app = createApp({ clock, random: platformRandom, budget: budgetOf });

export const prepare = () => applyD1Migrations(env.DB, migrations);

export interface Call {
  token?: string | null;
  /** Text, bytes and streams are sent as they are, anything else as JSON. */
  body?: unknown;
  key?: string;
  headers?: Record<string, string>;
}
export interface Answer<T = Record<string, unknown>> {
  status: number;
  body: T;
  headers: Headers;
  response: Response;
}

/** A request to the Worker, by the admin unless said otherwise. */
export async function call<T = Record<string, unknown>>(
  method: string,
  path: string,
  options: Call = {},
): Promise<Answer<T>> {
  const headers = new Headers(options.headers);
  if (options.token !== null) headers.set("authorization", `Bearer ${options.token ?? ADMIN}`);
  if (options.key !== undefined) headers.set("idempotency-key", options.key);
  const { body: given } = options;
  const asIs = typeof given === "string" || given instanceof Uint8Array || given instanceof ReadableStream;
  const raw = given === undefined || asIs ? given : JSON.stringify(given);
  if (raw !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
  const ctx = createExecutionContext();
  const response = await app.fetch(
    new Request(`https://turnup.test${path}`, { method, headers, body: raw ?? null }),
    env,
    ctx,
  );
  await waitOnExecutionContext(ctx);
  const isJson =
    method !== "HEAD" &&
    response.headers.get("content-type")?.includes("json") === true &&
    !response.headers.get("content-type")?.includes("ndjson");
  const body: unknown = isJson ? await response.json() : undefined;
  return { status: response.status, body: body as T, headers: response.headers, response };
}

/** As `call`, and it must have succeeded. */
export async function did<T>(method: string, path: string, options: Call = {}): Promise<T> {
  const answer = await call<T>(method, path, options);
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  return answer.body;
}

/** A site of servers of one type, with a drive each; few, or as many as ten thousand. */
export function siteDocument(name: string, servers = 1) {
  const two = (n: number): string => n.toString(16).padStart(2, "0");
  const mac = (kind: number, n: number) => `02:00:00:${two(kind)}:${two(n >> 8)}:${two(n & 255)}`;
  return {
    schema: "turnup/site/v1",
    site: { name, locationHint: "weur", jurisdiction: "none" },
    images: [{ name: "demo.img", sha256: "ab".repeat(32), sizeBytes: 1024 }],
    hardwareClasses: [
      {
        name: "compute",
        deviceType: "Acme/Server 1",
        cpus: { count: 1, model: "Acme CPU", coresEach: 8 },
        memory: { modules: 2, sizeMiBEach: 1024 },
        drives: [{ bay: "Bay 0", sizeBytes: 1_000_000, protocol: "SATA", mediaType: "SSD" }],
        nics: [{ bay: "OCP", ports: [{ name: "OCP 1", type: "25gbase-x-sfp28" }] }],
        bootPort: "OCP 1",
        systemDrive: "Bay 0",
        image: "demo.img",
      },
    ],
    prefixes: [{ prefix: "10.0.0.0/16", gateway: "10.0.255.254" }],
    racks: Array.from({ length: Math.ceil(servers / 40) }, (_, n) => ({ name: `r${n + 1}`, heightU: 42 })),
    devices: Array.from({ length: servers }, (_, n) => ({
      name: `node-${n + 1}`,
      role: "compute",
      rack: `r${Math.floor(n / 40) + 1}`,
      u: (n % 40) + 1,
      hardwareClass: "compute",
      asset: { serial: `SN-${name}-${n + 1}` },
      media: { "Bay 0": `D-${name}-${n + 1}` },
      interfaces: [{ name: "OCP 1", mac: mac(0, n) }],
      bmc: {
        address: `10.0.${(n + 10) >> 8}.${(n + 10) & 255}`,
        scheme: "http",
        secret: `vault:${name}/bmc/${n}`,
        mac: mac(1, n),
      },
    })),
  };
}

export const serverType = {
  manufacturer: "Acme",
  model: "Server 1",
  slug: "acme-server-1",
  u_height: 1,
  is_full_depth: true,
  interfaces: [{ name: "BMC", type: "1000base-t", mgmt_only: true }],
  "module-bays": [{ name: "OCP" }, { name: "Bay 0" }],
};

/** A site made and filled; each test names its own. */
export async function makeSite(name: string, servers = 1): Promise<SiteView> {
  await did("POST", "/v1/device-types", { body: { types: [serverType] } });
  const site = await did<SiteView>("POST", "/v1/sites", { body: { name, locationHint: "weur", jurisdiction: "none" } });
  await did("PUT", `/v1/sites/${name}/document`, { body: siteDocument(name, servers) });
  return site;
}

export const objectOf = (site: Pick<SiteView, "id">) =>
  siteObject(env, { id: site.id, generation: 1, jurisdiction: "none", locationHint: "weur" });
export const stubOf = (site: Pick<SiteView, "id">) => env.SITE.get(env.SITE.idFromName(site.id));

export const installJob = (site: SiteView, key = "k1") =>
  did<JobView>("POST", "/v1/jobs", { key, body: { site: site.name, workflow: "server.install", targets: ["node-1"] } });

/** An agent of a site, with a key of its own. */
export class TestAgent {
  readonly #key: KeyObject;
  readonly id: string;
  readonly site: string;

  constructor(key: KeyObject, reply: EnrollReply) {
    this.#key = key;
    this.id = reply.agent;
    this.site = reply.site;
  }

  static async enrol(site: SiteView, name = "agent-a"): Promise<TestAgent> {
    const { token } = await did<{ token: string }>("POST", `/v1/sites/${site.name}/enrolment-tokens`, { body: {} });
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const jwk = publicKey.export({ format: "jwk" });
    const body = {
      v: AGENT_PROTOCOL,
      token,
      name,
      version: "test",
      publicKey: { kty: "OKP", crv: "Ed25519", x: jwk.x },
    };
    return new TestAgent(privateKey, await did<EnrollReply>("POST", "/agent/v1/enroll", { token: null, body }));
  }

  token(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): string {
    const now = Math.floor(Date.now() / 1000);
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const text = [
      part({ alg: "EdDSA", typ: "JWT", kid: this.id, ...header }),
      part({
        iss: this.id,
        sub: this.site,
        aud: "turnup",
        iat: now,
        exp: now + 300,
        jti: crypto.randomUUID(),
        ...claims,
      }),
    ].join(".");
    return `${text}.${sign(null, Buffer.from(text), this.#key).toString("base64url")}`;
  }

  call(request: Partial<SyncRequest> = {}, token = this.token()) {
    const body = {
      v: AGENT_PROTOCOL,
      instance: "i1",
      version: "test",
      free: 10,
      holding: [],
      reports: [],
      progress: [],
      ...request,
    };
    return call<SyncReply>("POST", "/agent/v1/sync", { token, body });
  }

  async sync(request: Partial<SyncRequest> = {}): Promise<SyncReply> {
    const answer = await this.call(request);
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    return answer.body;
  }

  /** Does whatever comes, one exchange after the other, until the job has ended; each step is under way for a while first. */
  async work(job: string, pause: () => Promise<void> = async () => undefined): Promise<JobView> {
    let reports: ReturnType<TestAgent["report"]>[] = [];
    for (let round = 0; round < 1_000; round++) {
      const reply = await this.sync({ reports });
      reports = reply.leases.map((lease) => this.report(lease, resultOf(lease)));
      if (reports.length > 0) {
        const progress = reports.map(({ lease, epoch, step }) => ({ lease, epoch, job, step, percent: 50 }));
        await this.sync({ holding: reports.map(({ lease }) => lease), progress });
      } else {
        const view = await did<JobView>("GET", `/v1/jobs/${job}`);
        if (view.endedAt !== null) return view;
      }
      await pause();
    }
    throw new Error("the job does not end");
  }

  report(lease: Lease, result: unknown) {
    const now = Date.now();
    return {
      lease: lease.id,
      epoch: lease.epoch,
      job: lease.job,
      step: lease.step,
      outcome: "succeeded" as const,
      result,
      startedAt: now,
      finishedAt: now,
    };
  }
}

/** All rows of some of a site's tables, a text for each table: to see that something has changed none of them. */
export const rowsOf = (site: Pick<SiteView, "id">, tables: readonly string[]): Promise<string[]> =>
  runInDurableObject(stubOf(site), (_, { storage }) =>
    tables.map((table) => `${table} ${JSON.stringify(storage.sql.exec(`SELECT * FROM "${table}"`).toArray())}`),
  );

/** Asks again until it holds: for what an alarm does by itself, in its own time. */
export async function eventually<T>(ask: () => Promise<T>, holds: (value: T) => boolean, what: string): Promise<T> {
  for (let n = 0; n < 200; n++) {
    const value = await ask();
    if (holds(value)) return value;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`never: ${what}`);
}

/** Waits until a site has nothing left to do by itself: no alarm, or one for what is not due yet. */
export const settled = (site: Pick<SiteView, "id">) =>
  eventually(
    () => runInDurableObject(stubOf(site), (_, state) => state.storage.getAlarm()),
    (at) => at === null || at > Date.now() + 5_000,
    "the site at rest",
  );
