import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { Sql, SqlValue } from "../../shared/sql.ts";

/** The Sql seam over `node:sqlite`, on which the core runs in tests, simulations and measurements. */
export class NodeSql implements Sql {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  #written = 0;

  constructor(path = ":memory:") {
    this.#db = new DatabaseSync(path);
  }

  all<T>(statement: string, ...params: SqlValue[]): T[] {
    return this.#prepare(statement).all(...params) as T[];
  }

  get<T>(statement: string, ...params: SqlValue[]): T | undefined {
    return this.#prepare(statement).get(...params) as T | undefined;
  }

  run(statement: string, ...params: SqlValue[]): void {
    const { changes } = this.#prepare(statement).run(...params);
    this.#written += Number(changes);
  }

  transact<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    const name = `t${this.#depth}`;
    this.#db.exec(`SAVEPOINT ${name}`);
    this.#depth += 1;
    try {
      const result: unknown = body();
      if (result instanceof Promise) throw new TypeError("A transaction's body must be synchronous.");
      this.#db.exec(`RELEASE ${name}`);
      return result as T;
    } catch (error) {
      this.#db.exec(`ROLLBACK TO ${name}`);
      this.#db.exec(`RELEASE ${name}`);
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  /** Changed rows only: Node does not tell the index entries that the platform bills besides. */
  written(): number {
    return this.#written;
  }

  close(): void {
    this.#db.close();
  }

  #prepare(statement: string): StatementSync {
    let prepared = this.#statements.get(statement);
    if (!prepared) {
      prepared = this.#db.prepare(statement);
      this.#statements.set(statement, prepared);
    }
    return prepared;
  }
}
