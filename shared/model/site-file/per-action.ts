import { actions, isActionName } from "../../actions/index.ts";
import { type Faults, pointerTo } from "./faults.ts";
import { instead } from "./nearest.ts";

/** Judges the keys of a mapping from actions to numbers: each must be an action that there is. */
export function checkActions(given: Readonly<Record<string, number>> | undefined, at: string, faults: Faults): void {
  for (const name of Object.keys(given ?? {})) {
    if (isActionName(name)) continue;
    const pointer = `${at}${pointerTo([name])}`;
    faults.add("action_unknown", pointer, `there is no action "${name}"`, instead(name, Object.keys(actions)));
  }
}
