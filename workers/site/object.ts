/**
 * The site's object: the platform's side of the shell (shell.ts). It gives the core its SQLite, the time and
 * randomness, and owns what only the platform has: sockets, the alarm, and what goes out of the site.
 */
import { DurableObject } from "cloudflare:workers";
import type { Millis } from "../../shared/deps.ts";
import type { Outcome } from "../../shared/errors.ts";
import type { ApprovedPlan } from "../../shared/model/approval.ts";
import type { SyncReply, SyncRequest } from "../../shared/protocol/agent.ts";
import type { Env } from "../env.ts";
import { budgetOf } from "../fleet/itty.ts";
import { problemResponse } from "../problem.ts";
import { forget, project } from "../readmodel/projection.ts";
import { workflows } from "../workflows/index.ts";
import { verifyAgentToken } from "./agent-token.ts";
import type { AgentPresence, CommandKind, Commands, Queries, QueryKind } from "./core/commands.ts";
import { SiteCore } from "./core/core.ts";
import { platformRandom, sha256, verifyEd25519 } from "./platform.ts";
import type { SiteRpc } from "./rpc.ts";
import { SiteShell } from "./shell.ts";
import { close, Sockets } from "./sockets.ts";
import { StorageSql } from "./storage-sql.ts";

/** Events sent at the start of a watch; who needs older ones pages with `?after=`. */
const MAX_BACKLOG = 5_000;

export class SiteCoordinator extends DurableObject<Env> implements SiteRpc {
  readonly #shell: SiteShell;
  readonly #sockets: Sockets;
  /** In memory only: an idle site writes nothing to know who is there. */
  readonly #lastSync = new Map<string, Millis>();
  #alarmRetry = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const sql = new StorageSql(ctx.storage);
    const sockets = new Sockets(ctx);
    this.#sockets = sockets;
    this.#shell = new SiteShell(new SiteCore(sql, { sha256, verify: verifyEd25519, workflows }), {
      now: () => Date.now(),
      random: platformRandom,
      setAlarm(at) {
        sql.charge(1);
        void ctx.storage.setAlarm(at);
      },
      ring: () => sockets.ring(),
      broadcast: (events) => sockets.broadcast(events),
      hangUp: (agent) => sockets.hangUp(agent),
      budget: () => budgetOf(this.env),
      deliver: (site, entries) => project(this.env.DB, site, entries),
      forget: (site) => forget(this.env.DB, site),
      defect: (cause) =>
        console.error(JSON.stringify({ at: "site.alarm", retry: this.#alarmRetry, error: String(cause) })),
    });
    void ctx.blockConcurrencyWhile(async () => this.#shell.woken(await ctx.storage.getAlarm()));
  }

  async ask<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Promise<Outcome<Queries[K]["out"]>> {
    return this.#shell.query(kind, this.#withPresence(kind, input));
  }

  async tell<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Promise<Outcome<Commands[K]["out"]>> {
    return this.#shell.apply(kind, input);
  }

  async sync(token: string, request: SyncRequest): Promise<Outcome<SyncReply>> {
    const agent = this.#authenticate(token);
    if (!agent.ok) return agent;
    this.#lastSync.set(agent.value, Date.now());
    return this.#shell.apply("agent.sync", { agent: agent.value, request });
  }

  async approvedPlan(token: string, plan: string): Promise<Outcome<ApprovedPlan>> {
    const agent = this.#authenticate(token);
    return agent.ok ? this.#shell.query("plan.approved", { plan }) : agent;
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
    const backlog = this.#shell.query("events", { job, after, limit: MAX_BACKLOG });
    return backlog.ok
      ? this.#sockets.watch(job, backlog.value, Date.now())
      : problemResponse(backlog.problem, { now: Date.now() });
  }

  override alarm(info?: AlarmInvocationInfo): Promise<void> {
    this.#alarmRetry = info?.retryCount ?? 0;
    return this.#shell.alarm();
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
    return verifyAgentToken(token, Date.now(), (agent) => this.#shell.query("agent.key", { agent }));
  }

  #withPresence<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Queries[K]["in"] {
    if (kind === "agents") return { ...input, presence: this.#presence() };
    if (kind === "explain" || kind === "job" || kind === "steps") return { ...input, agents: this.#presence() };
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
