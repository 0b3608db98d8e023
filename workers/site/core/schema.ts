import type { Sql } from "../../../shared/sql.ts";

/**
 * The site's tables, as an append-only list of steps: a step that has shipped is never edited. Keys are TEXT in
 * WITHOUT ROWID tables, since each row of such a table costs one row written and no more; secondary indexes are few and
 * partial, since each costs another (platform.md 1.2).
 */
export const migrations: readonly string[][] = [
  [
    // One value per name: site, epoch, permit, frozen, meter.
    `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,
    // What the site file says beside its devices, in parts that fit a row.
    `CREATE TABLE text_part (key TEXT, n INTEGER, text TEXT NOT NULL, PRIMARY KEY (key, n)) STRICT, WITHOUT ROWID`,
    `CREATE TABLE device (
       id TEXT PRIMARY KEY, name TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, asset TEXT,
       doc TEXT NOT NULL, cables TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE UNIQUE INDEX device_name ON device (name)`,
    // T4: one asset to a device, one device to an asset.
    `CREATE UNIQUE INDEX device_asset ON device (asset) WHERE asset IS NOT NULL`,
    `CREATE TABLE asset (
       id TEXT PRIMARY KEY, serial_key TEXT NOT NULL, serial TEXT NOT NULL, aliases TEXT NOT NULL, tag TEXT,
       manufacturer TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE UNIQUE INDEX asset_serial ON asset (serial_key)`,
    `CREATE TABLE medium (
       id TEXT PRIMARY KEY, asset TEXT NOT NULL, serial_key TEXT NOT NULL, doc TEXT NOT NULL, state TEXT NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE UNIQUE INDEX medium_serial ON medium (serial_key)`,
    `CREATE INDEX medium_asset ON medium (asset)`,
    `CREATE TABLE plan (
       id TEXT PRIMARY KEY, hash TEXT NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, job TEXT) STRICT, WITHOUT ROWID`,
    `CREATE TABLE job (
       id TEXT PRIMARY KEY, plan TEXT NOT NULL, plan_hash TEXT NOT NULL, workflow TEXT NOT NULL, requester TEXT NOT NULL,
       state TEXT NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER, cancelled_by TEXT) STRICT, WITHOUT ROWID`,
    `CREATE TABLE idempotency (actor TEXT, key TEXT, body_hash TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY (actor, key)) STRICT, WITHOUT ROWID`,
    // The steps of a target are those with from_n <= n <= to_n.
    `CREATE TABLE job_target (
       job TEXT, device TEXT, ord INTEGER NOT NULL, state TEXT NOT NULL, waiting_on TEXT, failure TEXT, agent TEXT,
       wrote INTEGER NOT NULL, from_n INTEGER NOT NULL, to_n INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER,
       body TEXT NOT NULL, PRIMARY KEY (job, device)) STRICT, WITHOUT ROWID`,
    // "at" by state: ready = not before; leased, running = deadline; unknown = since.
    `CREATE TABLE step (
       job TEXT, n INTEGER, device TEXT NOT NULL, state TEXT NOT NULL, at INTEGER, attempt INTEGER NOT NULL, failures INTEGER NOT NULL,
       resolve INTEGER NOT NULL, lease TEXT, epoch INTEGER, agent TEXT, ready_at INTEGER, leased_at INTEGER, started_at INTEGER,
       finished_at INTEGER, ended_at INTEGER, failure TEXT, result TEXT, evidence TEXT, body TEXT NOT NULL,
       PRIMARY KEY (job, n)) STRICT, WITHOUT ROWID`,
    // Work that waits or runs. A step leaves the index when it ends.
    `CREATE INDEX step_open ON step (state, at) WHERE state IN ('ready', 'leased', 'running', 'unknown')`,
    `CREATE TABLE lock (device TEXT PRIMARY KEY, job TEXT NOT NULL, since INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE TABLE event (job TEXT, seq INTEGER, at INTEGER NOT NULL, kind TEXT NOT NULL, device TEXT, step TEXT, data TEXT NOT NULL,
       PRIMARY KEY (job, seq)) STRICT, WITHOUT ROWID`,
    `CREATE TABLE ledger (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
       actor TEXT NOT NULL, job TEXT, data TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL) STRICT`,
    `CREATE TABLE agent (
       id TEXT PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL, enrolled_at INTEGER NOT NULL,
       revoked_at INTEGER, lease_until INTEGER NOT NULL, row_version INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE TABLE enrol_token (hash TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, used_by TEXT) STRICT, WITHOUT ROWID`,
    `CREATE TABLE finding (
       "check" TEXT, object TEXT, name TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL, next TEXT NOT NULL,
       opened_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL, closed_at INTEGER, times INTEGER NOT NULL, clean INTEGER NOT NULL,
       version INTEGER NOT NULL, PRIMARY KEY ("check", object)) STRICT, WITHOUT ROWID`,
    `CREATE TABLE audit (
       key TEXT PRIMARY KEY, state TEXT NOT NULL, started_at INTEGER NOT NULL, due INTEGER NOT NULL, ended_at INTEGER,
       expected INTEGER NOT NULL, "read" INTEGER NOT NULL, opened INTEGER NOT NULL, closed INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    // What waits to be sent to the read model; the payload is read when it is sent.
    `CREATE TABLE outbox (kind TEXT, id TEXT, version INTEGER NOT NULL, at INTEGER NOT NULL, fails INTEGER NOT NULL, parked TEXT,
       PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID`,
  ],
  [
    // L2: what keeps one agent from a machine on which another may still be in a call.
    "ALTER TABLE agent ADD COLUMN quiet_since INTEGER",
    "ALTER TABLE device ADD COLUMN held TEXT",
  ],
  // Ids of the agents that came for the audit.
  ["ALTER TABLE audit ADD COLUMN answered TEXT NOT NULL DEFAULT '[]'"],
  [
    "ALTER TABLE plan ADD COLUMN approvals INTEGER NOT NULL DEFAULT 0",
    // G4: who approved which plan.
    "CREATE TABLE approval (plan TEXT, person TEXT, at INTEGER NOT NULL, PRIMARY KEY (plan, person)) STRICT, WITHOUT ROWID",
    "ALTER TABLE job ADD COLUMN mode TEXT NOT NULL DEFAULT 'first-install'",
    "ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 5",
    // JSON: by, at, reason.
    "ALTER TABLE job ADD COLUMN paused TEXT",
    // J3: a job that has not ended by then is given up.
    "ALTER TABLE job ADD COLUMN due_at INTEGER",
    "UPDATE job SET due_at = created_at + 2592000000 WHERE ended_at IS NULL",
    "CREATE INDEX job_due ON job (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX job_paused ON job (id) WHERE paused IS NOT NULL",
    // J3: until when a target waits for a person.
    "ALTER TABLE job_target ADD COLUMN due_at INTEGER",
    "UPDATE job_target SET due_at = (SELECT j.created_at FROM job j WHERE j.id = job) + 2592000000 WHERE state = 'waiting'",
    "CREATE INDEX target_due ON job_target (due_at) WHERE due_at IS NOT NULL",
    // Needs that cross from one target to another; those within a target are in the steps' bodies.
    "CREATE TABLE step_need (job TEXT, need INTEGER, n INTEGER, PRIMARY KEY (job, need, n)) STRICT, WITHOUT ROWID",
    "ALTER TABLE step ADD COLUMN action TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE step ADD COLUMN disruptive INTEGER NOT NULL DEFAULT 0",
    // Lower goes first: when the job was accepted, less what its priority is worth.
    "ALTER TABLE step ADD COLUMN rank INTEGER NOT NULL DEFAULT 0",
    `UPDATE step SET action = json_extract(body, '$.action'), rank = (SELECT j.created_at FROM job j WHERE j.id = job)
       WHERE state IN ('blocked', 'ready', 'leased', 'running', 'unknown')`,
    "CREATE INDEX step_ready ON step (rank, job, n) WHERE state = 'ready'",
    "CREATE INDEX step_work ON step (agent, action, disruptive) WHERE state IN ('leased', 'running', 'unknown')",
  ],
  [
    // What the agents of a restored site have told while it is on hold; emptied by the release.
    `CREATE TABLE told_agent (
       agent TEXT PRIMARY KEY, epoch INTEGER NOT NULL, head_seq INTEGER, head_hash TEXT, after_epoch INTEGER, after_lease TEXT,
       complete INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
    `CREATE TABLE told_attempt (
       agent TEXT, lease TEXT, epoch INTEGER NOT NULL, job TEXT NOT NULL, step INTEGER NOT NULL, device TEXT NOT NULL,
       outcome TEXT NOT NULL, PRIMARY KEY (agent, lease)) STRICT, WITHOUT ROWID`,
    // Devices on which work was done that no table knows: nothing starts there before they were read.
    `CREATE TABLE unread (device TEXT PRIMARY KEY, why TEXT NOT NULL, since INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  ],
  // A job's state is derived from those of its targets, of which there may be thousands, without reading their bodies.
  ["CREATE INDEX target_state ON job_target (job, state)"],
  // All that a sync asks of what is at work stands in the index itself: with thousands at work it reads none of their rows.
  [
    "DROP INDEX step_work",
    `CREATE INDEX step_work ON step (agent, leased_at, state, lease, action, disruptive)
       WHERE state IN ('leased', 'running', 'unknown')`,
  ],
  // Jobs are numbered as they are accepted, and steps ranked by that (jobs.ts): a clock may be set back.
  [
    "ALTER TABLE job ADD COLUMN seq INTEGER NOT NULL DEFAULT 0",
    `UPDATE job SET seq = o.n FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS n FROM job) o
       WHERE o.id = job.id`,
    "CREATE UNIQUE INDEX job_seq ON job (seq)",
    "UPDATE step SET rank = (SELECT 10 * (j.seq - 20 * j.priority) + j.priority FROM job j WHERE j.id = job)",
  ],
  // Steps that had ended before version 4 lack what a retry needs: their action, for its cap.
  ["UPDATE step SET action = json_extract(body, '$.action') WHERE action = ''"],
  [
    // A queue for each action (ready-queue.ts), in which all that is asked of a waiting step stands in the index itself.
    "DROP INDEX step_ready",
    `CREATE INDEX step_ready ON step (action, disruptive, rank, job, n, at, device) WHERE state = 'ready'`,
    // Asked after every command, and for each batch that is sent; while the read model is away thousands may wait.
    "CREATE INDEX outbox_due ON outbox (at) WHERE parked IS NULL",
  ],
  // The site's policy as it was applied, from version 1 on; never edited.
  [
    `CREATE TABLE policy (
       version INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL,
       sha TEXT NOT NULL) STRICT`,
  ],
  [
    // G4: what was signed, whole. What was given before approvals were signed has none of it, and counts no more.
    "ALTER TABLE approval ADD COLUMN statement TEXT",
    "ALTER TABLE approval ADD COLUMN key TEXT",
    "ALTER TABLE approval ADD COLUMN signature TEXT",
    // G4: it was not used when the site was exported, and may have been before it was restored.
    "ALTER TABLE plan ADD COLUMN outlived INTEGER NOT NULL DEFAULT 0",
  ],
  // What an agent's process has last been asked of its own time (own-time.ts).
  ["ALTER TABLE agent ADD COLUMN process TEXT"],
];

export const newestSchema = migrations.length;

/** The version that the tables are of; 0 before the first. */
export const schemaVersion = (sql: Sql): number =>
  sql.get<{ version: number }>("SELECT version FROM schema_version")?.version ?? 0;

/**
 * Brings the tables to a version, the newest if none is named; safe to call at every start. Tables that a restore is just
 * filling (restore.ts) are left at the version of its export: what a step does to rows it must do to all of them.
 */
export function migrate(sql: Sql, to: number = newestSchema): void {
  sql.transact(() => {
    sql.run(
      "CREATE TABLE IF NOT EXISTS schema_version (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT",
    );
    const at = schemaVersion(sql);
    if (at > 0 && sql.get("SELECT 1 FROM meta WHERE key = 'restore'")) return null;
    for (const statements of migrations.slice(at, to)) for (const statement of statements) sql.run(statement);
    if (at < to) {
      sql.run(
        "INSERT INTO schema_version (one, version) VALUES (1, ?) ON CONFLICT DO UPDATE SET version = excluded.version",
        to,
      );
    }
    return null;
  });
}
