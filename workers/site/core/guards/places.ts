/** G5: how many steps may be at work at once at a site: in all, and of one action. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { AtOnce } from "../../../../shared/model/site.ts";
import type { StepRow } from "../step-rows.ts";
import { wait } from "./guard.ts";

/** What the caps tell steps apart by. */
export type Counted = Pick<StepRow, "action" | "disruptive">;

const full = (places: number, kind: string): Verdict =>
  wait("caps", "cap_full", `a free place: ${places} ${kind} at work at the site`);
const steps = (places: number): Verdict => full(places, places === 1 ? "step is" : "steps are");

/** The places at a site at one moment. A lost attempt keeps its place until it was read: it may still be in a call. */
export class Places {
  readonly #caps: Required<AtOnce>;
  readonly #actions = new Map<string, number>();
  #steps = 0;

  constructor(caps: Required<AtOnce>, atWork: readonly (Counted & { n: number })[]) {
    this.#caps = caps;
    for (const { n, ...kind } of atWork) this.take(kind, n);
  }

  take({ action }: Counted, n = 1): void {
    this.#steps += n;
    this.#actions.set(action, (this.#actions.get(action) ?? 0) + n);
  }

  /** The verdict of the full cap that keeps a step from starting; undefined if there is a place for it. */
  full({ action }: Counted): Verdict | undefined {
    const { steps: inAll, actions } = this.#caps;
    if (this.#steps >= inAll) return steps(inAll);
    const own = actions[action];
    return own !== undefined && (this.#actions.get(action) ?? 0) >= own ? full(own, `× ${action} are`) : undefined;
  }
}
