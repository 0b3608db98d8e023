/**
 * The platform under the site's object: its storage, its one alarm, its sockets, and what may happen to it: it is evicted,
 * it crashes right after a commit or in the middle of its alarm, its alarm comes late, twice, or never. Core, shell,
 * outbox and the check of tokens are the real ones.
 */
import type { HttpRequest, HttpResponse } from "../../agents/site/http.ts";
import { errorCatalog, type Outcome } from "../../shared/errors.ts";
import { EnrollRequest, SyncRequest } from "../../shared/protocol/agent.ts";
import { WINDOW_MS, windowKey } from "../../workers/audit-window.ts";
import { verifyAgentToken } from "../../workers/site/agent-token.ts";
import type { CommandKind, Commands, Queries, QueryKind } from "../../workers/site/core/commands.ts";
import { SiteCore } from "../../workers/site/core/core.ts";
import { NodeSql } from "../../workers/site/node-sql.ts";
import { sha256, verifyEd25519 } from "../../workers/site/platform.ts";
import { SiteShell } from "../../workers/site/shell.ts";
import type { SimBudget } from "./budget.ts";
import type { Life } from "./mortal-sql.ts";
import type { Network } from "./network.ts";
import type { SimReadModel } from "./read-model.ts";
import type { Sim } from "./sim.ts";
import type { Watch } from "./watch.ts";
import { WatchedCore } from "./watched-core.ts";
import { workflows } from "./workflows.ts";

/** An open socket to an agent. */
export interface Doorbell {
  agent: string;
  open: boolean;
  text(what: string): void;
  close(): void;
  /** The agent has ended it. */
  leave(): void;
}

/** What every object of the site is connected to. */
export interface SiteParts {
  network: Network;
  readModel: SimReadModel;
  budget: SimBudget;
}

export class SiteObject {
  readonly sql = new NodeSql();
  readonly #sim: Sim;
  readonly #parts: SiteParts;
  readonly #random;
  /** Looks at each of its transactions; only the newest object of a site has one. */
  #watch: Watch | undefined;
  #memory: Life = { alive: true };
  #core: SiteCore;
  #shell: SiteShell;
  #doorbells: Doorbell[] = [];
  #alarmAt: number | null = null;
  #cancelAlarm: () => void = () => undefined;
  #alarmRuns = false;
  /** The platform has forgotten an alarm that the object believes in; since then. */
  #droppedAt: number | undefined;
  /** Replies and rings get lost: it is about to crash. */
  #mute = false;
  /** Nothing of it is left. */
  #lost = false;

  constructor(sim: Sim, parts: SiteParts, generation: number, watch?: Watch) {
    this.#sim = sim;
    this.#parts = parts;
    this.#watch = watch;
    this.#random = sim.stream(generation === 1 ? "site" : `site ${generation}`);
    [this.#core, this.#shell] = this.#wake();
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** From now on somebody looks at it, or nobody any more. What it has in memory is gone with that. */
  watchedBy(watch: Watch | undefined): void {
    this.#watch = watch;
    this.#forget(watch ? "is the site's newest" : "has been replaced");
  }

  /** It is gone, with all that it held; its agents see their connection end. */
  lose(): void {
    this.#lost = true;
    for (const each of [...this.#doorbells]) each.close();
    this.#memory.alive = false;
    this.#cancelAlarm();
  }

  /** What C1 is judged by. */
  get alarm(): { at: number | null; runs: boolean; droppedAt: number | undefined } {
    return { at: this.#alarmAt, runs: this.#alarmRuns, droppedAt: this.#droppedAt };
  }
  /** When the core wants its next tick. */
  due(): number | null {
    return this.#core.nextAlarm(this.#sim.clock.now);
  }

  /** Runs a command; `lost`: it was done, but the object crashed before it could say so. */
  tell<K extends CommandKind>(
    kind: K,
    input: Commands[K]["in"],
  ): { reply: Outcome<Commands[K]["out"]>; lost: boolean } {
    const { faults, coverage } = this.#sim;
    const lost = faults.strikes("object crashes between commit and reply");
    this.#mute = lost;
    const reply = this.#shell.apply(kind, input);
    this.#mute = false;
    if (!reply.ok) this.#sim.say(`${kind} refused: ${reply.problem.code}`);
    if (lost) {
      coverage.rule("C2");
      this.#crash(`after ${kind}`);
    } else if (faults.strikes("object evicted")) this.#forget("is evicted");
    return { reply, lost };
  }
  ask<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Outcome<Queries[K]["out"]> {
    return this.#shell.query(kind, input);
  }

  /** A socket is asked for. It outlives what the object has in memory; undefined: refused. */
  accept(token: string, say: (what: string) => void, hungUp: () => void): Doorbell | undefined {
    const agent = this.#lost ? undefined : this.#authenticate(token);
    if (!agent?.ok) return undefined;
    for (const old of this.#doorbells) if (old.agent === agent.value) old.close();
    const end = () => {
      mine.open = false;
      this.#doorbells = this.#doorbells.filter((d) => d !== mine);
    };
    const mine: Doorbell = {
      agent: agent.value,
      open: true,
      text: (what) => mine.open && say(what),
      close: () => {
        if (!mine.open) return;
        end();
        hungUp();
      },
      leave: end,
    };
    this.#doorbells.push(mine);
    return mine;
  }

  /** Nothing, if the object crashed before it could say it. */
  answer(path: string, { headers, body }: HttpRequest): HttpResponse | undefined {
    if (this.#lost) return undefined;
    const { now } = this.#sim.clock;
    if (path === "/agent/v1/enroll") {
      const request = EnrollRequest.parse(JSON.parse(body ?? ""));
      const { reply, lost } = this.tell("agent.enroll", { request, tokenHash: sha256(request.token) });
      return lost ? undefined : response(reply, now);
    }
    const agent = this.#authenticate(headers?.authorization?.slice("Bearer ".length) ?? "");
    if (!agent.ok) return response(agent, now);
    const request = SyncRequest.parse(JSON.parse(body ?? ""));
    const { reply, lost } = this.tell("agent.sync", { agent: agent.value, request });
    return lost ? undefined : response(reply, now);
  }

  #authenticate(token: string): Outcome<string> {
    const agent = verifyAgentToken(token, this.#sim.clock.now, (id) => this.#shell.query("agent.key", { agent: id }));
    if (!agent.ok && agent.problem.code === "agent_revoked") this.#sim.coverage.rule("S2");
    return agent;
  }

  #wake(): [SiteCore, SiteShell] {
    const memory: Life = { alive: true };
    this.#memory = memory;
    const { clock } = this.#sim;
    const live = <T>(work: () => Promise<T>): Promise<T> => (memory.alive ? work() : new Promise(() => undefined));
    const core = this.#watch
      ? new WatchedCore(this.sql, this.#watch)
      : new SiteCore(this.sql, { sha256, verify: verifyEd25519, workflows });
    const shell = new SiteShell(core, {
      now: () => clock.now,
      random: this.#random,
      setAlarm: (at) => {
        if (memory.alive) this.#setAlarm(at);
      },
      ring: () => {
        if (memory.alive && !this.#mute) for (const each of this.#doorbells) each.text("sync");
      },
      broadcast() {},
      hangUp: (agent) => {
        for (const each of this.#doorbells) if (agent === "all" || each.agent === agent) each.close();
      },
      budget: () => ({
        permit: (site, working) =>
          live(() => this.#parts.budget.permit(site, working)).then((p) => live(async () => p)),
        release: (site) => live(() => this.#parts.budget.release(site)).then((p) => live(async () => p)),
      }),
      deliver: (site, entries) =>
        live(() => this.#parts.readModel.deliver(site, entries)).then(
          (n) => live(async () => n),
          (cause) => live(() => Promise.reject(cause)),
        ),
      forget: (site) => live(() => this.#parts.readModel.forget(site)),
      defect: (cause) => this.#sim.violate("defect", `in the alarm: ${cause instanceof Error ? cause.stack : cause}`),
    });
    this.#core = core;
    this.#shell = shell;
    if (this.#alarmAt === null && this.#droppedAt !== undefined) this.#sim.coverage.rule("C1");
    shell.woken(this.#alarmAt);
    return [core, shell];
  }

  /** What is in memory is gone; sockets outlive it. */
  #forget(why: string): void {
    if (this.#lost) return;
    this.#sim.say(`object ${why}`);
    this.#memory.alive = false;
    if (this.#alarmRuns) {
      // The platform runs an alarm again that did not come to its end.
      this.#alarmRuns = false;
      this.#sim.coverage.rule("C1");
      if (this.#alarmAt === null) this.#setAlarm(this.#sim.clock.now + 2_000);
    }
    this.#wake();
  }
  #crash(why: string): void {
    for (const each of [...this.#doorbells]) each.close();
    this.#forget(`crashes ${why}`);
  }

  #setAlarm(at: number): void {
    const { clock, faults } = this.#sim;
    this.#cancelAlarm();
    this.#alarmAt = at;
    this.#droppedAt = undefined;
    let wait = at - clock.now;
    if (faults.strikes("alarm late")) {
      this.#sim.coverage.rule("C1");
      wait += this.#random.between(1_000, 100_000);
    }
    if (faults.strikes("alarm dropped")) {
      this.#sim.say("the alarm will be dropped");
      this.#cancelAlarm = clock.after(wait, () => {
        this.#alarmAt = null;
        this.#droppedAt = clock.now;
        clock.after(WINDOW_MS, () => this.#cron());
      });
    } else this.#cancelAlarm = clock.after(wait, () => this.#fire());
  }

  /** The cron comes by; told only where it matters: the object may have been left without an alarm and with nobody to wake it. */
  #cron(): void {
    if (this.#droppedAt === undefined || this.#lost) return;
    this.#sim.say("the cron wakes the object");
    this.tell("audit.start", { window: windowKey(this.#sim.clock.now), actor: "cron" });
  }

  #fire(): void {
    const { clock, faults } = this.#sim;
    // One at a time: the next one waits for the end of this.
    if (this.#alarmRuns) {
      this.#cancelAlarm = clock.after(1_000, () => this.#fire());
      return;
    }
    this.#alarmAt = null;
    this.#alarmRuns = true;
    const memory = this.#memory;
    if (faults.strikes("object crashes in its alarm"))
      clock.after(this.#random.between(0, 150), () => {
        if (memory.alive && this.#alarmRuns) this.#crash("in its alarm");
      });
    void this.#shell.alarm().then(() => {
      if (!memory.alive) return;
      this.#alarmRuns = false;
      if (faults.strikes("alarm twice")) {
        this.#alarmRuns = true;
        void this.#shell.alarm().then(() => {
          if (memory.alive) this.#alarmRuns = false;
        });
      }
    });
  }
}

/** As the Worker says it. */
function response(outcome: Outcome<unknown>, now: number): HttpResponse {
  const headers = { date: new Date(now).toUTCString() };
  if (outcome.ok) return { status: 200, headers, body: JSON.stringify(outcome.value) };
  const { code, detail } = outcome.problem;
  return { status: errorCatalog[code].status || 409, headers, body: JSON.stringify({ code, detail }) };
}
