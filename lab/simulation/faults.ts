/** Everything that goes wrong in the simulation, and how often. Each strike is counted. */
import type { Coverage } from "./coverage.ts";
import type { Stream } from "./random.ts";

/** How likely each is where it may strike: per message, call, transaction, boot or alarm. */
export const faults = {
  // Between agent and coordinator, both ways
  "message dropped": 0.03,
  "message duplicated": 0.04,
  "message delayed": 0.02,
  "message reordered": 0.05,
  "doorbell cut": 0.01,
  // The site's object and what it calls
  "object crashes between commit and reply": 0.015,
  "object evicted": 0.01,
  "object crashes in its alarm": 0.02,
  "alarm late": 0.05,
  "alarm twice": 0.05,
  "alarm dropped": 0.02,
  "read model: answer lost": 0.03,
  "read model refuses a row": 0.02,
  "budget does not answer": 0.08,
  "fence of an old object lost": 0.4,
  // Agents
  "agent killed before a journal write": 0.002,
  "agent killed after a journal write": 0.002,
  "agent killed before a journal is durable": 0.006,
  // BMCs
  "BMC late": 0.02,
  "BMC late beyond the time-out": 0.006,
  "BMC busy": 0.015,
  "BMC loses a session": 0.01,
  "BMC does a write without an answer": 0.04,
  "BMC loses a power command": 0.08,
  "BMC loses a boot override": 0.05,
  "BMC keeps a one-time override": 0.15,
  "BMC lies about power": 0.01,
  "BMC resets itself": 0.003,
  // Machines
  "machine ignores the boot override": 0.08,
  "machine resets itself": 0.02,
  "machine loses power": 0.015,
  "machine's link flaps": 0.03,
} as const;

/** Faults that last, begun and ended in spells.ts, or laid out with the world. */
export const spells = [
  "agent cut off for longer than a lease",
  "agent cut off for a day",
  "agent's uplink slow for minutes",
  "all agents away for longer than any limit",
  "agent and BMCs cut off at once",
  "agent's clock wrong by minutes",
  "site lost and restored",
  "site restored beside its old object",
  "read model down",
  "budget away",
  "budget full",
  "wrong machine in the place",
  "part that nobody ordered",
  "cables of two BMCs swapped",
  "drive not blank",
  "machine switched on by a person",
  "unknown machine asks for a boot",
  "phone-home of an earlier life",
] as const;

type FaultName = keyof typeof faults;
export type SpellName = (typeof spells)[number];
export const faultNames: readonly string[] = [...Object.keys(faults), ...spells];

export class Faults {
  readonly #random: Stream;
  readonly #coverage: Coverage;
  /** While true nothing new goes wrong. */
  calm = false;

  constructor(random: Stream, coverage: Coverage) {
    this.#random = random;
    this.#coverage = coverage;
  }

  /** Whether it strikes now. */
  strikes(name: FaultName): boolean {
    if (this.calm || !this.#random.chance(faults[name])) return false;
    this.#coverage.fault(name);
    return true;
  }

  began(name: SpellName): void {
    this.#coverage.fault(name);
  }
}
