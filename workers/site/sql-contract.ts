/** What every Sql must do, as one suite: run on the object's SQLite and on `node:sqlite` alike. */
import { expect, it } from "vitest";
import type { Sql } from "../../shared/sql.ts";

/** `within` opens an empty database and runs the body where it may be used. */
export function sqlContract(within: (body: (sql: Sql) => void) => void | Promise<void>): void {
  const holds = (name: string, body: (sql: Sql) => void): void => {
    it(name, () =>
      within((sql) => {
        sql.run("CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER) STRICT, WITHOUT ROWID");
        body(sql);
      }),
    );
  };
  const keys = (sql: Sql): string[] => sql.all<{ k: string }>("SELECT k FROM t ORDER BY k").map((row) => row.k);

  holds("gives rows as plain objects, and undefined for none", (sql) => {
    sql.run("INSERT INTO t (k, n) VALUES (?, ?), (?, ?)", "a", 1, "b", null);
    expect(sql.all("SELECT k, n FROM t ORDER BY k")).toEqual([
      { k: "a", n: 1 },
      { k: "b", n: null },
    ]);
    expect(sql.get("SELECT k, n FROM t WHERE k = ?", "a")).toEqual({ k: "a", n: 1 });
    expect(sql.get("SELECT k FROM t WHERE k = ?", "x")).toBeUndefined();
  });

  holds("takes numbered parameters, a value used twice, and whole numbers up to 2^53", (sql) => {
    const big = Number.MAX_SAFE_INTEGER;
    sql.run("INSERT INTO t (k, n) VALUES (?2, ?1)", big, "a");
    expect(sql.get("SELECT n FROM t WHERE k = ?1 OR ?1 IS NULL", "a")).toEqual({ n: big });
  });

  holds("expands a JSON list, which is how more than 100 values are passed", (sql) => {
    const many = Array.from({ length: 250 }, (_, n) => [`k${n}`, n]);
    sql.run("INSERT INTO t (k, n) SELECT value ->> 0, value ->> 1 FROM json_each(?)", JSON.stringify(many));
    expect(sql.get("SELECT count(*) AS n, sum(n) AS s FROM t")).toEqual({ n: 250, s: 31_125 });
  });

  holds("returns rows from a write that asks for them", (sql) => {
    expect(sql.all("INSERT INTO t (k, n) VALUES ('a', 1) RETURNING k")).toEqual([{ k: "a" }]);
    expect(sql.all("UPDATE t SET n = 2 WHERE k = 'x' RETURNING k")).toEqual([]);
  });

  holds("[C2] keeps all that a transaction wrote, or, after a throw, nothing", (sql) => {
    expect(sql.transact(() => sql.all("INSERT INTO t (k) VALUES ('a') RETURNING k"))).toEqual([{ k: "a" }]);
    const boom = new Error("boom");
    expect(() =>
      sql.transact(() => {
        sql.run("INSERT INTO t (k) VALUES ('b')");
        throw boom;
      }),
    ).toThrow(boom);
    expect(keys(sql)).toEqual(["a"]);
  });

  holds("[C2] rolls an inner transaction back alone", (sql) => {
    sql.transact(() => {
      sql.run("INSERT INTO t (k) VALUES ('outer')");
      expect(() =>
        sql.transact(() => {
          sql.run("INSERT INTO t (k) VALUES ('inner')");
          throw new Error("inner");
        }),
      ).toThrow("inner");
    });
    expect(keys(sql)).toEqual(["outer"]);
  });

  holds("[C2] refuses a body that returns a promise, and rolls back what it wrote", (sql) => {
    const sneaky = (async () => {
      sql.run("INSERT INTO t (k) VALUES ('a')");
    }) as unknown as () => never;
    expect(() => sql.transact(sneaky)).toThrow(TypeError);
    expect(keys(sql)).toEqual([]);
  });

  holds("throws on a broken constraint, and goes on", (sql) => {
    sql.run("INSERT INTO t (k) VALUES ('a')");
    expect(() => sql.run("INSERT INTO t (k) VALUES ('a')")).toThrow(/UNIQUE/);
    sql.run("INSERT INTO t (k) VALUES ('b')");
    expect(keys(sql)).toEqual(["a", "b"]);
  });

  holds("[C4] counts the rows written, and none for what only reads", (sql) => {
    const before = sql.written();
    sql.run("INSERT INTO t (k, n) VALUES ('a', 1), ('b', 2)");
    sql.run("UPDATE t SET n = 3 WHERE k = 'a'");
    sql.run("DELETE FROM t WHERE k = 'b'");
    expect(sql.written() - before).toBe(4);
    sql.all("SELECT * FROM t");
    expect(sql.written() - before).toBe(4);
  });
}
