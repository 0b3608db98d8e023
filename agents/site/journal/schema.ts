import type { Sql } from "../../../shared/sql.ts";

/** The journal's migrations, in order; one that was released is never edited. */
const migrations: readonly string[] = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE epoch (device TEXT PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE attempt (lease TEXT PRIMARY KEY, device TEXT NOT NULL, body TEXT NOT NULL, started_at INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE report (lease TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE boot (
     id TEXT PRIMARY KEY, nonce TEXT NOT NULL UNIQUE, job TEXT NOT NULL, device TEXT NOT NULL, mac TEXT NOT NULL,
     serial TEXT NOT NULL, opened_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
     fetched_at INTEGER, hello_at INTEGER, hello_serial TEXT, first_boot_at INTEGER, os_serial TEXT, booted_from TEXT, closed_at INTEGER, closed_why TEXT
   ) WITHOUT ROWID;
   CREATE INDEX boot_open ON boot (mac) WHERE closed_at IS NULL;
   CREATE INDEX boot_device ON boot (device, opened_at);
   CREATE TABLE command (
     boot TEXT NOT NULL REFERENCES boot (id), n INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, state TEXT,
     PRIMARY KEY (boot, n)
   ) WITHOUT ROWID;
   CREATE TABLE effect (
     id INTEGER PRIMARY KEY, device TEXT NOT NULL, lease TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, outcome TEXT
   );
   CREATE INDEX effect_device ON effect (device, at);
   CREATE TABLE powered (device TEXT PRIMARY KEY, serial TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE in_service (asset TEXT PRIMARY KEY, serial TEXT NOT NULL, device TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE audit (audit_window TEXT NOT NULL, device TEXT NOT NULL, target TEXT NOT NULL, observation TEXT,
     PRIMARY KEY (audit_window, device)) WITHOUT ROWID;
   CREATE TABLE unknown (mac TEXT PRIMARY KEY, seen TEXT NOT NULL, at INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
   CREATE TABLE bmc_session (bmc TEXT PRIMARY KEY, location TEXT NOT NULL) WITHOUT ROWID;`,
  `CREATE TABLE past (
     epoch INTEGER NOT NULL, lease TEXT NOT NULL, job TEXT NOT NULL, step INTEGER NOT NULL, device TEXT NOT NULL,
     outcome TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (epoch, lease)
   ) WITHOUT ROWID;
   CREATE INDEX past_at ON past (at);`,
  // Boots of a device are counted: which one is the newest must not hang on a clock that may be set back.
  `ALTER TABLE boot ADD COLUMN n INTEGER NOT NULL DEFAULT 0;
   UPDATE boot SET n = (SELECT count(*) FROM boot o
     WHERE o.device = boot.device AND (o.opened_at, o.id) <= (boot.opened_at, boot.id));`,
  // Approvals (G4): who may give them, the plans they are for, and what of those was begun and done.
  `CREATE TABLE approver (key TEXT PRIMARY KEY, person TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE approver_change (revision INTEGER PRIMARY KEY, at INTEGER NOT NULL, how TEXT NOT NULL);
   CREATE TABLE plan (hash TEXT PRIMARY KEY, body TEXT NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE planned_step (
     plan TEXT NOT NULL, step INTEGER NOT NULL, asset TEXT NOT NULL, destructive INTEGER NOT NULL, begun_at INTEGER NOT NULL,
     ended_at INTEGER, result TEXT, over INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (plan, step)
   ) WITHOUT ROWID;
   CREATE INDEX planned_step_asset ON planned_step (asset);
   CREATE TABLE served (asset TEXT NOT NULL, serial TEXT NOT NULL, device TEXT NOT NULL, at INTEGER NOT NULL,
     PRIMARY KEY (asset, serial)) WITHOUT ROWID;
   INSERT INTO served SELECT asset, serial, device, at FROM in_service;
   DROP TABLE in_service;
   ALTER TABLE served RENAME TO in_service;
   CREATE INDEX in_service_serial ON in_service (serial);`,
];

/** Brings the journal to the newest schema; tests stop at an older one. */
export function migrate(sql: Sql, to = migrations.length): void {
  sql.run("CREATE TABLE IF NOT EXISTS migration (n INTEGER PRIMARY KEY)");
  sql.transact(() => {
    const done = sql.get<{ n: number | null }>("SELECT max(n) AS n FROM migration")?.n ?? -1;
    for (const [n, text] of migrations.slice(0, to).entries()) {
      if (n <= done) continue;
      for (const statement of text.split(";")) if (statement.trim()) sql.run(statement);
      sql.run("INSERT INTO migration (n) VALUES (?)", n);
    }
  });
}
