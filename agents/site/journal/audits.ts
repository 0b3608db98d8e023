import type { z } from "zod";
import type { Millis } from "../../../shared/deps.ts";
import type { AuditTarget, Observation, Unknown } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Deferred } from "./deferred.ts";

type UnknownMac = z.infer<typeof Unknown>;

/** Audits in progress and unknown hardware: what is still to be read, and what is read and not yet told. */
export interface Audits {
  /** Adds what is not yet being read; a newer window replaces the older ones. */
  ask(window: string, targets: readonly AuditTarget[]): void;
  pending(): { window: string; target: AuditTarget }[];
  observed(window: string, observation: Observation): void;
  /** Observations to tell, all of one window. */
  untold(limit: number): { window: string; observations: Observation[] } | undefined;
  told(window: string, devices: readonly string[]): void;
  /** T6: a MAC that nobody planned; true when it is new. */
  noteUnknown(mac: string, seen: string, at: Millis): boolean;
  unknown(limit: number): UnknownMac[];
  toldUnknown(macs: readonly string[]): void;
}

/** Unknown MACs kept; a broken switch could send any number. */
const MAX_UNKNOWN = 1000;

export function audits(sql: Sql, later: Deferred): Audits {
  return {
    ask(window, targets) {
      sql.transact(() => {
        sql.run("DELETE FROM audit WHERE audit_window <> ?", window);
        for (const target of targets)
          sql.run(
            "INSERT OR IGNORE INTO audit (audit_window, device, target) VALUES (?, ?, ?)",
            window,
            target.device,
            JSON.stringify(target),
          );
      });
    },
    pending() {
      later.flush();
      return sql
        .all<{ audit_window: string; target: string }>(
          "SELECT audit_window, target FROM audit WHERE observation IS NULL",
        )
        .map((row) => ({ window: row.audit_window, target: JSON.parse(row.target) as AuditTarget }));
    },
    observed(window, observation) {
      later.add(() =>
        sql.run(
          "UPDATE audit SET observation = ? WHERE audit_window = ? AND device = ?",
          JSON.stringify(observation),
          window,
          observation.device,
        ),
      );
    },
    untold(limit) {
      later.flush();
      const rows = sql.all<{ audit_window: string; observation: string }>(
        "SELECT audit_window, observation FROM audit WHERE observation IS NOT NULL ORDER BY audit_window LIMIT ?",
        limit,
      );
      const window = rows[0]?.audit_window;
      if (window === undefined) return undefined;
      return {
        window,
        observations: rows
          .filter((row) => row.audit_window === window)
          .map((row) => JSON.parse(row.observation) as Observation),
      };
    },
    told(window, devices) {
      later.flush();
      sql.run(
        "DELETE FROM audit WHERE audit_window = ? AND device IN (SELECT value FROM json_each(?))",
        window,
        JSON.stringify(devices),
      );
    },
    noteUnknown: (mac, seen, at) =>
      sql.transact(() => {
        const key = mac.toLowerCase();
        if (sql.get("SELECT 1 FROM unknown WHERE mac = ?", key)) return false;
        if ((sql.get<{ n: number }>("SELECT count(*) AS n FROM unknown")?.n ?? 0) >= MAX_UNKNOWN) return false;
        sql.run("INSERT INTO unknown (mac, seen, at) VALUES (?, ?, ?)", key, seen.slice(0, 200), at);
        return true;
      }),
    unknown: (limit) =>
      sql.all<UnknownMac>("SELECT mac, seen, at FROM unknown WHERE told = 0 ORDER BY at LIMIT ?", limit),
    toldUnknown(macs) {
      sql.run("UPDATE unknown SET told = 1 WHERE mac IN (SELECT value FROM json_each(?))", JSON.stringify(macs));
    },
  };
}
