/** What people do: they ask for jobs, change their minds, pull the kill switch, replace agents, and clean up by hand. */

import type { Outcome } from "../../shared/errors.ts";
import type { JobSummary } from "../../shared/model/job.ts";
import { isFinal } from "../../shared/model/job.ts";
import type { CommandKind, Commands } from "../../workers/site/core/commands.ts";
import type { Machine } from "./machine.ts";
import type { Stream } from "./random.ts";
import { ACTOR, type World } from "./world.ts";

/** Steps that read, and a few that must refuse to be left out. */
const STEPS = ["identify", "inventory", "inventory-inside", "prove-blank", "write-image"];

export class People {
  readonly #world: World;
  readonly #random: Stream;
  #keys = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.sim.stream("people");
    // Somebody is quick to pause a job that is about to end.
    world.watch.moved.push(({ job, now, action }) => {
      if (
        job !== null &&
        now === "leased" &&
        action === "bmc.accept" &&
        !world.sim.faults.calm &&
        this.#random.chance(0.08)
      )
        world.sim.clock.after(100, () => this.#pause(job));
    });
  }

  /** Something that somebody does. */
  act(): void {
    const acts: readonly [number, () => void][] = [
      [30, () => this.create()],
      [7, () => this.#onJob((job) => this.#tell("job.cancel", { job, actor: ACTOR, reason: "changed our mind" }))],
      [8, () => this.#onJob((job) => this.#pause(job))],
      [8, () => this.#onJob((job) => this.#tell("job.resume", { job, actor: ACTOR }))],
      [12, () => this.retry()],
      [8, () => this.#skip()],
      [3, () => this.turn(true)],
      [7, () => this.turn(false)],
      [2, () => this.#replaceAgent()],
      [8, () => this.#cleanUp()],
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
    const targets = this.#random
      .shuffled(machines)
      .slice(0, this.#random.between(1, 3))
      .map((m) => m.planned.name);
    const workflow = this.#random.chance(0.25) ? "sim.in-turn" : "server.install";
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
    for (const { id, state } of this.jobs())
      if (state === "paused") this.#tell("job.resume", { job: id, actor: ACTOR });
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

  /** Often somebody leaves out a step while nothing starts. */
  #pause(job: string): void {
    this.#tell("job.pause", { job, actor: ACTOR, reason: "lunch" });
    if (this.#random.chance(0.4)) this.#skipIn(job);
  }

  retry(): void {
    const job = this.#random.pick(
      this.jobs().filter((j) => ["failed", "partly", "waiting", "running"].includes(j.state)),
    );
    if (!job) return;
    const done = this.#tell("job.retry", { job: job.id, actor: ACTOR });
    if (done.reply.ok) this.#world.sim.coverage.rule("J8");
  }

  retryAll(): void {
    for (const { id, state } of this.jobs())
      if (state === "failed" || state === "partly") this.#tell("job.retry", { job: id, actor: ACTOR });
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
    this.#tell("job.skip", { job, device: target.device, step, reason: "known good", actor: ACTOR });
  }

  /** S2: a host that is given up is revoked, and another one enrols. */
  #replaceAgent(): void {
    const host = this.#random.pick(this.#world.hosts.filter((h) => !h.retired && h.agentId !== undefined));
    if (!host?.agentId) return;
    this.#tell("agent.revoke", { agent: host.agentId, actor: ACTOR });
    this.#world.addHost();
  }

  /** Blanks a drive and switches the machine off, as one does before trying again. */
  #cleanUp(): void {
    const machine = this.#random.pick(this.#world.machines.filter((m) => !m.inService));
    if (!machine || this.#busy(machine)) return;
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
}
