/** The wires between agents and the site: they drop, repeat, delay and reorder, and may be cut. */
import type { Stream } from "./random.ts";
import type { Sim } from "./sim.ts";

export class Network {
  readonly #sim: Sim;
  readonly #random: Stream;
  /** Until when a host is cut off, by its name. */
  readonly #cut = new Map<string, number>();
  /** Until when a host's messages take their time, by its name. */
  readonly #slow = new Map<string, number>();

  constructor(sim: Sim) {
    this.#sim = sim;
    this.#random = sim.stream("network");
  }

  cutOff(host: string, ms: number): void {
    this.#cut.set(host, this.#sim.clock.now + ms);
  }
  /** For so long each way takes about as long as an agent waits for an answer, or longer. */
  slowDown(host: string, ms: number): void {
    this.#slow.set(host, this.#sim.clock.now + ms);
  }
  heal(): void {
    this.#cut.clear();
    this.#slow.clear();
  }
  isCut(host: string): boolean {
    return (this.#cut.get(host) ?? 0) > this.#sim.clock.now;
  }

  /** Carries one message from or to a host; it arrives never, once or twice. */
  carry(host: string, what: string, deliver: () => void): void {
    const { faults } = this.#sim;
    if (this.isCut(host)) return;
    if (faults.strikes("message dropped")) return this.#sim.say(`dropped: ${what}`);
    this.#deliver(host, what, deliver);
    if (faults.strikes("message duplicated")) this.#deliver(host, `${what} (again)`, deliver);
  }

  #deliver(host: string, what: string, deliver: () => void): void {
    const { clock, faults } = this.#sim;
    let ms = this.#random.between(2, 40);
    if ((this.#slow.get(host) ?? 0) > clock.now) ms += this.#random.between(4_000, 16_000);
    if (faults.strikes("message reordered")) ms += this.#random.between(50, 3_000);
    if (faults.strikes("message delayed")) {
      ms += this.#random.between(5_000, 150_000);
      this.#sim.say(`delayed by ${ms} ms: ${what}`);
    }
    clock.after(ms, () => {
      if (!this.isCut(host)) deliver();
    });
  }
}
