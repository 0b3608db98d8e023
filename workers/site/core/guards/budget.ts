/** G5: a cross-site permit is fetched beforehand and must be unexpired in the transaction that starts a step. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { permitLives } from "../permit.ts";
import { type GuardWorld, pass, wait } from "./guard.ts";

const GUARD = "fleet budget";

export function budget({ permit, now }: GuardWorld): Verdict {
  if (permitLives(permit, now)) return pass(GUARD, "the site holds a permit to work");
  if (permit === undefined || permit.granted) return wait(GUARD, "budget_unreachable", "the fleet budget to answer");
  const text = `the fleet budget: ${permit.reason}`;
  // Silence is no permit (G5). When it ends nobody knows; what was refused is asked for again at its end.
  return permit.silent
    ? wait(GUARD, "budget_unreachable", text)
    : wait(GUARD, "budget_refused", text, Math.max(now, permit.expiresAt));
}
