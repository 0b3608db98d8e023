/**
 * What people do because of something that they see: they pause a job that is about to end or call it back, decide about a
 * machine that waits for them, and try again what has failed. Chance alone would hardly ever be there at the right moment.
 */
import type { Move } from "./invariants/moves.ts";
import type { People } from "./people.ts";
import type { Stream } from "./random.ts";
import type { World } from "./world.ts";

const MINUTE = 60_000;

/** How likely somebody pauses a job when a step of this action goes out: its end decides about the target, or a person. */
const PAUSED_AT: Readonly<Record<string, number>> = {
  "bmc.accept": 0.45,
  "bmc.identify": 0.05,
  "ramdisk.proveBlank": 0.1,
  "ramdisk.writeImage": 0.04,
};
/** Decisions after the faults have stopped, at most: what people begin anew must come to its end too (J10). */
const IN_CALM = 8;

/** Which steps that tell how far they are may be called back (J6). */
const CALLED_BACK: readonly string[] = ["running ramdisk.inventory", "running ramdisk.proveBlank"];

export class Reactions {
  readonly #world: World;
  readonly #people: People;
  readonly #random: Stream;
  #left = IN_CALM;
  /** What somebody is about to do. */
  pending = 0;

  constructor(world: World, people: People) {
    this.#world = world;
    this.#people = people;
    this.#random = world.sim.stream("reactions");
    world.watch.moved.push((move) => this.#saw(move));
  }

  #saw({ kind, job, n, device, action, now }: Move): void {
    if (job === null) return;
    const step = kind === "step" ? `${now} ${action}` : "";
    if (now === "leased") this.#maybe(this.#chanceToPause(job, device, action ?? ""), [5, 40], () => this.#pause(job));
    if (CALLED_BACK.includes(step)) this.#maybe(0.1, [1, 20], () => this.#people.cancel(job));
    if (kind === "step" && now === "failed" && n !== null)
      this.#maybe(0.8, [500, MINUTE / 2], () => this.#people.skip(job, device ?? "", this.#stepName(job, n)));
    if (kind === "target" && now === "waiting")
      this.#maybe(0.7, [MINUTE / 2, 8 * MINUTE], () => this.#decide(job, device ?? ""));
    if (kind === "job" && (now === "failed" || now === "partly"))
      this.#maybe(now === "partly" ? 0.9 : 0.5, [1_000, MINUTE], () => this.#tryAgain(job));
  }

  /** Often when the step is the last of its job: as it is bound to fail, or is the acceptance. */
  #chanceToPause(job: string, device: string | null, action: string): number {
    const machine = this.#world.machines.find((m) => m.device === device);
    if (machine && machine.serial !== machine.planned.asset.serial) return 0.4;
    const ends = action === "bmc.accept" && this.#hasFailed(job);
    return ends ? 0.9 : (PAUSED_AT[action] ?? 0);
  }

  #hasFailed(job: string): boolean {
    const { sql } = this.#world.site;
    return sql.get("SELECT 1 FROM job_target WHERE job = ? AND state = 'failed'", job) !== undefined;
  }

  #stepName(job: string, n: number): string {
    const { sql } = this.#world.site;
    return (
      sql.get<{ name: string }>("SELECT body ->> '$.name' AS name FROM step WHERE job = ? AND n = ?", job, n)?.name ??
      ""
    );
  }

  #maybe(chance: number, [from, to]: readonly [number, number], act: () => void): void {
    if (!this.#random.chance(chance)) return;
    this.pending += 1;
    this.#world.sim.clock.after(this.#random.between(from, to), () => {
      this.pending -= 1;
      if (this.#people.gone) return;
      if (this.#world.sim.faults.calm && this.#left-- <= 0) return;
      act();
    });
  }

  /** Once the faults have stopped, nobody forgets a job that was paused. */
  #pause(job: string): void {
    this.#people.pause(job);
    if (!this.#world.sim.faults.calm) return;
    this.#world.sim.clock.after(this.#random.between(MINUTE, 10 * MINUTE), () => this.#people.resume(job));
  }

  /** Clean it up and go on, give it up, or let it lie. */
  #decide(job: string, device: string): void {
    const machine = this.#world.machines.find((m) => m.device === device);
    if (machine && this.#random.chance(0.6)) {
      this.#people.cleanUp(machine);
      this.#people.retry(job);
    } else if (this.#random.chance(0.6)) this.#people.cancel(job);
    else this.#pause(job);
  }

  #tryAgain(job: string): void {
    for (const machine of this.#world.machines) if (this.#random.chance(0.5)) this.#people.cleanUp(machine);
    this.#people.retry(job);
  }
}
