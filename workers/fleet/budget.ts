/**
 * The cross-site budget object, through itty-durable. Only the façade beside it (facade.ts) talks to it. The library is
 * kept within what it does well: one small value, synchronous methods, no alarm, never `destroy`; it is given no
 * bindings, since it would copy them over the platform's own state; and it writes only when something has changed.
 */
import { createDurable } from "itty-durable";
import {
  type BudgetState,
  configure,
  emptyBudget,
  PermitIn,
  permit,
  ReleaseIn,
  release,
  SetIn,
  status,
} from "./permits.ts";

const Base = createDurable({ autoPersist: false, autoReturn: false });

export class FleetBudget extends Base {
  budget: BudgetState = emptyBudget();

  constructor(state: DurableObjectState) {
    super(state, {});
  }

  permit(input: unknown) {
    const { state, reply } = permit(this.budget, PermitIn.parse(input), Date.now());
    this.#keep(state);
    return reply;
  }

  release(input: unknown) {
    this.#keep(release(this.budget, ReleaseIn.parse(input)));
    return status(this.budget, Date.now());
  }

  configure(input: unknown) {
    this.#keep(configure(this.budget, SetIn.parse(input)));
    return status(this.budget, Date.now());
  }

  status() {
    return status(this.budget, Date.now());
  }

  override getPersistable(): { budget: BudgetState } {
    return { budget: this.budget };
  }

  /** The put is not awaited: the platform holds the reply until it is durable. */
  #keep(next: BudgetState): void {
    if (JSON.stringify(next) === JSON.stringify(this.budget)) return;
    this.budget = next;
    void this.persist();
  }
}
