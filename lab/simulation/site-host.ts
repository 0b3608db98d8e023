/**
 * The Worker in front of a site's objects: it knows which of them is the newest, and for a while after a restore some of
 * its isolates still ask the one before. Nothing of the real Worker decides anything here but where a request goes.
 */
import type { HttpRequest, HttpResponse } from "../../agents/site/http.ts";
import { HttpFailure } from "../../agents/site/http.ts";
import type { Socket, SocketEvents } from "../../agents/site/link/doorbell.ts";
import { type Outcome, refuse } from "../../shared/errors.ts";
import { SyncReply, SyncRequest } from "../../shared/protocol/agent.ts";
import type { Sql } from "../../shared/sql.ts";
import type { CommandKind, Commands, Queries, QueryKind } from "../../workers/site/core/commands.ts";
import type { AgentHost } from "./agent-host.ts";
import type { Life } from "./mortal-sql.ts";
import type { Sim } from "./sim.ts";
import { type Doorbell, SiteObject, type SiteParts } from "./site-object.ts";
import type { Watch } from "./watch.ts";

/** As long as an isolate keeps what it knows of a site (workers/api/site-lookup.ts). */
const KEPT_MS = 30_000;

export class SiteHost {
  readonly #sim: Sim;
  readonly #parts: SiteParts;
  readonly #watch: Watch;
  readonly #random;
  #newest: SiteObject;
  #before: { object: SiteObject; until: number } | undefined;
  #generation = 1;

  constructor(sim: Sim, parts: SiteParts & { watch: Watch }) {
    this.#sim = sim;
    this.#parts = parts;
    this.#watch = parts.watch;
    this.#random = sim.stream("worker");
    this.#newest = new SiteObject(sim, parts, this.#generation, parts.watch);
  }

  get sql(): Sql {
    return this.#newest.sql;
  }
  get generation(): number {
    return this.#generation;
  }
  /** No object answers. */
  get lost(): boolean {
    return this.#newest.lost;
  }
  get alarm(): SiteObject["alarm"] {
    return this.#newest.alarm;
  }
  due(): number | null {
    return this.#newest.lost ? null : this.#newest.due();
  }

  tell<K extends CommandKind>(
    kind: K,
    input: Commands[K]["in"],
  ): { reply: Outcome<Commands[K]["out"]>; lost: boolean } {
    return this.lost ? { reply: gone(), lost: true } : this.#newest.tell(kind, input);
  }
  ask<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Outcome<Queries[K]["out"]> {
    return this.lost ? gone() : this.#newest.ask(kind, input);
  }

  loseObject(): void {
    this.#sim.say("the site's object is lost");
    this.#newest.lose();
  }

  /** An empty object for the next generation. */
  emptyObject(): SiteObject {
    return new SiteObject(this.#sim, this.#parts, this.#generation + 1);
  }

  /** The restored object is the site from now on. Returns the one before. */
  register(object: SiteObject): SiteObject {
    const before = this.#newest;
    this.#generation += 1;
    this.#before = { object: before, until: this.#sim.clock.now + KEPT_MS };
    this.#newest = object;
    before.watchedBy(undefined);
    object.watchedBy(this.#watch);
    return before;
  }

  #anyObject(): SiteObject {
    const { now } = this.#sim.clock;
    if (this.#before && now < this.#before.until && this.#random.chance(0.5)) return this.#before.object;
    return this.#newest;
  }

  /** An agent's request on its way, and the answer on its way back. */
  post(host: AgentHost, life: Life, request: HttpRequest): Promise<HttpResponse> {
    const { clock } = this.#sim;
    const { network } = this.#parts;
    const sentAt = clock.now;
    const path = new URL(request.url).pathname;
    const sync = path === "/agent/v1/sync";
    // A connection gives one answer: what comes of a request that was repeated on its way is nobody's.
    let answered = false;
    return new Promise((resolve, reject) => {
      const cancel = clock.after(request.timeoutMs, () => reject(new HttpFailure("timeout", "no answer")));
      network.carry(host.name, `${host.name} ${path}`, () => {
        // What is reported has ended, whoever is told.
        if (sync) host.ended(SyncRequest.parse(JSON.parse(request.body ?? "")).reports.map((r) => r.lease));
        const response = this.#anyObject().answer(path, request);
        if (!response) return;
        network.carry(host.name, `answer to ${host.name}`, () => {
          if (answered || !life.alive || clock.now >= sentAt + request.timeoutMs) return;
          answered = true;
          cancel();
          if (response.status === 200 && sync) host.learn(sentAt, SyncReply.parse(JSON.parse(response.body)));
          resolve(response);
        });
      });
    });
  }

  socket(host: AgentHost, life: Life, token: string, events: SocketEvents): Socket {
    const { network } = this.#parts;
    let mine: Doorbell | undefined;
    const toAgent = (what: string, deliver: () => void) =>
      network.carry(host.name, what, () => {
        if (life.alive) deliver();
      });
    network.carry(host.name, `${host.name} doorbell`, () => {
      if (mine) return;
      mine = this.#anyObject().accept(
        token,
        (what) => toAgent(`${what} to ${host.name}`, () => mine?.open && events.message(what)),
        () => toAgent("doorbell closed", events.close),
      );
      toAgent(mine ? "doorbell open" : "doorbell refused", mine ? events.open : events.close);
    });
    return {
      // Answered by the platform, also while the object sleeps.
      send: (text) =>
        network.carry(host.name, `${host.name} ${text}`, () => {
          if (this.#sim.faults.strikes("doorbell cut")) return mine?.close();
          if (text === "hb") mine?.text("ok");
        }),
      close: () => mine?.leave(),
    };
  }
}

const gone = () => refuse("unavailable", "The site's object is lost.");
