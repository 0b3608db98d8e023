/** One seed from its beginning to its end: a time with faults, then a calm in which everything must come to rest. */
import type { Counts } from "./coverage.ts";
import { Disaster } from "./disaster.ts";
import { checkProjection, outboxIsEmpty } from "./invariants/projection.ts";
import { Killed } from "./mortal-sql.ts";
import { People } from "./people.ts";
import type { Stream } from "./random.ts";
import { Sim, type Violation } from "./sim.ts";
import { Spells } from "./spells.ts";
import { World } from "./world.ts";

export interface RunResult {
  seed: number;
  events: number;
  counts: Counts;
  violation: Violation | undefined;
  log: string[];
}

/** Events with faults, at least; and how many a run may have in all before it counts as stuck. */
const FAULT_EVENTS = [500, 900] as const;
const FAULT_EVENTS_MAX = 4_000;
const ACTS = 14;
const MAX_EVENTS = 60_000;
/** J10: the longest limit of a step, of its tries, and of the jobs behind it (workers/site/core/limits.ts). */
const CALM_MS = 4 * 86_400_000;
/** The longest wait for a person, and some. */
const NOBODY_MS = 8 * 86_400_000;
const HOUR_MS = 3_600_000;
const DRAIN_MS = HOUR_MS;

export async function runSeed(seed: number, options: { wholeLog?: boolean } = {}): Promise<RunResult> {
  const sim = new Sim(seed, options);
  const stop = onStray((error) =>
    sim.violate("defect", `nobody caught: ${error instanceof Error ? error.stack : String(error)}`),
  );
  try {
    await new Run(sim).whole();
  } catch (error) {
    sim.violate("defect", `the run broke: ${error instanceof Error ? error.stack : String(error)}`);
  } finally {
    stop();
  }
  return { seed, events: sim.events, counts: sim.coverage.counts, violation: sim.violation, log: sim.log() };
}

class Run {
  readonly #sim: Sim;
  readonly #random: Stream;
  readonly #world: World;
  readonly #people: People;
  readonly #disaster: Disaster;
  readonly #spells: Spells;
  #acts = 0;
  #looked = -1;

  constructor(sim: Sim) {
    this.#sim = sim;
    this.#random = sim.stream("run");
    this.#world = new World(sim, this.#random.between(3, 5));
    this.#people = new People(this.#world);
    this.#disaster = new Disaster(this.#world, this.#people);
    this.#spells = new Spells(this.#world, this.#people, this.#disaster);
    this.#world.addHost();
    // A second one from the beginning, later, or never.
    if (this.#random.chance(0.55)) this.#world.addHost();
    else if (this.#random.chance(0.7)) sim.clock.after(this.#random.between(5_000, 300_000), () => this.#secondAgent());
    this.#people.create();
    this.#later();
  }

  #secondAgent(): void {
    if (!this.#sim.faults.calm && !this.#world.site.lost) this.#world.addHost();
  }

  async whole(): Promise<void> {
    const enough = this.#random.between(...FAULT_EVENTS);
    const sim = this.#sim;
    while (!sim.violation && (sim.events < enough || this.#acts < ACTS) && sim.events < FAULT_EVENTS_MAX)
      await this.#event();
    if (!sim.violation) await this.#calm();
  }

  /** People and spells, as long as there are faults. While no agent is there for hours, people go home too. */
  #later(): void {
    const away = this.#world.hosts.every((h) => !h.alive && h.awayUntil > this.#sim.clock.now + HOUR_MS);
    const wait = away ? this.#random.between(HOUR_MS / 6, HOUR_MS) : this.#random.between(2_000, 45_000);
    this.#sim.clock.after(wait, () => {
      if (this.#sim.faults.calm) return;
      this.#acts += 1;
      if (this.#random.chance(0.15)) this.#disaster.keepExport();
      if (this.#random.chance(0.35)) this.#spells.begin();
      else this.#people.act();
      this.#later();
    });
  }

  /** One event, all that follows from it at once, and a look at what must hold. */
  async #event(until?: number): Promise<boolean> {
    if (!this.#sim.clock.step(until)) return false;
    this.#sim.events += 1;
    await settled();
    this.#look();
    return true;
  }

  #look(): void {
    const { site, watch } = this.#world;
    const alarm = site.alarm;
    const state = watch.seen * 4 + (alarm.at === null ? 0 : 1) + (alarm.runs ? 2 : 0);
    if (state === this.#looked || alarm.runs || alarm.droppedAt !== undefined) return;
    this.#looked = state;
    const { now } = this.#sim.clock;
    const due = site.due();
    if (due === null) return;
    if (alarm.at === null) this.#sim.violate("C1", `work is due at ${due}, and no alarm is set`);
    else if (alarm.at > Math.max(due, now) + 5_000)
      this.#sim.violate("C1", `work is due at ${due}, and the alarm is set to ${alarm.at}`);
  }

  /** The faults stop, though an agent may stay away for good. */
  async #calm(): Promise<void> {
    const sim = this.#sim;
    const { network, budget, readModel, hosts } = this.#world;
    sim.say("calm");
    sim.faults.calm = true;
    network.heal();
    budget.mend();
    readModel.mend();
    this.#people.turn(false, true);
    this.#people.resumeAll();
    // At once, or only when all that can be done without a person has been done.
    const nobody = this.#random.chance(0.08);
    const leave = nobody || this.#random.chance(0.12);
    this.#people.gone = nobody;
    const living = hosts.filter((h) => !h.retired);
    living.forEach((host, n) => {
      host.awayUntil = 0;
      if (nobody || (n > 0 && this.#random.chance(0.3))) host.goForGood();
      else host.start();
    });
    // With no agent left, and nobody who decides, it is the limits alone that bring things to their end (J3).
    if (nobody) this.#people.create();
    if (this.#open().length > 0) sim.coverage.rule("J10");
    await this.#rest();
    this.#people.gone = true;
    if (leave) {
      for (const host of hosts) if (!host.retired) host.goForGood();
      if (!nobody) this.#people.create();
      await this.#rest();
      this.#people.retryAll();
      await this.#rest();
      await this.#until(NOBODY_MS, () => this.#unended().length === 0);
    } else {
      this.#people.decideAll("another try");
      await this.#rest();
      this.#people.decideAll("up");
      await this.#until(DRAIN_MS, () => this.#unended().length === 0);
    }
    for (const { id, state } of this.#unended())
      sim.violate("J10", `${id} is still ${state}, after every ${leave ? "limit" : "decision"}`);
    if (sim.violation) return;
    this.#world.site.tell("outbox.rebuild", { actor: "token:sim" });
    await this.#until(DRAIN_MS, () => outboxIsEmpty(this.#world.site.sql));
    if (!outboxIsEmpty(this.#world.site.sql))
      sim.violate("C3", "the outbox keeps rows although the read model takes them");
    else checkProjection(sim, this.#world.site.sql, readModel);
  }

  async #rest(): Promise<void> {
    const still = () => this.#people.pending === 0 && !this.#disaster.busy && this.#open().length === 0;
    await this.#until(CALM_MS, still);
    if (this.#disaster.busy) this.#sim.violate("J10", "the restored site is still on hold");
    const [stuck] = this.#open();
    if (stuck && !this.#sim.violation)
      this.#sim.violate("J10", `${stuck.id} is still ${stuck.state}, days after the faults have stopped`);
  }

  async #until(ms: number, done: () => boolean): Promise<void> {
    const end = this.#sim.clock.now + ms;
    for (let seen = ""; !this.#sim.violation && this.#sim.events < MAX_EVENTS; ) {
      const now = `${this.#world.watch.seen} ${this.#people.pending} ${this.#disaster.busy}`;
      if (seen !== now) {
        seen = now;
        if (done()) return;
      }
      if (!(await this.#event(end))) return;
    }
  }

  #unended() {
    return this.#world.site.sql.all<{ id: string; state: string }>("SELECT id, state FROM job WHERE ended_at IS NULL");
  }

  /** Jobs that neither have ended nor rest on a person's decision: one of their steps could go on. */
  #open() {
    const { sql } = this.#world.site;
    return sql.all<{ id: string; state: string }>(
      `SELECT id, state FROM job WHERE ended_at IS NULL AND (
         EXISTS (SELECT 1 FROM step s WHERE s.job = job.id AND s.state IN ('ready', 'leased', 'running', 'unknown'))
         OR NOT EXISTS (SELECT 1 FROM job_target t WHERE t.job = job.id AND t.state = 'waiting'))`,
    );
  }
}

/** Resolves when all that follows at once has happened: no promise that could go on is left. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Watches for errors that nobody caught: in a process they would end it. */
function onStray(told: (error: unknown) => void): () => void {
  const hear = (error: unknown) => {
    if (!(error instanceof Killed)) told(error);
  };
  process.on("unhandledRejection", hear);
  return () => void process.off("unhandledRejection", hear);
}
