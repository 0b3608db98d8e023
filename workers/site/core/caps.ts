/** How much may be at work at once (G5) at a site, and what is: what the guard of places is asked about. */
import type { ActionSpec } from "../../../shared/actions/action.ts";
import { actions } from "../../../shared/actions/index.ts";
import type { AtOnce } from "../../../shared/model/site.ts";
import type { Sql } from "../../../shared/sql.ts";
import { type Counted, Places } from "./guards/places.ts";
import { WORK_STEPS } from "./step-rows.ts";
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

/** The places at the site now, with what is at work taken. */
export const placesNow = (sql: Sql): Places =>
  new Places(
    capsOf(sql),
    sql.all<Counted & { n: number }>(
      `SELECT action, disruptive, count(*) AS n FROM ${WORK_STEPS} GROUP BY action, disruptive`,
    ),
  );
