/** Devices on which work was done that this site's tables do not know (release.ts): nothing starts there before they were read. */
import type { Sql } from "../../../shared/sql.ts";
import { closeFinding } from "./findings.ts";
import { holdOf } from "./hold.ts";
import { settlingOf } from "./settling.ts";
import type { Tx } from "./tx.ts";

export const isUnread = (sql: Sql, device: string): boolean =>
  sql.get("SELECT 1 FROM unread WHERE device = ?", device) !== undefined;

/** An audit has read the device: what it is like now is known again, but for what calls of before may still do (J4). */
export function wasRead(tx: Tx, device: string): void {
  if (!isUnread(tx.sql, device) || holdOf(tx.sql) || settlingOf(tx.sql)) return;
  tx.sql.run("DELETE FROM unread WHERE device = ?", device);
  closeFinding(tx, "unknown-work", device);
  tx.ring();
}
