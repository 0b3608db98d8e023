/** How much may be at work at once (G5): steps in all, disruptive steps, and steps of one action; per site. */
import type { ActionSpec } from "../../../shared/actions/action.ts";
import { actions } from "../../../shared/actions/index.ts";
import type { AtOnce } from "../../../shared/model/site.ts";
import type { Sql } from "../../../shared/sql.ts";
import { type StepRow, WORK_STEPS } from "./step-rows.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

/** Steps at work at a site, as long as its file says nothing: what one object serves with room to spare (bench/README.md). */
const STEPS_AT_ONCE = 2_000;
/** Machines that may be taken out of service at once: one, until somebody who knows the site says more. */
const DISRUPTIVE_AT_ONCE = 1;

/** Kept beside the site file's text, so that a sync need not read all of that. */
export const setCaps = (tx: Tx, caps: AtOnce | undefined): void => writeMeta(tx.sql, "caps", caps ?? {});

/** What holds at the site, defaults and all. */
export function capsOf(sql: Sql): Required<AtOnce> {
  const said = readMeta<AtOnce>(sql, "caps") ?? {};
  const own = Object.entries(actions).flatMap(([name, spec]: [string, ActionSpec]) =>
    spec.atOnce === undefined ? [] : [[name, spec.atOnce]],
  );
  return {
    steps: said.steps ?? STEPS_AT_ONCE,
    disruptive: said.disruptive ?? DISRUPTIVE_AT_ONCE,
    actions: { ...Object.fromEntries(own), ...said.actions },
  };
}

/** What the caps tell steps apart by. */
export type Counted = Pick<StepRow, "action" | "disruptive">;

const placeOf = (places: number, kind: string): string =>
  `a free place: ${places} ${kind}${places === 1 ? "step is" : "steps are"} at work at the site`;

/** The places at a site at one moment. A lost attempt keeps its place until it was read: it may still be in a call. */
export class Places {
  readonly #caps: Required<AtOnce>;
  readonly #actions = new Map<string, number>();
  #steps = 0;
  #disruptive = 0;

  constructor(sql: Sql) {
    this.#caps = capsOf(sql);
    const rows = sql.all<Counted & { n: number }>(
      `SELECT action, disruptive, count(*) AS n FROM ${WORK_STEPS} GROUP BY action, disruptive`,
    );
    for (const { n, ...row } of rows) this.take(row, n);
  }

  take({ action, disruptive }: Counted, n = 1): void {
    this.#steps += n;
    this.#disruptive += disruptive === 1 ? n : 0;
    this.#actions.set(action, (this.#actions.get(action) ?? 0) + n);
  }

  /** The full cap that keeps a step from starting, in words; undefined if there is a place for it. */
  full({ action, disruptive }: Counted): string | undefined {
    const { steps: inAll, disruptive: disrupting, actions } = this.#caps;
    if (this.#steps >= inAll) return placeOf(inAll, "");
    if (disruptive === 1 && this.#disruptive >= disrupting) return placeOf(disrupting, "disruptive ");
    const own = actions[action];
    if (own !== undefined && (this.#actions.get(action) ?? 0) >= own)
      return `a free place: ${own} × ${action} are at work at the site`;
    return undefined;
  }
}
