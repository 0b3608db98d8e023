/** How agents lie in their table, and until when what they hold is theirs. */
import type { Millis } from "../../../shared/deps.ts";
import { HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS, LEASE_TTL_MS } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { AgentPresence } from "./commands.ts";
import type { StepRow } from "./step-rows.ts";

export interface AgentRow {
  id: string;
  name: string;
  key: string;
  version: string;
  enrolled_at: number;
  revoked_at: number | null;
  lease_until: number;
  row_version: number;
  /** Since when another agent waits for a word from this one; null once it is heard. */
  quiet_since: number | null;
  /** JSON of a `Witness` (own-time.ts); null before it was first asked for. */
  process: string | null;
}
export const agentRow = ({ sql }: { sql: Sql }, id: string) =>
  sql.get<AgentRow>("SELECT * FROM agent WHERE id = ?", id);

/** An agent that lives is heard from more often than this, ms: by its heartbeat, or by the syncs of one without a doorbell. */
const HEARD_MS = 2 * HEARTBEAT_MS + HEARTBEAT_TIMEOUT_MS;

/** Whether none has been heard from lately; false where it is not known who is there. */
export const allSilent = (agents: readonly AgentPresence[] | undefined, now: Millis): boolean =>
  agents?.every(({ lastSeenAt }) => lastSeenAt === null || now - lastSeenAt > HEARD_MS) ?? false;

/**
 * Why no agent can take a step of this site, in words, or undefined when one may. `silent` is what only the shell knows:
 * that none has been heard from lately.
 */
export function agentMissing(sql: Sql, site: string, silent = false): string | undefined {
  if (!sql.get("SELECT 1 FROM agent WHERE revoked_at IS NULL LIMIT 1"))
    return `site ${site} has no agent: \`turnup agent enrol-token ${site}\``;
  return silent
    ? `no agent of site ${site} has been heard from lately: \`turnup agent list --site ${site}\``
    : undefined;
}

/** Until when a step's lease lives, on the coordinator's clock: from when it was given, or from the agent's last renewal. */
export const leaseUntil = (step: Pick<StepRow, "leased_at">, agent: AgentRow | undefined): Millis =>
  Math.max((step.leased_at ?? 0) + LEASE_TTL_MS, agent?.lease_until ?? 0);
