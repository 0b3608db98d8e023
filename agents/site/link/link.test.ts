import { afterEach, expect, it } from "vitest";
import type { Problem } from "../../../shared/errors.ts";
import { approverListHash, signApprovers } from "../../../shared/model/approver-list.ts";
import { newTestKey } from "../../../shared/model/test-keys.ts";
import {
  type Lease,
  type Observation,
  RESULT_MAX_CHARS,
  type Report,
  SYNC_MAX_BYTES,
  SYNC_REPORT_BYTES,
  type SyncReply,
  SyncRequest,
} from "../../../shared/protocol/agent.ts";
import { seeded } from "../../../shared/seeded.ts";
import { openSql } from "../../sql/node-sqlite.ts";
import { sha256 } from "../approvals/ed25519.ts";
import type { HttpRequest, HttpResponse } from "../http.ts";
import { HttpFailure } from "../http.ts";
import { openJournal } from "../journal/journal.ts";
import { silentLog } from "../log.ts";
import { makeMetrics } from "../metrics.ts";
import { fakeTime } from "../testing/fake-time.ts";
import { lease, replyOf, reportOf, SITE } from "../testing/fixtures.ts";
import type { SocketEvents } from "./doorbell.ts";
import { type LinkWork, makeLink } from "./link.ts";

interface Sync {
  at: number;
  request: SyncRequest;
  bearer: string;
}

/** A link against a control plane in the same process, under a clock that stands still. */
function setUp(options: { socket?: "up" | "refused"; enrolled?: boolean } = {}) {
  const time = fakeTime();
  const journal = openJournal(openSql(":memory:"), async () => {});
  if (options.enrolled !== false) {
    journal.meta.set("agent", "agt_1");
    journal.meta.set("site", SITE);
  }
  const syncs: Sync[] = [];
  const calls: string[] = [];
  const sockets: { events: SocketEvents; sent: string[]; protocols: string[] }[] = [];
  const fatal: Problem[] = [];
  const warnings: Record<string, unknown>[] = [];
  const metrics = makeMetrics();
  const control = {
    reply: (_request: SyncRequest): Partial<SyncReply> => ({}),
    http: undefined as ((request: HttpRequest) => Promise<HttpResponse> | undefined) | undefined,
    clockAhead: 0,
    socket: options.socket ?? "up",
    answersHeartbeat: true,
  };
  const json = (status: number, body: unknown, headers = {}) => ({ status, headers, body: JSON.stringify(body) });
  const http = async (request: HttpRequest): Promise<HttpResponse> => {
    calls.push(new URL(request.url).pathname);
    const special = await control.http?.(request);
    if (special) return special;
    if (request.url.endsWith("/enroll"))
      return json(200, {
        v: 1,
        agent: "agt_1",
        site: SITE,
        siteName: "ams01",
        now: time.clock.now() + control.clockAhead,
      });
    const sync = SyncRequest.parse(JSON.parse(request.body ?? ""));
    syncs.push({ at: time.clock.monotonic(), request: sync, bearer: request.headers?.authorization ?? "" });
    const now = time.clock.now() + control.clockAhead;
    const acks = sync.reports.map((r) => r.lease);
    return json(200, replyOf({ now, acks, nextPollMs: 10_000, ...control.reply(sync) }));
  };
  const link = makeLink({
    controlPlane: "https://turnup.test/",
    name: "a",
    version: "0",
    instance: "i",
    http,
    openSocket(_url, protocols, events) {
      const socket = { events, sent: [] as string[], protocols };
      sockets.push(socket);
      const { socket: mode } = control;
      setImmediate(() => (mode === "up" ? events.open() : events.close()));
      return {
        send(text) {
          socket.sent.push(text);
          if (text === "hb" && control.answersHeartbeat) setImmediate(() => events.message("ok"));
        },
        close() {},
      };
    },
    key: { publicKey: { kty: "OKP", crv: "Ed25519", x: "x".repeat(43) }, sign: () => new Uint8Array(64) },
    enrolToken: () => "one-time",
    clock: time.clock,
    timers: time.timers,
    random: seeded(7),
    journal,
    log: { ...silentLog, warn: (fields, text) => void warnings.push({ ...fields, text }) },
    metrics,
    fatal: (problem) => fatal.push(problem),
  });
  const taken: { lease: Lease; sentAt: number }[] = [];
  const revoked: string[] = [];
  /** How many boots had ended, each time that something was said of them. */
  const told: number[] = [];
  let renewalIn: number | undefined;
  const work: LinkWork = {
    free: () => 4,
    holding: () => taken.map((t) => t.lease.id),
    progress: () => [],
    take: (leases, sentAt) => void taken.push(...leases.map((l) => ({ lease: l, sentAt }))),
    renewed() {},
    revoked: (ids) => void revoked.push(...ids),
    renewalInMs: () => renewalIn,
    bootsTold: (ended) => void told.push(ended.length),
    auditAsked() {},
  };
  stop = () => link.stop();
  return {
    time,
    journal,
    syncs,
    calls,
    sockets,
    fatal,
    warnings,
    metrics,
    control,
    told,
    link,
    taken,
    revoked,
    setRenewal(ms: number) {
      renewalIn = ms;
    },
    async start() {
      link.start(work);
      await time.advance(1);
    },
  };
}
let stop: () => void = () => {};
afterEach(() => stop());

function report(s: ReturnType<typeof setUp>, more: Partial<Report> = {}) {
  const l = lease("bmc.identify");
  s.journal.attempts.begin([l], 1);
  s.journal.attempts.finish(reportOf(l, more));
  s.link.wake("report");
  return l.id;
}

it("sends at most 12 requests in an idle hour with the doorbell up, and never two within five minutes", async () => {
  const s = setUp();
  await s.start();
  await s.time.advance(3_600_000);
  expect(s.calls.length).toBeLessThanOrEqual(12);
  expect(s.calls.length).toBeGreaterThanOrEqual(10);
  for (const [i, sync] of s.syncs.slice(1).entries())
    expect(sync.at - (s.syncs[i]?.at ?? 0)).toBeGreaterThanOrEqual(300_000);
  expect(s.sockets).toHaveLength(1);
  expect(s.sockets[0]?.protocols[0]).toBe("turnup.v1");
  expect(s.sockets[0]?.protocols[1]).toMatch(/^bearer\.ey/);
});

it("sends a report at once and takes the next lease with the same answer (one round trip)", async () => {
  const s = setUp();
  await s.start();
  const next = lease("bmc.inventory");
  s.control.reply = (r) => (r.reports.length > 0 ? { leases: [next] } : {});
  report(s);
  await s.time.settle();
  expect(s.syncs).toHaveLength(2);
  expect(s.taken).toMatchObject([{ lease: { id: next.id }, sentAt: s.syncs[1]?.at }]);
  expect(s.journal.attempts.unsent()).toEqual([]);
});

it("[L4] forgets a report that was refused, tells the log why, and counts it by code", async () => {
  const s = setUp();
  await s.start();
  s.control.reply = ({ reports }) => ({
    refused: reports.map(({ lease }) => ({ lease, code: "stale_epoch", detail: "Epoch 3 is lower than 4." })),
  });
  const id = report(s);
  await s.time.settle();
  expect(s.journal.attempts.unsent()).toEqual([]);
  expect(s.warnings).toEqual([
    { lease: id, code: "stale_epoch", text: "a report changed nothing: Epoch 3 is lower than 4." },
  ]);
  const counted = (await s.metrics.refused.get()).values.map(({ labels, value }) => ({ ...labels, value }));
  expect(counted).toEqual([{ code: "stale_epoch", value: 1 }]);
  await s.time.advance(600_000);
  expect(s.syncs.flatMap(({ request }) => request.reports)).toHaveLength(1);
});

it("syncs once for rings that come together", async () => {
  const s = setUp();
  await s.start();
  s.sockets[0]?.events.message("sync");
  s.sockets[0]?.events.message("sync");
  await s.time.settle();
  expect(s.syncs).toHaveLength(2);
});

it("does not lose a wake that comes during an exchange", async () => {
  const s = setUp();
  await s.start();
  let release: () => void = () => {};
  let held = true;
  s.control.http = () => {
    if (!held) return undefined;
    held = false;
    return new Promise<HttpResponse>((resolve) => {
      release = () =>
        resolve({
          status: 200,
          headers: {},
          body: JSON.stringify(replyOf()),
        });
    });
  };
  s.link.wake("audit");
  await s.time.settle();
  report(s);
  release();
  await s.time.settle();
  expect(s.syncs.at(-1)?.request.reports).toHaveLength(1);
});

it("[L6] keeps reports over lost replies and sends them again until acknowledged", async () => {
  const s = setUp();
  await s.start();
  s.control.http = async () => {
    throw new HttpFailure("reset", "ECONNRESET");
  };
  const id = report(s);
  await s.time.advance(30_000);
  expect(s.journal.attempts.unsent()).toEqual([id]);
  expect(s.link.status().failing).toContain("reset");
  s.control.http = undefined;
  await s.time.advance(60_000);
  expect(s.journal.attempts.unsent()).toEqual([]);
  expect(s.link.status().failing).toBeNull();
});

it("backs off 1, 2, 5, 10, 20, 30, 60 s with jitter, and reports do not hurry it", async () => {
  const s = setUp();
  await s.start();
  const tries: number[] = [];
  s.control.http = async () => {
    tries.push(s.time.clock.monotonic());
    return { status: 500, headers: {}, body: "" };
  };
  report(s);
  for (let i = 0; i < 260; i++) {
    await s.time.advance(1000);
    report(s);
  }
  const gaps = tries.slice(1).map((t, i) => (t - (tries[i] ?? 0)) / 1000);
  for (const [i, base] of [1, 2, 5, 10, 20, 30, 60].entries()) {
    expect(gaps[i]).toBeGreaterThanOrEqual(base);
    expect(gaps[i]).toBeLessThanOrEqual(base * 1.25 + 0.01);
  }
});

it("[S2] stops for good when it is revoked, and says so", async () => {
  const s = setUp();
  await s.start();
  s.control.http = async () => ({
    status: 401,
    headers: {},
    body: JSON.stringify({ code: "agent_revoked", detail: "revoked" }),
  });
  s.link.wake("doorbell");
  await s.time.settle();
  expect(s.fatal).toEqual([{ code: "agent_revoked", detail: "revoked" }]);
  const before = s.calls.length;
  await s.time.advance(3_600_000);
  expect(s.calls).toHaveLength(before);
});

it("[S2] learns the coordinator's clock from a refusal and from replies", async () => {
  const s = setUp();
  s.control.clockAhead = 3_600_000;
  const claims = (bearer: string) => JSON.parse(Buffer.from(bearer.split(".")[1] ?? "", "base64url").toString());
  let refused = false;
  s.control.http = async (request) => {
    const now = s.time.clock.now() + s.control.clockAhead;
    if (claims(request.headers?.authorization ?? "").exp * 1000 > now) return undefined as never;
    refused = true;
    return {
      status: 401,
      headers: { date: new Date(now).toUTCString() },
      body: JSON.stringify({ code: "unauthenticated" }),
    };
  };
  await s.start();
  await s.time.advance(3000);
  expect(refused).toBe(true);
  const { iat, exp, iss, sub, aud } = claims(s.syncs[0]?.bearer ?? "");
  expect({ iss, sub, aud }).toEqual({ iss: "agt_1", sub: SITE, aud: "turnup" });
  expect(exp - iat).toBeLessThanOrEqual(300);
  expect(s.fatal).toEqual([]);
});

it("keeps trying after 426 and says what it waits for (C5)", async () => {
  const s = setUp();
  s.control.http = async () => ({ status: 426, headers: {}, body: JSON.stringify({ code: "version_unsupported" }) });
  await s.start();
  await s.time.advance(10_000);
  expect(s.link.status().failing).toContain("version_unsupported");
  expect(s.fatal).toEqual([]);
});

it("enrols once with the one-time token, and stops when it is refused", async () => {
  const s = setUp({ enrolled: false });
  await s.start();
  expect(s.calls).toEqual(["/agent/v1/enroll", "/agent/v1/sync"]);
  expect(s.journal.meta.get("site")).toBe(SITE);
  stop();
  const refused = setUp({ enrolled: false });
  refused.control.http = async () => ({
    status: 401,
    headers: {},
    body: JSON.stringify({ code: "enrolment_refused" }),
  });
  await refused.start();
  expect(refused.fatal).toMatchObject([{ code: "enrolment_refused" }]);
});

it("polls without a doorbell: as told, 1 s at least", async () => {
  const s = setUp({ socket: "refused" });
  await s.start();
  await s.time.advance(60_000);
  expect(s.syncs.length).toBeGreaterThanOrEqual(5);
  expect(s.syncs.length).toBeLessThanOrEqual(7);
  s.control.reply = () => ({ nextPollMs: 0 });
  const before = s.syncs.length;
  await s.time.advance(20_000);
  expect(s.syncs.length - before).toBeLessThanOrEqual(20);
});

it("finds a dead socket within 40 s, connects anew and always asks then", async () => {
  const s = setUp();
  await s.start();
  s.control.answersHeartbeat = false;
  await s.time.advance(41_500);
  expect(s.sockets).toHaveLength(2);
  expect(s.link.status().doorbell).toBe(true);
  const asked = s.syncs.length;
  expect(asked).toBe(2);
  // What the old socket still says is of no interest.
  s.sockets[0]?.events.close();
  s.sockets[0]?.events.message("sync");
  await s.time.settle();
  expect(s.syncs).toHaveLength(asked);
  expect(s.link.status().doorbell).toBe(true);
});

it("asks for renewal in time", async () => {
  const s = setUp();
  s.setRenewal(30_500);
  await s.start();
  await s.time.advance(31_000);
  expect(s.syncs).toHaveLength(2);
});

it("drains: sends what is left and stops", async () => {
  const s = setUp();
  await s.start();
  const l = lease("bmc.identify");
  s.journal.attempts.begin([l], 1);
  s.journal.attempts.finish(reportOf(l, { outcome: "unknown" }));
  const drained = s.link.drain(5000);
  await s.time.advance(1);
  expect(await drained).toBe(true);
  expect(s.syncs.at(-1)?.request.reports).toHaveLength(1);
  const before = s.calls.length;
  await s.time.advance(600_000);
  expect(s.calls).toHaveLength(before);
});

it("gives a drain up in time when the control plane is gone", async () => {
  const s = setUp();
  await s.start();
  s.control.http = async () => {
    throw new HttpFailure("refused", "ECONNREFUSED");
  };
  report(s);
  const drained = s.link.drain(5000);
  await s.time.advance(5000);
  expect(await drained).toBe(false);
});

it("[L2] uses nothing of a reply of an older generation, and tries again", async () => {
  const s = setUp();
  await s.start();
  s.control.reply = () => ({ generation: 2 });
  s.link.wake("report");
  await s.time.settle();
  s.control.reply = () => ({ leases: [lease("bmc.power")] });
  const id = report(s);
  await s.time.settle();
  expect(s.taken).toEqual([]);
  expect(s.journal.attempts.unsent()).toEqual([id]);
  expect(s.link.status().failing).toContain("generation 1");
  s.control.reply = () => ({ generation: 2 });
  await s.time.advance(60_000);
  expect(s.journal.attempts.unsent()).toEqual([]);
  expect(s.link.status().failing).toBeNull();
  expect(s.syncs.at(-1)?.request.generation).toBe(2);
});

it("[A5] passes on what is said of its boots, and takes silence for no word", async () => {
  const s = setUp();
  await s.start();
  expect(s.told).toEqual([]);
  for (const ended of [[], [{ job: "j", device: "d" }]]) {
    s.control.reply = () => ({ ended });
    s.link.wake("report");
    await s.time.advance(2_000);
  }
  expect(s.told).toEqual([0, 1]);
});

it("answers a restored site that asks for its journal at once, and then waits as usual", async () => {
  const s = setUp();
  const id = report(s);
  s.control.reply = ({ journal }) => ({
    generation: 2,
    hold: true,
    ...(journal?.complete !== true && { journal: { generation: 2, from: 1 } }),
  });
  await s.start();
  expect(s.syncs).toHaveLength(2);
  expect(s.syncs[1]?.request.journal).toMatchObject({
    complete: true,
    attempts: [{ lease: id, outcome: "succeeded" }],
  });
  await s.time.advance(100_000);
  expect(s.syncs).toHaveLength(2);
});

/** Of two bytes each where JSON is sent: the size of a sync counts in bytes. */
const wide = (chars: number) => "é".repeat(chars);
const bytesOf = (request: HttpRequest) => Buffer.byteLength(request.body ?? "");

it("[S4] keeps every sync below its limit, however much there is to tell, and tells all of it", async () => {
  const s = setUp();
  const sizes: number[] = [];
  s.control.http = async (request) => {
    sizes.push(bytesOf(request));
    return undefined as never;
  };
  const result = { text: wide(RESULT_MAX_CHARS - 20) };
  const ids = Array.from({ length: 50 }, () => report(s, { result, evidence: { text: wide(3_000) } }));
  for (let n = 0; n < 1_000; n++)
    s.journal.boots.open({
      id: `bot_${n}`,
      nonce: `nonce ${n}`,
      job: "job_aaaaaaaaaa_0000000000000001",
      device: `dev_aaaaaaaaaa_${String(n).padStart(16, "0")}`,
      mac: "02:00:00:00:00:01",
      serial: "s",
      openedAt: 1,
      endsAt: 2,
    });
  const targets = Array.from({ length: 500 }, (_, n) => ({ ...lease("bmc.identify").target, device: `dev_${n}` }));
  s.journal.audits.ask("w", targets);
  const seen = (device: string): Observation => ({
    device,
    failure: { code: "bmc_unreachable", detail: wide(1_000) },
  });
  for (const { device } of targets) s.journal.audits.observed("w", seen(device));
  await s.start();
  await s.time.settle();
  expect(s.journal.attempts.unsent()).toEqual([]);
  expect(s.journal.audits.untold(1)).toBeUndefined();
  expect(Math.max(...sizes)).toBeLessThan(SYNC_MAX_BYTES);
  // And not one by one either.
  expect(Math.max(...sizes)).toBeGreaterThan(SYNC_REPORT_BYTES);
  expect(sizes.length).toBeLessThan(10);
  const told = s.syncs.flatMap(({ request }) => request.reports.map((r) => r.lease));
  expect(told.sort()).toEqual(ids.sort());
});

it("[S4] leaves room in a sync for all that stands beside its reports at the largest site", () => {
  const id = (kind: string, n: number) => `${kind}_aaaaaaaaaa_${String(n).padStart(16, "0")}`;
  const many = <T>(count: number, one: (n: number) => T) => Array.from({ length: count }, (_, n) => one(n));
  const beside: SyncRequest = {
    v: 1,
    instance: "i".repeat(64),
    version: "v".repeat(64),
    free: 10_000,
    holding: many(10_000, (n) => id("lse", n)),
    reports: [],
    progress: many(500, (n) => ({
      lease: id("lse", n),
      epoch: Number.MAX_SAFE_INTEGER,
      job: id("job", n),
      step: 60_000,
      percent: 100,
      text: wide(200),
    })),
    audit: {
      window: "w",
      observations: many(200, (n) => ({ device: id("dev", n), failure: { code: "c", detail: wide(1_000) } })),
    },
    unknown: many(100, () => ({ mac: "02:00:00:00:00:01", seen: wide(200), at: Number.MAX_SAFE_INTEGER })),
    boots: many(10_000, (n) => ({ job: id("job", n), device: id("dev", n) })),
    journal: {
      generation: 1,
      from: 1,
      epoch: Number.MAX_SAFE_INTEGER,
      complete: false,
      attempts: many(500, (n) => ({
        epoch: Number.MAX_SAFE_INTEGER,
        lease: id("lse", n),
        job: id("job", n),
        step: 60_000,
        device: id("dev", n),
        outcome: "in flight",
      })),
    },
  };
  expect(SyncRequest.safeParse(beside).success).toBe(true);
  expect(Buffer.byteLength(JSON.stringify(beside)) + SYNC_REPORT_BYTES).toBeLessThan(SYNC_MAX_BYTES);
});

it("sends less at once after a sync that was too large for somebody on the way, and more again later", async () => {
  const s = setUp();
  await s.start();
  const most = 100_000;
  s.control.http = async (request) =>
    bytesOf(request) > most ? { status: 413, headers: {}, body: "<html>" } : (undefined as never);
  const ids = Array.from({ length: 100 }, () => report(s, { result: { text: "x".repeat(20_000) } }));
  await s.time.settle();
  expect(s.link.status().failing).toBe("HTTP 413");
  await s.time.advance(600_000);
  expect(s.journal.attempts.unsent()).toEqual([]);
  const told = s.syncs.flatMap(({ request }) => request.reports.map((r) => r.lease));
  expect(told.sort()).toEqual(ids.sort());
  expect(s.link.status().failing).toBeNull();
  expect(s.fatal).toEqual([]);
});

it("[G4] tells which list of approvers it has, takes a signed change of it, and judges none twice", async () => {
  const s = setUp();
  const [ann, bob] = [newTestKey(), newTestKey()];
  const list = { revision: 1, approvers: [ann, bob].map(({ x }, n) => ({ key: x, person: `person-${n}` })) };
  s.journal.approvers.set(list, "on site", 0);
  const base = approverListHash(list, sha256);
  const expiresAt = s.time.clock.now() + 600_000;
  const said = { v: 1, kind: "turnup/approvers", site: SITE, base, expiresAt } as const;
  const one = signApprovers({ statement: { ...said, add: [], remove: [bob.x] }, signatures: [] }, ann);
  s.control.reply = () => ({ approvers: one });
  await s.start();
  await s.time.advance(60_000);
  // Refused, said at once in one more sync, and then left alone: it does not go in circles.
  expect(s.syncs.map(({ request }) => request.approvers?.refused?.code)).toEqual([undefined, "approval_missing"]);
  s.control.reply = ({ approvers }) => (approvers?.hash === base ? { approvers: signApprovers(one, bob) } : {});
  s.link.wake("report");
  await s.time.advance(1_000);
  const after = approverListHash({ revision: 2, approvers: list.approvers.slice(0, 1) }, sha256);
  expect(s.syncs.at(-1)?.request.approvers).toEqual({ hash: after });
});
