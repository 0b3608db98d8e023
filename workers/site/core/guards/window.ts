/** G3: a machine goes out of service only in one of its windows, and only if it is expected back before that closes. */
import type { Millis } from "../../../../shared/deps.ts";
import type { Verdict } from "../../../../shared/model/guard.ts";
import { windowsFor } from "../../../../shared/model/policy/resolve.ts";
import type { PolicyWindow } from "../../../../shared/model/policy.ts";
import { isOpen, nextOpening } from "../../../../shared/model/window.ts";
import { type Ask, isServing, minutesOf, momentOf, type PolicyWorld, pass, refused, wait } from "./guard.ts";

const GUARD = "window";

export function window(world: PolicyWorld, { machine, restMs }: Ask): Verdict {
  const windows = windowsFor(world.policy, machine.name);
  if (windows.length === 0) return pass(GUARD, "there is none for it: always open");
  if (!isServing(machine)) return pass(GUARD, `it is ${machine.state}: out of service already`);
  return verdictOf(world, windows, restMs());
}

/** Machines of the same windows get the same answer; there may be thousands that wait for one. */
const asked = new WeakMap<PolicyWorld, Map<string, Verdict>>();

function verdictOf(world: PolicyWorld, windows: readonly PolicyWindow[], needsMs: Millis): Verdict {
  const known = asked.get(world) ?? new Map<string, Verdict>();
  asked.set(world, known);
  const key = [needsMs, ...windows.map(({ name }) => name)].join();
  const verdict = known.get(key) ?? judge(world, windows, needsMs);
  known.set(key, verdict);
  return verdict;
}

function judge({ now, site }: PolicyWorld, windows: readonly PolicyWindow[], needsMs: Millis): Verdict {
  const at = nextOpening(windows, now, needsMs);
  const needs = `the ${minutesOf(needsMs)} that its steps are expected to take`;
  if (at === null)
    return nextOpening(windows, now, 0) === null
      ? refused(GUARD, "window_closed", "none of its windows opens any more")
      : refused(GUARD, "window_too_short", `none of its windows is as long as ${needs}`);
  if (at <= now) return pass(GUARD, `${nameAt(windows, now)} is open, and ${needs} fit`);
  const next = `the window ${nameAt(windows, at)} of ${site} to open (${momentOf(at)})`;
  return windows.some((one) => isOpen(one, now))
    ? wait(GUARD, "window_too_short", `${next}, as ${needs} do not fit before the present one closes`, at)
    : wait(GUARD, "window_closed", next, at);
}

const nameAt = (windows: readonly PolicyWindow[], at: Millis): string =>
  windows.find((one) => isOpen(one, at))?.name ?? "";
