import type { Sql, SqlValue } from "../../shared/sql.ts";

/** The Sql seam over a Durable Object's own SQLite. Statements are synchronous; every cursor is read to its end. */
export class StorageSql implements Sql {
  readonly #storage: DurableObjectStorage;
  #written = 0;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  all<T>(statement: string, ...params: SqlValue[]): T[] {
    const cursor = this.#storage.sql.exec(statement, ...params);
    const rows = cursor.toArray() as T[];
    this.#written += cursor.rowsWritten;
    return rows;
  }

  get<T>(statement: string, ...params: SqlValue[]): T | undefined {
    return this.all<T>(statement, ...params)[0];
  }

  run(statement: string, ...params: SqlValue[]): void {
    this.all(statement, ...params);
  }

  transact<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    return this.#storage.transactionSync(() => {
      const result: unknown = body();
      // The platform takes an async body without a word; what it writes after its first await would escape (C2).
      if (result instanceof Promise) throw new TypeError("A transaction's body must be synchronous.");
      return result as T;
    });
  }

  written(): number {
    return this.#written;
  }

  /** Rows that the platform bills for something else than a statement: setting an alarm costs one. */
  charge(rows: number): void {
    this.#written += rows;
  }
}
