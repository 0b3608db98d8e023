/** D1's read replicas: a list may be answered by one, but never by one that is behind what this caller has seen. */
import type { Context } from "hono";
import { type ListInput, list, type ReadTable } from "../readmodel/queries.ts";
import type { AppEnv } from "./route.ts";

/** Given with every list; sent back by a client, the next list is not older than the last. */
const BOOKMARK = "x-turnup-bookmark";
/** As D1 makes them; anything else is as good as none. */
const FORM = /^([0-9a-f]{8}-){3}[0-9a-f]{32}$/;

export async function listPage<T>(
  c: Context<AppEnv>,
  table: ReadTable,
  input: ListInput,
  /** Which copy may answer a caller who sends no bookmark. */
  otherwise: "first-unconstrained" | "first-primary" = "first-unconstrained",
): Promise<{ items: T[]; next: string | null }> {
  const given = c.req.header(BOOKMARK);
  const session = c.env.DB.withSession(given !== undefined && FORM.test(given) ? given : otherwise);
  const page = await list<T>(session, table, input);
  const bookmark = session.getBookmark();
  if (bookmark !== null) c.header(BOOKMARK, bookmark);
  return page;
}
