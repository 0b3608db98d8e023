/** The agent's journal as a process sees it that may be killed at any write: before it, or right after its commit. */
import type { Sql, SqlValue } from "../../shared/sql.ts";

/** Thrown where the process ends; nothing after it has any effect outside. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** One life of a process. */
export interface Life {
  alive: boolean;
}

export class MortalSql implements Sql {
  readonly #disk: Sql;
  readonly #life: Life;
  readonly #killed: (when: "before" | "after") => boolean;
  #depth = 0;

  /** `killed` decides at each write whether the process ends there, and ends it. */
  constructor(disk: Sql, life: Life, killed: (when: "before" | "after") => boolean) {
    this.#disk = disk;
    this.#life = life;
    this.#killed = killed;
  }

  all<T>(statement: string, ...params: SqlValue[]): T[] {
    this.#live();
    return this.#disk.all<T>(statement, ...params);
  }
  get<T>(statement: string, ...params: SqlValue[]): T | undefined {
    this.#live();
    return this.#disk.get<T>(statement, ...params);
  }
  run(statement: string, ...params: SqlValue[]): void {
    this.#die("before");
    this.#disk.run(statement, ...params);
    // Inside a transaction nothing is kept before its end.
    if (this.#depth === 0) this.#die("after");
  }
  transact<T>(body: () => T extends PromiseLike<unknown> ? never : T): T {
    this.#live();
    this.#depth += 1;
    let value: T;
    try {
      value = this.#disk.transact(body);
    } finally {
      this.#depth -= 1;
    }
    if (this.#depth === 0) this.#die("after");
    return value;
  }
  written(): number {
    return this.#disk.written();
  }

  #live(): void {
    if (!this.#life.alive) throw new Killed();
  }
  #die(when: "before" | "after"): void {
    this.#live();
    if (this.#killed(when)) throw new Killed();
  }
}
