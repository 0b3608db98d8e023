/**
 * The agent's side of the wire: enrols, then keeps exchanging. Invariants:
 *  1. One exchange at a time; a wake during an exchange causes another one after it.
 *  2. A report leaves the journal only when its lease id was acknowledged (L6).
 *  3. A lease's time counts from the moment before its request was sent (L3).
 *  4. After a failure nothing is sent before the backoff has passed, but when the doorbell connects or at a drain.
 *  5. A reply of an older generation of the site, or of a ledger that was set back, is not used (L2, E1).
 *  6. With the doorbell up and nothing to say there is one request per safety interval.
 */
import type { Clock, Random } from "../../../shared/deps.ts";
import type { Problem } from "../../../shared/errors.ts";
import { ApprovedPlan } from "../../../shared/model/approval.ts";
import {
  AGENT_PROTOCOL,
  type BootRef,
  EnrollReply,
  type EnrollRequest,
  type JournalAsk,
  type Lease,
  POLL_BUSY_MS,
  POLL_IDLE_MS,
  POLL_SAFETY_MS,
  type Progress,
  SYNC_REPORT_BYTES,
  SyncReply,
  type SyncRequest,
} from "../../../shared/protocol/agent.ts";
import { listChanges } from "../approvals/list-changes.ts";
import type { Timers } from "../deps.ts";
import type { Http } from "../http.ts";
import type { Journal } from "../journal/journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { backoff } from "./backoff.ts";
import { type Doorbell, doorbell, type OpenSocket } from "./doorbell.ts";
import { exchange } from "./exchange.ts";
import { succession } from "./succession.ts";
import { type AgentKey, tokens } from "./token.ts";
import { type WakeReason, wakes } from "./wakes.ts";

/** What the link asks of those who do the work. `sentAt` is on the monotonic clock. */
export interface LinkWork {
  free(): number;
  /** Leases being worked on or waiting for their turn. */
  holding(): string[];
  progress(): Progress[];
  take(leases: readonly Lease[], sentAt: number): void;
  renewed(leases: readonly string[], sentAt: number): void;
  revoked(leases: readonly string[]): void;
  /** Time until a lease should be renewed, ms; undefined when none is held. */
  renewalInMs(): number | undefined;
  /** Of the boots that were told these have ended; the others are still wanted. */
  bootsTold(ended: readonly BootRef[]): void;
  /** Audit targets were added. */
  auditAsked(): void;
}

export interface LinkOptions {
  controlPlane: string;
  name: string;
  version: string;
  instance: string;
  http: Http;
  openSocket: OpenSocket;
  key: AgentKey;
  enrolToken(): string | undefined;
  clock: Clock;
  timers: Timers;
  random: Random;
  journal: Journal;
  log: Log;
  metrics: Metrics;
  /** Called once, when the control plane refuses for good: the agent stops working. */
  fatal(problem: Problem): void;
}

export interface Link {
  start(work: LinkWork): void;
  wake(reason: WakeReason): void;
  /** Sends what is left, for at most this long; true when everything was acknowledged. */
  drain(limitMs: number): Promise<boolean>;
  /** A plan with its approvals (G4); undefined when the control plane has none of this id for this site. */
  plan(id: string): Promise<ApprovedPlan | undefined | "unreachable">;
  stop(): void;
  status(): LinkStatus;
}
export interface LinkStatus {
  enrolled: boolean;
  doorbell: boolean;
  lastSyncAt: number | null;
  /** Why the last exchange failed; null after one that succeeded. */
  failing: string | null;
}

const REPORTS_PER_SYNC = 500;
const OBSERVATIONS_PER_SYNC = 200;
/** Even where little gets through, reports go one by one. */
const LEAST_REPORT_BYTES = 1024;
/** Progress is for people to look at: sent at most this often. */
const PROGRESS_MS = 1000;
/** The doorbell gets this long to connect, before the first exchange goes without it. */
const START_GRACE_MS = 1000;

export function makeLink(o: LinkOptions): Link {
  const bell = wakes(o.timers);
  const token = tokens(o.key, o.clock, o.random);
  const retry = backoff(o.random);
  const site = succession(o.journal, o.clock);
  const list = listChanges(o);
  /** What a restored site asked of the journal in its last reply. */
  let asked: JournalAsk | undefined;
  let work: LinkWork | undefined;
  /** Reports that the next sync may carry, bytes: less after one that was too large for somebody on the way. */
  let room = SYNC_REPORT_BYTES;
  let ring: Doorbell | undefined;
  let stopped = false;
  let notBefore = 0;
  let lastSyncAt: number | null = null;
  let failing: string | null = null;
  let onDrained: (() => void) | undefined;
  const startedAt = o.clock.monotonic();
  const base = o.controlPlane.replace(/\/+$/, "");

  const unsent = () => o.journal.attempts.unsent();
  const stop = () => {
    stopped = true;
    ring?.stop();
    bell.wake("stop");
  };

  const failed = (why: string, { status, date }: { status?: number; date?: number } = {}) => {
    o.metrics.syncs.inc({ outcome: "failed" });
    if (failing !== why) o.log.warn({ why }, "the control plane could not be used; will try again");
    failing = why;
    if (status === 413) room = Math.max(room / 2, LEAST_REPORT_BYTES);
    if (status === 401) {
      // Our clock may be wrong: the refusal tells the other one (S2).
      token.forget();
      if (date !== undefined) token.learn(date);
    }
    const delay = retry.next();
    notBefore = o.clock.monotonic() + delay;
    bell.cancel("poll");
    bell.wakeIn("retry", delay);
  };
  const fatal = (problem: Problem) => {
    o.log.error({ code: problem.code }, `the control plane refuses this agent: ${problem.detail}`);
    failing = `${problem.code}: ${problem.detail}`;
    stop();
    o.fatal(problem);
  };

  const enrol = async (): Promise<boolean> => {
    const { meta } = o.journal;
    if (meta.get("agent") !== undefined) return true;
    const oneTime = o.enrolToken();
    if (oneTime === undefined) {
      failed("this agent is not enrolled and there is no enrolment token");
      return false;
    }
    const request: EnrollRequest = {
      v: AGENT_PROTOCOL,
      token: oneTime,
      name: o.name,
      publicKey: o.key.publicKey,
      version: o.version,
    };
    const done = await exchange(o.http, `${base}/agent/v1/enroll`, request, EnrollReply);
    if (done.kind === "fatal") fatal(done.problem);
    else if (done.kind === "retry") failed(done.why);
    if (done.kind !== "ok") return false;
    token.learn(done.value.now);
    meta.set("agent", done.value.agent);
    meta.set("site", done.value.site);
    meta.set("siteName", done.value.siteName);
    retry.reset();
    failing = null;
    o.log.info({ agent: done.value.agent, site: done.value.siteName }, "enrolled");
    return true;
  };

  const request = (w: LinkWork): SyncRequest => {
    const { attempts, audits, boots } = o.journal;
    const reports = attempts.reports(REPORTS_PER_SYNC, room);
    const audit = audits.untold(OBSERVATIONS_PER_SYNC);
    const unknown = audits.unknown(100);
    const refs = boots.refs();
    return {
      v: AGENT_PROTOCOL,
      instance: o.instance,
      version: o.version,
      uptimeMs: Math.round(o.clock.monotonic() - startedAt),
      free: w.free(),
      holding: [...new Set([...w.holding(), ...unsent()])],
      reports,
      progress: w.progress().slice(0, 500),
      ...(audit && { audit }),
      ...(unknown.length > 0 && { unknown }),
      ...(refs.length > 0 && { boots: refs }),
      ...site.told(),
      approvers: list.told(),
      ...(asked && { journal: o.journal.past.page(asked) }),
    };
  };

  const apply = (w: LinkWork, sent: SyncRequest, sentAt: number, reply: SyncReply) => {
    token.learn(reply.now);
    o.journal.attempts.acknowledge(reply.acks);
    // Acknowledged all the same: they would be refused again (L4). That it happened is for a person to see.
    for (const { lease, code, detail } of reply.refused ?? []) {
      o.metrics.refused.inc({ code });
      o.log.warn({ lease, code }, `a report changed nothing: ${detail}`);
    }
    if (sent.audit)
      o.journal.audits.told(
        sent.audit.window,
        sent.audit.observations.map((s) => s.device),
      );
    if (sent.unknown) o.journal.audits.toldUnknown(sent.unknown.map((u) => u.mac));
    if (reply.ended) w.bootsTold(reply.ended);
    w.renewed(reply.renewed, sentAt);
    w.revoked(reply.revoked);
    w.take(reply.leases, sentAt);
    if (reply.audit) {
      o.journal.audits.ask(reply.audit.window, reply.audit.targets);
      w.auditAsked();
    }
    const judged = reply.approvers !== undefined && list.take(reply.approvers);
    asked = reply.journal;
    if (reply.more || asked || judged || unsent().length > 0) bell.wake("more");
    else if (o.journal.audits.untold(1)) bell.wake("audit");
    schedule(reply.nextPollMs);
  };

  const schedule = (nextPollMs: number) => {
    bell.cancel("poll");
    bell.cancel("renewal");
    // Spread over a tenth, so that agents started together do not stay together.
    const spread = 1 + (o.random.uint32() / 2 ** 32) * 0.1;
    const pollMs = ring?.up() ? POLL_SAFETY_MS * spread : Math.min(Math.max(nextPollMs, POLL_BUSY_MS), POLL_SAFETY_MS);
    bell.wakeIn("poll", Math.round(pollMs));
    const renewal = work?.renewalInMs();
    if (renewal !== undefined) bell.wakeIn("renewal", renewal);
  };

  const sync = async (w: LinkWork): Promise<void> => {
    const { meta } = o.journal;
    const bearer = token.bearer(meta.get("agent") ?? "", meta.get("site") ?? "");
    bell.clear();
    const body = request(w);
    const sentAt = o.clock.monotonic();
    const done = await exchange(o.http, `${base}/agent/v1/sync`, body, SyncReply, bearer);
    if (done.kind === "fatal") return fatal(done.problem);
    if (done.kind === "retry") return failed(done.why, done);
    const refused = site.refuses(done.value);
    if (refused !== undefined) return failed(`the reply is not used: ${refused}`);
    o.metrics.syncs.inc({ outcome: "ok" });
    if (failing !== null) o.log.info({}, "the control plane answers again");
    failing = null;
    retry.reset();
    room = Math.min(room * 2, SYNC_REPORT_BYTES);
    notBefore = 0;
    bell.cancel("retry");
    lastSyncAt = o.clock.now();
    apply(w, body, sentAt, done.value);
    if (unsent().length === 0) onDrained?.();
  };

  const startDoorbell = (): boolean => {
    if (ring) return false;
    ring = doorbell({
      url: `${base.replace(/^http/, "ws")}/agent/v1/doorbell`,
      bearer: () => token.bearer(o.journal.meta.get("agent") ?? "", o.journal.meta.get("site") ?? ""),
      openSocket: o.openSocket,
      clock: o.clock,
      timers: o.timers,
      backoff: backoff(o.random),
      rang: () => bell.wake("doorbell"),
      changed(up) {
        o.metrics.doorbell.set(up ? 1 : 0);
        o.log.info({ up }, up ? "the doorbell is connected" : "the doorbell was lost");
        // A ring during the gap is lost: always ask on connect.
        if (up) bell.wake("connected");
        else {
          bell.cancel("poll");
          bell.wakeIn("poll", (work?.holding().length ?? 0) > 0 ? POLL_BUSY_MS : POLL_IDLE_MS);
        }
      },
    });
    ring.start();
    return true;
  };

  const run = async (w: LinkWork): Promise<void> => {
    while (!stopped) {
      const reasons = await bell.next();
      if (stopped) return;
      const due = o.clock.monotonic() >= notBefore;
      if (!due && !reasons.some((r) => r === "connected" || r === "drain" || r === "retry")) continue;
      if (!(await enrol())) continue;
      if (startDoorbell()) {
        bell.wakeIn("start", START_GRACE_MS);
        continue;
      }
      bell.cancel("start");
      bell.cancel("progress");
      o.log.debug({ reasons }, "sync");
      await sync(w);
      o.metrics.unsent.set(unsent().length);
    }
  };

  return {
    start(w) {
      work = w;
      bell.wake("start");
      run(w).catch((error: unknown) => {
        o.log.error({ error: error instanceof Error ? error.stack : String(error) }, "a defect in the link");
        fatal({ code: "agent_defect", detail: "A defect in the agent's link; see the agent's log." });
      });
    },
    wake(reason) {
      if (reason === "progress") bell.wakeIn("progress", PROGRESS_MS);
      else bell.wake(reason);
    },
    drain(limitMs) {
      return new Promise((resolve) => {
        const end = (all: boolean) => {
          cancel();
          onDrained = undefined;
          stop();
          resolve(all);
        };
        const cancel = o.timers.after(limitMs, () => end(false));
        if (stopped || (unsent().length === 0 && failing !== null)) return end(unsent().length === 0);
        onDrained = () => end(true);
        bell.wake("drain");
      });
    },
    async plan(id) {
      const { meta } = o.journal;
      const bearer = token.bearer(meta.get("agent") ?? "", meta.get("site") ?? "");
      const url = `${base}/agent/v1/plans/${encodeURIComponent(id)}`;
      const done = await exchange(o.http, url, undefined, ApprovedPlan, bearer);
      if (done.kind === "ok") return done.value;
      if (done.kind === "fatal") fatal(done.problem);
      // Busy, or not trusting our clock, it may answer another time; any other refusal is one.
      const later = done.kind !== "retry" || done.status === undefined || done.status >= 500;
      return later || [401, 408, 429].includes(done.status ?? 0) ? "unreachable" : undefined;
    },
    stop,
    status: () => ({
      enrolled: o.journal.meta.get("agent") !== undefined,
      doorbell: ring?.up() ?? false,
      lastSyncAt,
      failing,
    }),
  };
}
