/** All guards in their order, over what is read of them once for a transaction or a view. */
import type { Millis } from "../../../../shared/deps.ts";
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { Plan } from "../../../../shared/model/plan.ts";
import type { PlanView } from "../../../../shared/model/views.ts";
import type { Sql } from "../../../../shared/sql.ts";
import { holdWaitsFor } from "../hold.ts";
import { permitOf } from "../permit.ts";
import { settlesAt } from "../settling.ts";
import { approval } from "./approval.ts";
import { budget } from "./budget.ts";
import { firstHeld, type GuardWorld } from "./guard.ts";
import { killSwitch } from "./kill-switch.ts";
import { type Held, locks } from "./locks.ts";
import { restoreHold } from "./restore-hold.ts";

export const guardWorld = (sql: Sql, now: Millis): GuardWorld => ({
  now,
  restored: holdWaitsFor(sql),
  settlesAt: settlesAt(sql, now),
  permit: permitOf(sql),
});

/** Guards of whole sites: they hold every step, whatever it does. */
const siteVerdicts = (world: GuardWorld): Verdict[] => [restoreHold(world), killSwitch(world), budget(world)];

/** What keeps every step of the site from starting; undefined when steps may start. */
export const siteHeldBy = (world: GuardWorld): Verdict | undefined => firstHeld(siteVerdicts(world));

/** What every guard says now of a plan that nobody has started. */
export function planVerdicts(sql: Sql, plan: Plan, now: Millis, given: PlanView["approvals"]): Verdict[] {
  return [locks(lockOf(sql, plan)), approval(plan, given), ...siteVerdicts(guardWorld(sql, now))];
}

function lockOf(sql: Sql, plan: Plan): Held | undefined {
  for (const { device, name } of plan.targets) {
    const lock = sql.get<{ job: string }>("SELECT job FROM lock WHERE device = ?", device);
    if (lock) return { target: name, job: lock.job };
  }
  return undefined;
}
