/** Sees every change of a state in the core's tables, also those in the middle of a transaction, by triggers of its own. */
import type { Sql } from "../../../shared/sql.ts";

export interface Move {
  kind: "step" | "target" | "job" | "device" | "failures";
  job: string | null;
  n: number | null;
  device: string | null;
  was: string;
  now: string;
  lease: string | null;
  epoch: number | null;
  agent: string | null;
  action: string | null;
}

const COLUMNS = "kind, job, n, device, was, now, lease, epoch, agent, action";
const step = (was: string, now: string, kind = "step") =>
  `INSERT INTO sim_move (${COLUMNS}) VALUES ('${kind}', new.job, new.n, new.device, ${was}, ${now}, new.lease, new.epoch, new.agent, new.action);`;
const other = (kind: string, job: string, device: string, was: string) =>
  `INSERT INTO sim_move (${COLUMNS}) VALUES ('${kind}', ${job}, NULL, ${device}, ${was}, new.state, NULL, NULL, NULL, NULL);`;

// Temporary, so that nothing of it lies in the site's own database; and rolled back with what it tells of.
const statements = [
  `CREATE TEMP TABLE sim_move (${COLUMNS})`,
  `CREATE TEMP TRIGGER sim_step_new AFTER INSERT ON main.step BEGIN ${step("'new'", "new.state")} END`,
  `CREATE TEMP TRIGGER sim_step AFTER UPDATE OF state ON main.step WHEN old.state <> new.state BEGIN ${step("old.state", "new.state")} END`,
  `CREATE TEMP TRIGGER sim_failures AFTER UPDATE OF failures ON main.step WHEN new.failures > old.failures BEGIN ${step("old.failures", "new.state", "failures")} END`,
  `CREATE TEMP TRIGGER sim_target_new AFTER INSERT ON main.job_target BEGIN ${other("target", "new.job", "new.device", "'new'")} END`,
  `CREATE TEMP TRIGGER sim_target AFTER UPDATE OF state ON main.job_target WHEN old.state <> new.state BEGIN ${other("target", "new.job", "new.device", "old.state")} END`,
  `CREATE TEMP TRIGGER sim_job_new AFTER INSERT ON main.job BEGIN ${other("job", "new.id", "NULL", "'new'")} END`,
  `CREATE TEMP TRIGGER sim_job AFTER UPDATE OF state ON main.job WHEN old.state <> new.state BEGIN ${other("job", "new.id", "NULL", "old.state")} END`,
  `CREATE TEMP TRIGGER sim_device AFTER UPDATE OF state ON main.device WHEN old.state <> new.state BEGIN ${other("device", "NULL", "new.id", "old.state")} END`,
];

export function watchMoves(sql: Sql): void {
  if (sql.get("SELECT 1 FROM sqlite_temp_master WHERE name = 'sim_move'")) return;
  for (const statement of statements) sql.run(statement);
}

/** The moves since the last call, in their order. */
export function takeMoves(sql: Sql): Move[] {
  const moves = sql.all<Move>("SELECT * FROM sim_move ORDER BY rowid");
  if (moves.length > 0) sql.run("DELETE FROM sim_move");
  return moves;
}
