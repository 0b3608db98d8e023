/**
 * The synchronous SQL seam. The site object (Durable Object storage), the simulation and the agent's journal
 * (both `node:sqlite`) offer this same interface, so one piece of code runs on all of them.
 */
export type SqlValue = string | number | null;
export type SqlRow = Record<string, SqlValue>;

export interface Sql {
  /** Runs one statement and returns its rows, fully read: no cursor is left open. */
  all<T = SqlRow>(statement: string, ...params: SqlValue[]): T[];
  /** The first row, or undefined. */
  get<T = SqlRow>(statement: string, ...params: SqlValue[]): T | undefined;
  /** Runs one statement for its effect. */
  run(statement: string, ...params: SqlValue[]): void;
  /**
   * All or nothing: a throw rolls everything back (C2). A body that returns a promise is refused by the type and at
   * run time, since what it writes after its first await would escape the transaction.
   */
  transact<T>(body: () => T extends PromiseLike<unknown> ? never : T): T;
  /** Rows written since this was opened, indexes included, as the platform bills them (C4). */
  written(): number;
}
