/** One run's common ground: its time, its randomness, its log, and the first rule that was broken. */
import { VirtualClock } from "./clock.ts";
import { Coverage, type RuleId } from "./coverage.ts";
import { Faults } from "./faults.ts";
import { Stream } from "./random.ts";

export interface Violation {
  /** The rule's id, or `defect`: a piece of the product threw what it should not. */
  rule: string;
  text: string;
  event: number;
}

/** Lines kept of a log that nobody asked to have whole. */
const LAST_LINES = 80;

export class Sim {
  readonly seed: number;
  readonly clock = new VirtualClock();
  readonly coverage = new Coverage();
  readonly faults: Faults;
  /** Events so far. */
  events = 0;
  violation: Violation | undefined;
  readonly #whole: boolean;
  readonly #start = this.clock.now;
  #lines: string[] = [];

  constructor(seed: number, options: { wholeLog?: boolean } = {}) {
    this.seed = seed;
    this.#whole = options.wholeLog ?? false;
    this.faults = new Faults(this.stream("faults"), this.coverage);
  }

  stream(name: string): Stream {
    return new Stream(this.seed, name);
  }

  say(what: string): void {
    this.#lines.push(`${this.events} ${((this.clock.now - this.#start) / 1000).toFixed(3)} ${what}`);
    if (!this.#whole && this.#lines.length > 2 * LAST_LINES) this.#lines = this.#lines.slice(-LAST_LINES);
  }

  /** A rule is broken. The first one counts: what follows may follow from it. */
  violate(rule: RuleId | "defect", text: string): void {
    this.say(`VIOLATION [${rule}] ${text}`);
    this.violation ??= { rule, text, event: this.events };
  }

  log(): string[] {
    return this.#whole ? this.#lines : this.#lines.slice(-LAST_LINES);
  }
}
