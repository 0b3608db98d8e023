import { actions, isActionName } from "../../../shared/actions/index.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";

/**
 * By how much the waits within an attempt are longer than the agent's own settings say: as much as its deadline is longer
 * than the action's. A machine that was given three times as long to start is restarted three times as late. Never less
 * than 1: a lease said again carries only what is left.
 */
export function patience({ action, deadlineMs }: Pick<Lease, "action" | "deadlineMs">): number {
  return isActionName(action) ? Math.max(1, deadlineMs / 1000 / actions[action].deadlineSeconds) : 1;
}
