/** What must hold before a step may start, each with its answer in words. They are asked in the transaction that starts it. */
import type { Plan } from "../../../shared/model/plan.ts";
import type { PlanView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { holdWaitsFor } from "./hold.ts";
import { permitLives, permitOf } from "./permit.ts";

type Verdict = PlanView["guards"][number];

/** G6: the global kill switch, as last heard. */
export function killSwitchVerdict(sql: Sql): Verdict {
  const frozen = permitOf(sql)?.frozen ?? false;
  return frozen
    ? {
        guard: "kill switch",
        verdict: "wait",
        text: "The fleet's kill switch is on; nothing starts until an admin turns it off (`turnup fleet thaw`).",
      }
    : { guard: "kill switch", verdict: "pass", text: "off" };
}

/** G5: a cross-site permit is fetched beforehand and must be unexpired in the transaction that starts a step. */
export function budgetVerdict(sql: Sql, now: number): Verdict {
  const permit = permitOf(sql);
  if (permitLives(permit, now))
    return { guard: "fleet budget", verdict: "pass", text: "the site holds a permit to work" };
  const text =
    permit && !permit.granted
      ? `the fleet budget gives no permit at present: ${permit.reason}`
      : "a permit is asked for when a job is accepted; nothing starts without it";
  return { guard: "fleet budget", verdict: "wait", text };
}

/** A restored site starts nothing before it is released. */
export function holdVerdict(sql: Sql): Verdict {
  const waitingOn = holdWaitsFor(sql);
  return waitingOn === undefined
    ? { guard: "restore", verdict: "pass", text: "the site is not on hold" }
    : { guard: "restore", verdict: "wait", text: `The site was restored and waits for ${waitingOn}.` };
}

/** Whether steps may start now; if not, what they wait for. */
export function mayStart(sql: Sql, now: number): { ok: true } | { ok: false; waitingOn: string } {
  const restored = holdWaitsFor(sql);
  if (restored !== undefined) return { ok: false, waitingOn: restored };
  const permit = permitOf(sql);
  if (permit?.frozen) return { ok: false, waitingOn: "an admin to turn off the fleet's kill switch" };
  if (permitLives(permit, now)) return { ok: true };
  return {
    ok: false,
    waitingOn: permit && !permit.granted ? `the fleet budget: ${permit.reason}` : "the fleet budget to answer",
  };
}

/** L7: the holder's name, if a target is held. */
export function lockVerdict(sql: Sql, plan: Plan): Verdict {
  for (const target of plan.targets) {
    const lock = sql.get<{ job: string }>("SELECT job FROM lock WHERE device = ?", target.device);
    if (lock) return { guard: "locks", verdict: "refuse", text: `${target.name} is held by ${lock.job}` };
  }
  return { guard: "locks", verdict: "pass", text: "no target is held by another job" };
}
