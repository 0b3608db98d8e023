import type { Millis } from "../../../shared/deps.ts";
import type { Lease, Report } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Deferred } from "./deferred.ts";
import { KEEP_PAST_MS, toPast } from "./past.ts";

export type Admission = "fresh" | "known" | "stale";

/** Attempts under way, reports not yet acknowledged, and the highest epoch seen per device. */
export interface Attempts {
  /** A2, L2: stores the attempts before anything is done, and raises the devices' epochs; one answer per lease. */
  begin(leases: readonly Lease[], now: Millis): Admission[];
  /** L2: whether this epoch is still the highest for the device; asked right before each call. */
  current(device: string, epoch: number): boolean;
  /** A2, L6: the outcome replaces the attempt, and stays until acknowledged. */
  finish(report: Report): void;
  /** The lease is no longer ours: nothing will be reported. */
  drop(lease: string): void;
  acknowledge(leases: readonly string[]): void;
  /** Unacknowledged reports, at most `limit` and at most `maxBytes` of JSON in all; one of whatever size is always among them. */
  reports(limit: number, maxBytes?: number): Report[];
  unsent(): string[];
  /** After a start: attempts that an earlier process left behind become `unknown` reports (L3, A2). Returns how many. */
  recover(now: Millis): number;
}

export function attempts(sql: Sql, later: Deferred): Attempts {
  const highest = (device: string): number =>
    sql.get<{ epoch: number }>("SELECT epoch FROM epoch WHERE device = ?", device)?.epoch ?? -1;
  const known = (lease: string): boolean =>
    sql.get("SELECT 1 FROM attempt WHERE lease = ?1 UNION ALL SELECT 1 FROM report WHERE lease = ?1", lease) !==
    undefined;
  const finish = (report: Report): void => {
    toPast(sql, report.lease, report.outcome);
    sql.run("INSERT OR REPLACE INTO report (lease, body) VALUES (?, ?)", report.lease, JSON.stringify(report));
  };

  const admit = (lease: Lease, now: Millis): Admission => {
    if (known(lease.id)) return "known";
    const device = lease.target.device;
    // The same epoch again is a lease whose reply was lost after it was journaled and reported: it is delivered anew.
    if (lease.epoch < highest(device)) return "stale";
    sql.run(
      "INSERT INTO epoch (device, epoch) VALUES (?1, ?2) ON CONFLICT (device) DO UPDATE SET epoch = ?2 WHERE epoch < ?2",
      device,
      lease.epoch,
    );
    sql.run(
      "INSERT INTO attempt (lease, device, body, started_at) VALUES (?, ?, ?, ?)",
      lease.id,
      device,
      JSON.stringify({ epoch: lease.epoch, job: lease.job, step: lease.step, action: lease.action }),
      now,
    );
    return "fresh";
  };

  return {
    begin(leases, now) {
      if (leases.length === 0) return [];
      return later.flushWith(() => {
        sql.run("DELETE FROM past WHERE at < ?", now - KEEP_PAST_MS);
        return leases.map((lease) => admit(lease, now));
      });
    },
    current: (device, epoch) => highest(device) <= epoch,
    finish: (report) => later.add(() => finish(report)),
    drop: (lease) => later.add(() => toPast(sql, lease, "dropped")),
    acknowledge(leases) {
      if (leases.length === 0) return;
      later.add(() =>
        sql.run("DELETE FROM report WHERE lease IN (SELECT value FROM json_each(?))", JSON.stringify(leases)),
      );
    },
    reports(limit, maxBytes = Number.MAX_SAFE_INTEGER) {
      later.flush();
      return sql
        .all<{ body: string }>(
          `SELECT body FROM (
             SELECT body, row_number() OVER (ORDER BY lease) AS n, sum(octet_length(body)) OVER (ORDER BY lease) AS bytes
             FROM (SELECT lease, body FROM report ORDER BY lease LIMIT ?1))
           WHERE n = 1 OR bytes <= ?2 ORDER BY n`,
          limit,
          Math.floor(maxBytes),
        )
        .map((row) => JSON.parse(row.body) as Report);
    },
    unsent() {
      later.flush();
      return sql.all<{ lease: string }>("SELECT lease FROM report").map((row) => row.lease);
    },
    recover: (now) =>
      sql.transact(() => {
        const left = sql.all<{ lease: string; body: string; started_at: number }>("SELECT * FROM attempt");
        for (const row of left) {
          const { epoch, job, step } = JSON.parse(row.body) as Pick<Report, "epoch" | "job" | "step">;
          finish({
            lease: row.lease,
            epoch,
            job,
            step,
            outcome: "unknown",
            evidence: { why: "the agent was restarted in the middle of the attempt" },
            startedAt: row.started_at,
            finishedAt: now,
          });
        }
        return left.length;
      }),
  };
}
