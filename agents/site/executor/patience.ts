import { actions, isActionName } from "../../../shared/actions/index.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";

/**
 * By how much the waits within an attempt are longer than the agent's own settings say: as much as the step may take
 * longer than its action. A machine that was given three times as long to start is restarted three times as late, also
 * by an attempt that has little of its time left: how slow a machine is does not change with that (lesson C7).
 */
export function patience({
  action,
  deadlineMs,
  attemptMs,
}: Pick<Lease, "action" | "deadlineMs" | "attemptMs">): number {
  if (!isActionName(action)) return 1;
  return Math.max(1, (attemptMs ?? deadlineMs) / 1000 / actions[action].deadlineSeconds);
}
