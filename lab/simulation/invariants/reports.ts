/** L4 and L6: which reports of a sync must change nothing, told before it is applied; and that they did not. */
import type { SyncRequest } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Sim } from "../sim.ts";
import type { Move } from "./moves.ts";

export class ReportRules {
  readonly #sim: Sim;
  /** Leases of which a report has come in. */
  readonly #heard = new Set<string>();
  /** Leases under which a failure was counted. */
  readonly #failed = new Set<string>();

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  /** The steps that no report of this request may move. */
  before(sql: Sql, agent: string, request: SyncRequest): Set<string> {
    const stale = new Set<string>();
    const current = new Set<string>();
    for (const { job, step, lease, epoch } of request.reports) {
      const row = sql.get<{ lease: string | null; epoch: number | null; agent: string | null }>(
        "SELECT lease, epoch, agent FROM step WHERE job = ? AND n = ?",
        job,
        step,
      );
      const fits = row?.lease === lease && row.epoch === epoch && row.agent === agent;
      (fits ? current : stale).add(`${job}/${step}`);
      if (!fits) this.#sim.coverage.rule("L4");
      if (this.#heard.has(lease)) this.#sim.coverage.rule("L6");
      this.#heard.add(lease);
    }
    for (const key of current) stale.delete(key);
    return stale;
  }

  after(stale: ReadonlySet<string>, moves: readonly Move[]): void {
    for (const { kind, job, n, was, now, lease } of moves) {
      const key = `${job}/${n}`;
      if (kind === "step" && stale.has(key) && ["succeeded", "failed", "ready"].includes(now) && was !== "blocked")
        this.#sim.violate("L4", `a report of an older attempt moved step ${n} of ${job} from ${was} to ${now}`);
      if (kind !== "failures" || lease === null || now === "failed") continue;
      if (this.#failed.has(`${key}/${lease}`))
        this.#sim.violate("L6", `the failure of ${lease} was counted twice in step ${n} of ${job}`);
      this.#failed.add(`${key}/${lease}`);
    }
  }
}
