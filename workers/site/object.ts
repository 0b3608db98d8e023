/**
 * The site's object: a thin shell around the pure core. It gives the core its SQLite, the time and randomness, does what
 * the core's effects say, and owns what only the platform has: sockets, the alarm, and what goes out of the site.
 *
 * One alarm multiplexes all time (C1). Requests do SQL and send on open sockets; D1 and the budget object are called
 * from `alarm()` only, bounded, so an object with nothing to do sleeps and costs nothing.
 */
import { DurableObject } from "cloudflare:workers";
import type { Millis } from "../../shared/deps.ts";
import type { Outcome } from "../../shared/errors.ts";
import type { SyncReply, SyncRequest } from "../../shared/protocol/agent.ts";
import type { Env } from "../env.ts";
import { budgetOf } from "../fleet/itty.ts";
import { problemResponse } from "../problem.ts";
import { project } from "../readmodel/projection.ts";
import { workflows } from "../workflows/index.ts";
import { verifyAgentToken } from "./agent-token.ts";
import type { AgentPresence, CommandKind, Commands, Effect, Queries, QueryKind } from "./core/commands.ts";
import { SiteCore } from "./core/core.ts";
import { drainOutbox } from "./outbox-drain.ts";
import { platformRandom, sha256 } from "./platform.ts";
import type { SiteRpc } from "./rpc.ts";
import { close, Sockets } from "./sockets.ts";
import { StorageSql } from "./storage-sql.ts";

/** For what is still due when the alarm ends: it was tried just now, and a past time cannot be trusted to fire by itself. */
const REARM_MS = 1_000;
/** After an alarm that met a defect. */
const FAILED_MS = 5_000;
/** Events sent at the start of a watch; who needs older ones pages with `?after=`. */
const MAX_BACKLOG = 5_000;

export class SiteCoordinator extends DurableObject<Env> implements SiteRpc {
  readonly #sql: StorageSql;
  readonly #core: SiteCore;
  readonly #sockets: Sockets;
  /** In memory only: an idle site writes nothing to know who is there. */
  readonly #lastSync = new Map<string, Millis>();
  /** Whether a permit is held; forgotten with the memory, and then it just runs out. */
  #mayStart = false;
  #alarmAt: Millis | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = new StorageSql(ctx.storage);
    this.#core = new SiteCore(this.#sql, { sha256, workflows });
    this.#sockets = new Sockets(ctx);
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      // Should an alarm ever have been dropped by the platform, waking for any other reason sets it again.
      this.#arm();
    });
  }

  async ask<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Promise<Outcome<Queries[K]["out"]>> {
    return this.#query(kind, this.#withPresence(kind, input));
  }

  async tell<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Promise<Outcome<Commands[K]["out"]>> {
    return this.#apply(kind, input);
  }

  async sync(token: string, request: SyncRequest): Promise<Outcome<SyncReply>> {
    const agent = this.#authenticate(token);
    if (!agent.ok) return agent;
    this.#lastSync.set(agent.value, Date.now());
    return this.#apply("agent.sync", { agent: agent.value, request });
  }

  /** WebSocket upgrades; the Worker has checked that it is one, and who may watch. */
  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/doorbell") {
      const agent = this.#authenticate(request.headers.get("authorization")?.slice("Bearer ".length) ?? "");
      return agent.ok
        ? this.#sockets.doorbell(agent.value, Date.now())
        : problemResponse(agent.problem, { now: Date.now() });
    }
    const job = url.searchParams.get("job") ?? "";
    const after = Number(url.searchParams.get("after") ?? 0);
    const backlog = this.#query("events", { job, after, limit: MAX_BACKLOG });
    return backlog.ok ? this.#sockets.watch(job, backlog.value, Date.now()) : problemResponse(backlog.problem);
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    this.#alarmAt = null;
    try {
      // What it was set for may have been done meanwhile, and then a site at rest writes nothing.
      const due = this.#core.nextAlarm(Date.now());
      const more = due !== null && due <= Date.now() && (await this.#workOff());
      this.#arm(more ? 0 : REARM_MS);
    } catch (cause) {
      // The platform gives a throwing alarm six tries and then forgets it; so it never throws, and is set anew.
      console.error(JSON.stringify({ at: "site.alarm", retry: info?.retryCount ?? 0, error: String(cause) }));
      this.#setAlarm(Date.now() + FAILED_MS);
    }
  }

  /** All that is due: timers, the permit, the outbox. True when more of the outbox is waiting than one alarm takes. */
  async #workOff(): Promise<boolean> {
    this.#applyInAlarm("tick", {});
    await this.#renewPermit();
    const more = await drainOutbox({
      next: (limit) => this.#query("outbox.next", { limit }),
      deliver: (site, entries) => project(this.env.DB, site, entries),
      site: () => this.#query("site", {}),
      delivered: (entries, rows) => this.#applyInAlarm("outbox.delivered", { entries, rows }),
      failed: (entries, reason, outage) => this.#applyInAlarm("outbox.failed", { entries, reason, outage }),
    });
    await this.#giveBackPermit();
    return more;
  }

  override webSocketMessage(): void {
    // Heartbeats are answered by the platform; nothing else is said on these sockets by the other side.
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    // 1005 and 1006 mean "no code came" and may not be sent.
    close(socket, code === 1005 || code === 1006 ? 1000 : code, "");
  }

  override webSocketError(socket: WebSocket): void {
    close(socket, 1011, "error");
  }

  #authenticate(token: string): Outcome<string> {
    return verifyAgentToken(token, Date.now(), (agent) => this.#query("agent.key", { agent }));
  }

  #query<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Outcome<Queries[K]["out"]> {
    return this.#core.query(Date.now(), kind, input);
  }

  #apply<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Outcome<Commands[K]["out"]> {
    const { reply, effects } = this.#core.apply({ now: Date.now(), random: platformRandom }, kind, input);
    for (const effect of effects) this.#perform(effect);
    return reply;
  }

  /** As `#apply`, but leaves the alarm alone: what the alarm itself does next, or cannot do now, it arms for at its end. */
  #applyInAlarm<K extends CommandKind>(kind: K, input: Commands[K]["in"]): void {
    const { effects } = this.#core.apply({ now: Date.now(), random: platformRandom }, kind, input);
    for (const effect of effects) if (effect.kind !== "alarm") this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "ring":
        return this.#sockets.ring();
      case "events":
        return this.#sockets.broadcast(effect.events);
      case "hang-up":
        return this.#sockets.hangUp(effect.agent);
      case "alarm":
        return this.#setAlarm(Math.max(effect.at, Date.now()));
      default:
        effect satisfies never;
    }
  }

  /** Sets the alarm for what is due next; for what is due already, after `pauseMs`. */
  #arm(pauseMs = 0): void {
    const now = Date.now();
    const at = this.#core.nextAlarm(now);
    if (at !== null) this.#setAlarm(at > now ? at : now + pauseMs);
  }

  /** Only an earlier time is worth a row: an alarm that comes too soon finds nothing to do and is set again. */
  #setAlarm(at: Millis): void {
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    this.#sql.charge(1);
    void this.ctx.storage.setAlarm(at);
  }

  /** Asks the budget while work is open and the permit is missing or about to end (G5). */
  async #renewPermit(): Promise<void> {
    const due = this.#query("permit.due", { now: Date.now() });
    const site = this.#query("site", {});
    if (!due.ok || !due.value || !site.ok) return;
    const askedAt = Date.now();
    const permit = await budgetOf(this.env).permit(site.value.id, true);
    this.#mayStart = permit?.granted === true;
    this.#applyInAlarm("permit.set", { permit, askedAt });
  }

  /** Frees the place for other sites when nothing is left to do here. */
  async #giveBackPermit(): Promise<void> {
    const site = this.#query("site", {});
    const wanted = this.#query("permit.wanted", {});
    if (!this.#mayStart || !site.ok || !wanted.ok || wanted.value) return;
    this.#mayStart = false;
    // In this order: a place that another site may have by now is never used here.
    const permit = { granted: false, frozen: false, expiresAt: Date.now(), reason: "given back: no work was left" };
    this.#applyInAlarm("permit.set", { permit });
    await budgetOf(this.env).release(site.value.id);
  }

  #withPresence<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Queries[K]["in"] {
    if (kind === "agents") return { ...input, presence: this.#presence() };
    if (kind === "explain") return { ...input, agents: this.#presence() };
    return input;
  }

  #presence(): AgentPresence[] {
    const bells = this.#sockets.doorbells();
    const agents = new Set([...bells.keys(), ...this.#lastSync.keys()]);
    return [...agents].map((agent) => ({
      agent,
      lastSeenAt: Math.max(bells.get(agent) ?? 0, this.#lastSync.get(agent) ?? 0),
      doorbell: bells.has(agent),
    }));
  }
}
