/** What people do: they ask for jobs, change their minds, pull the kill switch, replace agents, and clean up by hand. */

import type { Outcome } from "../../shared/errors.ts";
import type { JobSummary } from "../../shared/model/job.ts";
import { isFinal } from "../../shared/model/job.ts";
import type { CommandKind, Commands } from "../../workers/site/core/commands.ts";
import type { Machine } from "./machine.ts";
import type { Stream } from "./random.ts";
import { Reactions } from "./reactions.ts";
import { ACTOR, type World } from "./world.ts";

const WORKFLOWS = ["server.install", "server.install", "sim.in-turn", "sim.branches"];
/** Steps that read, and a few that must refuse to be left out. */
const STEPS = ["identify", "inventory", "inventory-inside", "prove-blank", "write-image"];

export class People {
  readonly #world: World;
  readonly #random: Stream;
  /** Nobody reacts to anything any more. */
  gone = false;
  readonly #reactions: Reactions;
  #keys = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.sim.stream("people");
    this.#reactions = new Reactions(world, this);
  }

  /** Decisions that somebody is about to make. */
  get pending(): number {
    return this.gone ? 0 : this.#reactions.pending;
  }

  /** Something that somebody does. */
  act(): void {
    const acts: readonly [number, () => void][] = [
      [30, () => this.create()],
      [3, () => this.#onJob((job) => this.cancel(job))],
      [8, () => this.#onJob((job) => this.pause(job))],
      [8, () => this.#onJob((job) => this.resume(job))],
      [12, () => this.retry()],
      [8, () => this.#skip()],
      [3, () => this.turn(true)],
      [7, () => this.turn(false)],
      [2, () => this.#replaceAgent()],
      [8, () => this.cleanUp(this.#random.pick(this.#world.machines))],
      [3, () => this.#tell("audit.start", { window: `w${this.#keys++}`, actor: ACTOR })],
    ];
    let left = this.#random.between(
      1,
      acts.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, act] of acts) {
      left -= weight;
      if (left <= 0) return act();
    }
  }

  jobs(): JobSummary[] {
    const page = this.#world.site.ask("jobs", { limit: 100 });
    return page.ok ? page.value.items : [];
  }

  create(): void {
    const { sim, machines } = this.#world;
    // Most people look first which machines are free.
    const free = this.#random.chance(0.8) ? machines.filter((m) => this.#isFree(m)) : [];
    const targets = this.#random
      .shuffled(free.length > 0 ? free : machines)
      .slice(0, this.#random.between(1, 3))
      .map((m) => m.planned.name);
    const workflow = this.#random.pick(WORKFLOWS) ?? "server.install";
    this.#keys += 1;
    const key = { key: `k${this.#keys}`, body: JSON.stringify(targets), actor: ACTOR };
    const intent = { workflow, targets, params: {} };
    const priority = this.#random.between(0, 9);
    const plan = this.#random.chance(0.3) ? this.#tell("plan.create", { ...intent, actor: ACTOR }) : undefined;
    const order = plan?.reply.ok
      ? { ...key, priority, plan: plan.reply.value.plan.id, hash: plan.reply.value.hash }
      : { ...key, priority, ...intent };
    const first = this.#tell("job.create", order);
    if (!first.reply.ok) return;
    // Who got no answer, or is impatient, asks again with the same key.
    if (!first.lost && !this.#random.chance(0.2)) return;
    const again = this.#tell("job.create", order);
    sim.coverage.rule("J1");
    if (again.reply.ok && again.reply.value.job.id !== first.reply.value.job.id)
      sim.violate("J1", `${key.key} made ${first.reply.value.job.id} and ${again.reply.value.job.id}`);
  }

  /** The kill switch; the site is told at once, if it can be reached. */
  turn(frozen: boolean, reached = this.#random.chance(0.85)): void {
    const { budget, sim } = this.#world;
    if (budget.frozen === frozen) return;
    sim.say(`kill switch ${frozen ? "on" : "off"}`);
    budget.turn(frozen);
    if (frozen && this.jobs().some((j) => j.state === "running")) sim.coverage.rule("G6");
    if (reached) this.#tell("fleet.poke", { frozen });
  }

  resumeAll(): void {
    for (const { id, state } of this.jobs()) if (state === "paused") this.resume(id);
  }

  #tell<K extends CommandKind>(
    kind: K,
    input: Commands[K]["in"],
  ): { reply: Outcome<Commands[K]["out"]>; lost: boolean } {
    const { site, sim } = this.#world;
    sim.say(`people: ${kind}`);
    const done = site.tell(kind, input);
    if (!done.reply.ok && done.reply.problem.code === "locked") sim.coverage.rule("L7");
    return done;
  }

  #onJob(act: (job: string) => void): void {
    const job = this.#random.pick(this.jobs().filter((j) => !isFinal.job(j.state)));
    if (job) act(job.id);
  }

  cancel(job: string): void {
    this.#tell("job.cancel", { job, actor: ACTOR, reason: "changed our mind" });
  }

  resume(job: string): void {
    this.#tell("job.resume", { job, actor: ACTOR });
  }

  /** Often somebody leaves out a step while nothing starts, at once or when what was at work has ended. */
  pause(job: string): void {
    this.#tell("job.pause", { job, actor: ACTOR, reason: "lunch" });
    if (!this.#random.chance(0.5)) return;
    if (this.#random.chance(0.3)) this.#skipIn(job);
    else this.#world.sim.clock.after(this.#random.between(1_000, 30_000), () => this.#skipIn(job));
  }

  /** The job, or one that might need it. */
  retry(
    job = this.#random.pick(
      this.jobs().filter((j) => ["failed", "partly", "waiting", "running"].includes(j.state)),
    )?.id,
  ): void {
    if (job === undefined) return;
    const done = this.#tell("job.retry", { job, actor: ACTOR });
    if (done.reply.ok) this.#world.sim.coverage.rule("J8");
  }

  retryAll(): void {
    for (const { id, state } of this.jobs()) if (state === "failed" || state === "partly") this.retry(id);
  }

  /** Every job that waits for a person gets a decision: it is tried again on clean machines, or cancelled. */
  decideAll(give: "another try" | "up"): void {
    const waiting = this.jobs().filter((j) => !isFinal.job(j.state));
    if (give === "another try") for (const machine of this.#world.machines) this.cleanUp(machine);
    for (const { id } of waiting) give === "up" || this.#random.chance(0.5) ? this.cancel(id) : this.retry(id);
  }

  #skip(): void {
    const job = this.#random.pick(this.jobs().filter((j) => j.state !== "succeeded" && j.state !== "cancelled"));
    if (job) this.#skipIn(job.id);
  }
  #skipIn(job: string): void {
    const view = this.#world.site.ask("job", { job });
    const target = view.ok ? this.#random.pick(view.value.targets) : undefined;
    if (!target) return;
    const step = (this.#random.chance(0.5) ? target.step : undefined) ?? this.#random.pick(STEPS) ?? "identify";
    this.skip(job, target.device, step);
  }
  skip(job: string, device: string, step: string): void {
    this.#tell("job.skip", { job, device, step, reason: "known good", actor: ACTOR });
  }

  /** S2: a host that is given up is revoked, and another one enrols. */
  #replaceAgent(): void {
    const host = this.#random.pick(this.#world.hosts.filter((h) => !h.retired && h.agentId !== undefined));
    if (!host?.agentId || this.#world.site.lost) return;
    this.#tell("agent.revoke", { agent: host.agentId, actor: ACTOR });
    this.#world.addHost();
  }

  /** Blanks its drives and switches the machine off, as one does before trying again. */
  cleanUp(machine: Machine | undefined): void {
    if (!machine || machine.inService || this.#busy(machine)) return;
    this.#world.sim.say(`people clean ${machine.planned.name} up`);
    machine.press("Off");
    for (const drive of machine.drives) drive.content = "blank";
  }
  /** Nobody opens a machine on which a job is at work; one that waits for a person is theirs. */
  #busy({ device }: Machine): boolean {
    const { sql } = this.#world.site;
    return (
      sql.get("SELECT 1 FROM job_target WHERE device = ? AND state IN ('queued', 'running')", device) !== undefined
    );
  }
  #isFree({ device, inService }: Machine): boolean {
    return !inService && this.#world.site.sql.get("SELECT 1 FROM lock WHERE device = ?", device) === undefined;
  }
}
