import type { JournalAsk, JournalPage, ToldAttempt } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Deferred } from "./deferred.ts";

/** Attempts that have ended, without what they found: so long that a site restored from an old export can ask for them. */
export const KEEP_PAST_MS = 30 * 86_400_000;

/** Moves an attempt out of what is under way; called in the commit that ends it. */
export function toPast(sql: Sql, lease: string, outcome: ToldAttempt["outcome"]): void {
  sql.run(
    `INSERT OR REPLACE INTO past (epoch, lease, job, step, device, outcome, at)
     SELECT json_extract(body, '$.epoch'), lease, json_extract(body, '$.job'), json_extract(body, '$.step'), device, ?, started_at
     FROM attempt WHERE lease = ?`,
    outcome,
    lease,
  );
  sql.run("DELETE FROM attempt WHERE lease = ?", lease);
}

/** What the agent did, for a restored site that asks (docs/protocol.md). */
export interface Past {
  page(ask: JournalAsk): JournalPage;
}

/** Attempts in one page. */
const PAGE = 500;

export function past(sql: Sql, later: Deferred): Past {
  return {
    page(ask) {
      later.flush();
      const after = ask.after ?? { epoch: ask.from, lease: "" };
      const attempts = sql.all<ToldAttempt>(
        `SELECT epoch, lease, job, step, device, outcome FROM (
           SELECT epoch, lease, job, step, device, outcome FROM past
           UNION ALL
           SELECT json_extract(body, '$.epoch'), lease, json_extract(body, '$.job'), json_extract(body, '$.step'), device, 'in flight'
           FROM attempt)
         WHERE (epoch, lease) > (?, ?) ORDER BY epoch, lease LIMIT ?`,
        after.epoch,
        after.lease,
        PAGE + 1,
      );
      const epoch = sql.get<{ epoch: number | null }>("SELECT max(epoch) AS epoch FROM epoch")?.epoch ?? 0;
      return { ...ask, epoch, attempts: attempts.slice(0, PAGE), complete: attempts.length <= PAGE };
    },
  };
}
