/**
 * What stands between the core and a platform: it runs commands, does what their effects say, and owns the order of
 * work in the one alarm. The Durable Object and the simulation run this same class, so what is proven is what runs.
 *
 * One alarm multiplexes all time (C1). Requests do SQL and send on open sockets; D1 and the budget object are called
 * from `alarm` only, bounded, so an object with nothing to do sleeps and costs nothing.
 */
import type { Millis, Random } from "../../shared/deps.ts";
import type { Outcome } from "../../shared/errors.ts";
import type { JobEvent } from "../../shared/model/job.ts";
import type { SiteView } from "../../shared/model/views.ts";
import type { FleetBudgetClient } from "../fleet/facade.ts";
import type { CommandKind, Commands, Effect, OutboxEntry, Queries, QueryKind } from "./core/commands.ts";
import type { SiteCore } from "./core/core.ts";
import { drainOutbox } from "./outbox-drain.ts";

/** What only a platform has. */
export interface Platform {
  now(): Millis;
  random: Random;
  /** Durable together with what the same turn wrote; an earlier one is replaced. */
  setAlarm(at: Millis): void;
  ring(): void;
  broadcast(events: readonly JobEvent[]): void;
  hangUp(agent: string | "all"): void;
  budget(): Pick<FleetBudgetClient, "permit" | "release">;
  /** Sends rows to the read model and returns how many were written; throws when they were not taken. */
  deliver(site: SiteView, entries: readonly OutboxEntry[]): Promise<number>;
  /** Throws all rows of the site out of the read model, before they are sent anew (E3). */
  forget(site: SiteView): Promise<number>;
  /** Told of a defect that the alarm met. */
  defect(cause: unknown): void;
}

/** For what is still due when the alarm ends: it was tried just now, and a past time cannot be trusted to fire by itself. */
const REARM_MS = 1_000;
/** After an alarm that met a defect. */
const FAILED_MS = 5_000;
/** An alarm this long overdue will not come any more: the platform's own delays are far shorter. */
const LOST_MS = 120_000;

export class SiteShell {
  readonly #core: SiteCore;
  readonly #on: Platform;
  /** Whether a permit is held; forgotten with the memory, and then it just runs out. */
  #mayStart = false;
  #alarmAt: Millis | null = null;

  constructor(core: SiteCore, platform: Platform) {
    this.#core = core;
    this.#on = platform;
  }

  /** The object wakes, with the alarm that it had set. Should the platform ever have dropped one, it is set again. */
  woken(alarmAt: Millis | null): void {
    this.#alarmAt = alarmAt;
    this.#arm();
  }

  query<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Outcome<Queries[K]["out"]> {
    return this.#core.query(this.#on.now(), kind, input);
  }

  apply<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Outcome<Commands[K]["out"]> {
    const { reply, effects } = this.#core.apply({ now: this.#on.now(), random: this.#on.random }, kind, input);
    for (const effect of effects) this.#perform(effect);
    return reply;
  }

  /**
   * The alarm fires. It never throws: the platform gives a throwing alarm six tries and then forgets it. So it is set
   * anew at its end, whatever happened.
   */
  async alarm(): Promise<void> {
    this.#alarmAt = null;
    try {
      // What it was set for may have been done meanwhile, and then a site at rest writes nothing.
      const due = this.#core.nextAlarm(this.#on.now());
      const more = due !== null && due <= this.#on.now() && (await this.#workOff());
      this.#arm(more ? 0 : REARM_MS);
    } catch (cause) {
      this.#on.defect(cause);
      this.#setAlarm(this.#on.now() + FAILED_MS);
    }
  }

  /**
   * All that is due: timers, the permit, the outbox. True when more of the outbox is waiting than one alarm takes. A
   * defect in one of them is told at the end, and holds up none of the others.
   */
  async #workOff(): Promise<boolean> {
    const defects: unknown[] = [];
    let more = false;
    const parts = [
      () => this.#applyInAlarm("tick", {}),
      () => this.#renewPermit(),
      async () => {
        more = await this.#drain();
      },
      () => this.#giveBackPermit(),
    ];
    for (const part of parts) {
      try {
        await part();
      } catch (cause) {
        defects.push(cause);
      }
    }
    if (defects.length > 0) throw defects[0];
    return more;
  }

  #drain(): Promise<boolean> {
    return drainOutbox({
      next: (limit) => this.query("outbox.next", { limit }),
      drop: () => this.query("outbox.drop", {}),
      forget: (site) => this.#on.forget(site),
      dropped: () => this.#applyInAlarm("outbox.dropped", {}),
      deliver: (site, entries) => this.#on.deliver(site, entries),
      site: () => this.query("site", {}),
      delivered: (entries, rows) => this.#applyInAlarm("outbox.delivered", { entries, rows }),
      failed: (entries, reason, outage) => this.#applyInAlarm("outbox.failed", { entries, reason, outage }),
    });
  }

  /** As `apply`, but leaves the alarm alone: what the alarm itself does next, or cannot do now, it arms for at its end. */
  #applyInAlarm<K extends CommandKind>(kind: K, input: Commands[K]["in"]): void {
    const { effects } = this.#core.apply({ now: this.#on.now(), random: this.#on.random }, kind, input);
    for (const effect of effects) if (effect.kind !== "alarm") this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "ring":
        return this.#on.ring();
      case "events":
        return this.#on.broadcast(effect.events);
      case "hang-up":
        return this.#on.hangUp(effect.agent);
      case "alarm":
        return this.#setAlarm(Math.max(effect.at, this.#on.now()));
      default:
        effect satisfies never;
    }
  }

  /** Sets the alarm for what is due next; for what is due already, after `pauseMs`. */
  #arm(pauseMs = 0): void {
    const now = this.#on.now();
    const at = this.#core.nextAlarm(now);
    if (at !== null) this.#setAlarm(at > now ? at : now + pauseMs);
  }

  /** Only an earlier time is worth a row: an alarm that comes too soon finds nothing to do and is set again. */
  #setAlarm(at: Millis): void {
    if (this.#alarmAt !== null && this.#alarmAt <= at && this.#on.now() < this.#alarmAt + LOST_MS) return;
    this.#alarmAt = at;
    this.#on.setAlarm(at);
  }

  /** Asks the budget while work is open and the permit is missing or about to end (G5). */
  async #renewPermit(): Promise<void> {
    const due = this.query("permit.due", { now: this.#on.now() });
    const site = this.query("site", {});
    if (!due.ok || !due.value || !site.ok) return;
    const askedAt = this.#on.now();
    const permit = await this.#on.budget().permit(site.value.id, true);
    this.#mayStart = permit?.granted === true;
    this.#applyInAlarm("permit.set", { permit, askedAt });
  }

  /** Frees the place for other sites when nothing is left to do here. */
  async #giveBackPermit(): Promise<void> {
    const site = this.query("site", {});
    const wanted = this.query("permit.wanted", {});
    if (!this.#mayStart || !site.ok || !wanted.ok || wanted.value) return;
    this.#mayStart = false;
    // In this order: a place that another site may have by now is never used here.
    const permit = { granted: false, frozen: false, expiresAt: this.#on.now(), reason: "given back: no work was left" };
    this.#applyInAlarm("permit.set", { permit });
    await this.#on.budget().release(site.value.id);
  }
}
