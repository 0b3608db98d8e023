/** Lists across sites, from the read model. They may lag a few seconds behind; single things are asked of the site. */

/** What of a row decides its place in a list; the cursor is the last row's. */
const order = {
  rm_device: { columns: ["site", "id"], descending: false },
  rm_asset: { columns: ["site", "id"], descending: false },
  rm_finding: { columns: ["site", "id"], descending: false },
  rm_agent: { columns: ["site", "id"], descending: false },
  rm_site: { columns: ["site", "id"], descending: false },
  rm_job: { columns: ["created_at", "site", "id"], descending: true },
} as const;
export type ReadTable = keyof typeof order;

export interface ListInput {
  /** Site ids, or null: all. */
  sites: readonly string[] | null;
  /** Column → value it must have; undefined means any. Columns are named by our code, never by a caller. */
  where?: Readonly<Partial<Record<"state" | "name" | "serial", string | undefined>>>;
  limit: number;
  cursor?: string | undefined;
}

/** A cursor that we did not make. */
export class BadCursor extends Error {
  override readonly name = "BadCursor";
}

/** What a list is read through: the database, or a session of it, which may answer from a replica near by. */
type Reader = Pick<D1Database, "prepare">;

/** One page, oldest key first (jobs: newest first). `T` is the view that the sites sent. */
export async function list<T>(
  db: Reader,
  table: ReadTable,
  input: ListInput,
): Promise<{ items: T[]; next: string | null }> {
  const { columns, descending } = order[table];
  const conditions = ["doc IS NOT NULL"];
  const params: unknown[] = [];
  const bind = (value: unknown): string => `?${params.push(value)}`;
  if (input.sites !== null)
    conditions.push(`site IN (SELECT value FROM json_each(${bind(JSON.stringify(input.sites))}))`);
  for (const [column, value] of Object.entries(input.where ?? {})) {
    if (value !== undefined) conditions.push(`${column} = ${bind(value)}`);
  }
  if (input.cursor !== undefined) {
    const last = decode(input.cursor, columns.length);
    conditions.push(`(${columns.join(", ")}) ${descending ? "<" : ">"} (${last.map(bind).join(", ")})`);
  }
  const by = columns.map((column) => `${column}${descending ? " DESC" : ""}`).join(", ");
  const { results } = await db
    .prepare(
      `SELECT doc, ${columns.join(", ")} FROM ${table} WHERE ${conditions.join(" AND ")} ORDER BY ${by} LIMIT ${bind(input.limit + 1)}`,
    )
    .bind(...params)
    .all<{ doc: string } & Record<string, string | number>>();
  const page = results.slice(0, input.limit);
  const last = page.at(-1);
  const more = results.length > input.limit && last !== undefined;
  return {
    items: page.map((row) => JSON.parse(row.doc) as T),
    next: more ? btoa(JSON.stringify(columns.map((column) => last[column]))) : null,
  };
}

function decode(cursor: string, length: number): (string | number)[] {
  try {
    const values: unknown = JSON.parse(atob(cursor));
    if (
      Array.isArray(values) &&
      values.length === length &&
      values.every((v) => ["string", "number"].includes(typeof v))
    )
      return values;
  } catch {
    // Falls through to the refusal below.
  }
  throw new BadCursor("The cursor is not one that a list gave.");
}
