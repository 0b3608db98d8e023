import type { Millis } from "../../../shared/deps.ts";
import type { ApprovedPlan } from "../../../shared/model/approval.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Deferred } from "./deferred.ts";

/** What this agent knows of one approved plan on one asset. */
export interface PlanPast {
  /** Of the step that is asked about: what it succeeded with, `undefined` when it has not. */
  done: { result: unknown } | undefined;
  /** A disruptive step of the plan has begun on this asset. */
  begun: boolean;
  /** One that destroys has begun on this asset. */
  destroyed: boolean;
  /** The asset has reached service since: the plan has ended there. */
  over: boolean;
}

/** Approved plans by their hash, and which of their steps were begun and done: none runs twice (G4). */
export interface Plans {
  get(hash: string): ApprovedPlan | undefined;
  put(hash: string, approved: ApprovedPlan, now: Millis): void;
  past(hash: string, step: number, asset: string): PlanPast;
  /** A2: the intent, before the effect. */
  begin(hash: string, step: number, of: { asset: string; destructive: boolean }, at: Millis): void;
  /** The step's success, in the commit of its report; nothing for a step that was not begun as one of an approved plan. */
  succeed(hash: string, step: number, result: unknown, at: Millis): void;
  /** The asset is in service: nothing of the plans that were begun on it runs on it any more. */
  end(asset: string): void;
}

/** Bodies of plans are kept this long after their expiry; what was done by them stays: an old plan is not run again. */
const KEEP_PLAN_MS = 30 * 86_400_000;

interface Row {
  step: number;
  destructive: number;
  ended_at: number | null;
  result: string | null;
  over: number;
}

export function plans(sql: Sql, later: Deferred): Plans {
  return {
    get(hash) {
      const body = sql.get<{ body: string }>("SELECT body FROM plan WHERE hash = ?", hash)?.body;
      return body === undefined ? undefined : (JSON.parse(body) as ApprovedPlan);
    },
    put(hash, approved, now) {
      sql.transact(() => {
        sql.run("DELETE FROM plan WHERE expires_at < ?", now - KEEP_PLAN_MS);
        sql.run(
          "INSERT OR REPLACE INTO plan (hash, body, expires_at) VALUES (?, ?, ?)",
          hash,
          JSON.stringify(approved),
          approved.plan.expiresAt,
        );
        return null;
      });
    },
    past(hash, step, asset) {
      // A success that is not written yet counts.
      later.flush();
      const rows = sql.all<Row>("SELECT * FROM planned_step WHERE plan = ? AND asset = ?", hash, asset);
      const own = rows.find((r) => r.step === step);
      return {
        done: own && own.ended_at !== null ? { result: JSON.parse(own.result ?? "null") as unknown } : undefined,
        begun: rows.length > 0,
        destroyed: rows.some((r) => r.destructive === 1),
        over: rows.some((r) => r.over === 1),
      };
    },
    begin(hash, step, { asset, destructive }, at) {
      sql.run(
        `INSERT INTO planned_step (plan, step, asset, destructive, begun_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (plan, step) DO UPDATE SET destructive = max(destructive, excluded.destructive)`,
        hash,
        step,
        asset,
        destructive ? 1 : 0,
        at,
      );
    },
    succeed: (hash, step, result, at) =>
      later.add(() =>
        sql.run(
          "UPDATE planned_step SET ended_at = ?, result = ? WHERE plan = ? AND step = ?",
          at,
          JSON.stringify(result ?? null),
          hash,
          step,
        ),
      ),
    end: (asset) => sql.run("UPDATE planned_step SET over = 1 WHERE asset = ?", asset),
  };
}
