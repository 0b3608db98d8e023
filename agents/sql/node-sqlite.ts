import { chmodSync, closeSync, fdatasync, openSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Sql, SqlValue } from "../../shared/sql.ts";

export interface NodeSql extends Sql {
  /**
   * Resolves when everything committed before the call is on the disk itself. Commits alone are safe from a killed
   * process; this makes them safe from a power cut, for all who wait at the same time with one sync, and without
   * holding up the thread (a sync took 8 to 30 ms where this was measured).
   */
  durable(): Promise<void>;
  close(): void;
}

/** Statements kept prepared; a journal has some dozens. */
const MAX_STATEMENTS = 200;

export interface SqlOptions {
  /** Nobody else may open the file while this process lives; the lock ends with the process, however it ends. */
  exclusive?: boolean;
  /** How long to wait for another's lock: a killed process may still be ending. 5 s by default. */
  waitMs?: number;
}

/**
 * The SQL seam on `node:sqlite`. A file is made with mode 0600 and written ahead (WAL); who journals before an effect
 * waits for `durable` (A2). `:memory:` serves tests and simulations.
 * Throws when the file cannot be opened, or another process has it exclusively.
 */
export function openSql(path: string, options: SqlOptions = {}): NodeSql {
  const db = new DatabaseSync(path);
  if (path !== ":memory:") {
    chmodSync(path, 0o600);
    db.exec(`PRAGMA busy_timeout = ${options.waitMs ?? 5000};`);
    if (options.exclusive) db.exec("PRAGMA locking_mode = EXCLUSIVE;");
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    // The lock is taken by the first write.
    if (options.exclusive) db.exec("BEGIN IMMEDIATE; COMMIT;");
  }
  db.exec("PRAGMA foreign_keys = ON;");
  const prepared = new Map<string, StatementSync>();
  let written = 0;
  let depth = 0;

  const statement = (text: string): StatementSync => {
    const known = prepared.get(text);
    if (known) return known;
    if (prepared.size >= MAX_STATEMENTS) prepared.clear();
    const fresh = db.prepare(text);
    prepared.set(text, fresh);
    return fresh;
  };

  // The write-ahead log holds every commit since the last checkpoint, which syncs what it moves.
  const syncer = path === ":memory:" ? { durable: async () => {}, close() {} } : groupSync(`${path}-wal`);

  return {
    all: <T>(text: string, ...params: SqlValue[]) => statement(text).all(...params) as T[],
    get: <T>(text: string, ...params: SqlValue[]) => statement(text).get(...params) as T | undefined,
    run(text, ...params) {
      written += Number(statement(text).run(...params).changes);
    },
    transact(body) {
      // A transaction inside another is part of it: what fails rolls back the whole.
      if (depth > 0) return body() as never;
      db.exec("BEGIN IMMEDIATE");
      depth += 1;
      try {
        const value = body();
        if (value instanceof Promise) throw new TypeError("A transaction's body may not be asynchronous (C2).");
        db.exec("COMMIT");
        return value as never;
      } catch (error) {
        db.exec("ROLLBACK");
        throw error;
      } finally {
        depth -= 1;
      }
    },
    written: () => written,
    durable: syncer.durable,
    close() {
      syncer.close();
      db.close();
    },
  };
}

/** Syncs one file for any number of waiters: those who come during a sync share the next one. */
function groupSync(file: string): { durable(): Promise<void>; close(): void } {
  const fd = openSync(file, "r+");
  let closed = false;
  let current: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const sync = () =>
    new Promise<void>((resolve, reject) => {
      if (closed) return reject(new Error("The journal is closed."));
      fdatasync(fd, (error) => (error ? reject(error) : resolve()));
    });
  const start = (): Promise<void> => {
    const mine = sync().finally(() => {
      if (current === mine) current = undefined;
    });
    current = mine;
    return mine;
  };
  return {
    durable() {
      if (!current) return start();
      // A sync under way may have begun before our commit.
      next ??= current
        .catch(() => undefined)
        .then(() => {
          next = undefined;
          return start();
        });
      return next;
    },
    close() {
      closed = true;
      closeSync(fd);
    },
  };
}
