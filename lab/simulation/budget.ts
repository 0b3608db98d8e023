/** The fleet's budget object: the real decisions, behind a call that may stay unanswered. */
import { ANSWER_MS } from "../../workers/fleet/facade.ts";
import { type BudgetState, configure, emptyBudget, permit, release } from "../../workers/fleet/permits.ts";
import type { Permit } from "../../workers/site/core/commands.ts";
import type { Sim } from "./sim.ts";

export class SimBudget {
  readonly #sim: Sim;
  readonly #random;
  #state: BudgetState = configure(emptyBudget(), { frozen: false });
  #awayUntil = 0;

  constructor(sim: Sim) {
    this.#sim = sim;
    this.#random = sim.stream("budget");
  }

  get frozen(): boolean {
    return this.#state.frozen;
  }

  async permit(site: string, working: boolean): Promise<Permit | null> {
    const { clock, faults } = this.#sim;
    await clock.pause(this.#random.between(2, 80));
    if (clock.now < this.#awayUntil || faults.strikes("budget does not answer")) {
      await clock.pause(ANSWER_MS);
      return null;
    }
    const { state, reply } = permit(this.#state, { site, working }, clock.now);
    this.#state = state;
    await clock.pause(this.#random.between(2, 80));
    return reply;
  }

  async release(site: string): Promise<void> {
    await this.#sim.clock.pause(this.#random.between(2, 80));
    this.#state = release(this.#state, { site });
  }

  turn(frozen: boolean): void {
    this.#state = configure(this.#state, { frozen });
  }

  /** All places go to other sites, for so long. */
  fill(ms: number): void {
    const until = this.#sim.clock.now + ms;
    const others = Array.from({ length: this.#state.maxSites }, (_, n) => [`st_other0000${n}`.slice(0, 13), until]);
    this.#state = { ...this.#state, permits: Object.fromEntries(others) };
  }
  goAway(ms: number): void {
    this.#awayUntil = this.#sim.clock.now + ms;
  }
  mend(): void {
    this.#awayUntil = 0;
    this.#state = { ...this.#state, permits: {} };
  }
}
