/** Faults that last for a while; each begins now and ends by itself. */
import type { Disaster } from "./disaster.ts";
import type { SpellName } from "./faults.ts";
import type { People } from "./people.ts";
import type { Stream } from "./random.ts";
import type { World } from "./world.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export class Spells {
  readonly #world: World;
  readonly #people: People;
  readonly #disaster: Disaster;
  readonly #random: Stream;

  constructor(world: World, people: People, disaster: Disaster) {
    this.#world = world;
    this.#people = people;
    this.#disaster = disaster;
    this.#random = world.sim.stream("spells");
    // Now and then in the very middle of a step that writes: after its reads and before its write.
    world.watch.moved.push(({ now, action }) => {
      if (now !== "leased" || action !== "bmc.bootOverride" || !this.#random.chance(0.04)) return;
      world.sim.clock.after(this.#random.between(50, 700), () => {
        if (!world.sim.faults.calm && this.#swap()) world.sim.faults.began("cables of two BMCs swapped");
      });
    });
  }

  begin(): void {
    const { readModel, budget, machines, sim } = this.#world;
    const host = this.#random.pick(this.#world.hosts.filter((h) => !h.retired));
    const machine = this.#random.pick(machines);
    const idle = this.#random.pick(machines.filter((m) => !m.on && !m.inService));
    const acts: readonly [number, SpellName, () => unknown][] = [
      [
        12,
        "agent cut off for longer than a lease",
        () => this.#cutOff(host?.name, this.#random.between(MINUTE, 8 * MINUTE)),
      ],
      [1, "agent cut off for a day", () => this.#cutOff(host?.name, 25 * HOUR)],
      [6, "agent's uplink slow for minutes", () => this.#slow(host?.name)],
      [2, "all agents away for longer than any limit", () => this.#allAway()],
      [6, "agent's clock wrong by minutes", () => this.#wrongClock(host)],
      [6, "site lost and restored", () => this.#disaster.lose()],
      [6, "site restored beside its old object", () => this.#disaster.replace()],
      [5, "read model down", () => readModel.goDown(this.#random.between(5_000, 10 * MINUTE))],
      [5, "budget away", () => budget.goAway(this.#random.between(5_000, 12 * MINUTE))],
      [3, "budget full", () => budget.fill(this.#random.between(5_000, 8 * MINUTE))],
      [6, "agent and BMCs cut off at once", () => this.#alone(host?.name)],
      [3, "cables of two BMCs swapped", () => this.#swap()],
      [14, "drive not blank", () => this.#soil(idle)],
      [4, "machine switched on by a person", () => (idle ? idle.press("On") : false)],
      [3, "unknown machine asks for a boot", () => this.#stranger(host)],
      [6, "phone-home of an earlier life", () => this.#ghost(host, machine)],
    ];
    let left = this.#random.between(
      1,
      acts.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, name, act] of acts) {
      left -= weight;
      if (left > 0) continue;
      sim.say(`spell: ${name}`);
      if (act() !== false) sim.faults.began(name);
      return;
    }
  }

  #cutOff(host: string | undefined, ms: number): boolean {
    if (host === undefined) return false;
    this.#world.network.cutOff(host, ms);
    return true;
  }

  #slow(host: string | undefined): boolean {
    if (host === undefined) return false;
    this.#world.network.slowDown(host, this.#random.between(2 * MINUTE, 8 * MINUTE));
    return true;
  }

  /** The uplink is gone, and the management network with it: what is at work fails, and is told only later. */
  #alone(host: string | undefined): boolean {
    for (const { bmc } of this.#world.machines) bmc.goDown(this.#random.between(20_000, 2 * MINUTE));
    return this.#cutOff(host, this.#random.between(MINUTE, 3 * MINUTE));
  }

  /** What was asked for before they went is given up, and tried again when they are back. */
  #allAway(): boolean {
    this.#people.create();
    this.#world.sim.clock.after(6.5 * HOUR, () => this.#people.retry());
    for (const host of this.#world.hosts) {
      host.awayUntil = this.#world.sim.clock.now + this.#random.between(7 * HOUR, 9 * HOUR);
      host.kill("switched off for hours");
    }
    return true;
  }

  #wrongClock(host: { skewMs: number } | undefined): boolean {
    if (!host) return false;
    host.skewMs = this.#random.between(-5 * MINUTE, 5 * MINUTE);
    return true;
  }

  #swap(): boolean {
    const [a, b] = this.#random.shuffled(this.#world.machines);
    if (!a || !b || a.on || b.on) return false;
    this.#world.swapCables(a, b, this.#random.between(MINUTE, HOUR / 2));
    return true;
  }

  #soil(machine: { drives: { content: string }[] } | undefined): boolean {
    const drive = machine?.drives.at(-1);
    if (drive?.content !== "blank") return false;
    drive.content = "foreign";
    return true;
  }

  /** T6: it is told to boot from its disk. */
  #stranger(host: World["hosts"][number] | undefined): boolean {
    if (!host?.alive) return false;
    const query = new URLSearchParams({ mac: "02:ff:ff:00:00:01" });
    const asked = host.door({ method: "GET", path: "/boot/ipxe", query, headers: {}, body: "", from: "10.9.9.9" });
    void asked.then((reply) => {
      if (!reply) return;
      this.#world.sim.coverage.rule("T6");
      if (typeof reply.body === "string" && reply.body.includes("nonce"))
        this.#world.sim.violate("T6", `${host.name} gave a boot to a machine that nobody planned`);
    });
    return true;
  }

  #ghost(host: World["hosts"][number] | undefined, machine: World["machines"][number] | undefined): boolean {
    // Before its first start has come to its end, there is no journal.
    if (host?.agentId === undefined) return false;
    const old = host.journal.get<{ nonce: string }>("SELECT nonce FROM boot WHERE closed_at IS NOT NULL LIMIT 1");
    if (!machine || !old) return false;
    machine.remindsOf(old.nonce, host);
    return true;
  }
}
