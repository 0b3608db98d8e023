/**
 * Machines on which work was done that this site's tables do not know (release.ts): nothing starts there before they were
 * read. Kept by the device in whose place the machine stands, and by its asset while it stands in none: it stays unread
 * wherever it goes.
 */
import type { Sql } from "../../../shared/sql.ts";
import { closeFinding, found } from "./findings.ts";
import { holdOf } from "./hold.ts";
import { settlingOf } from "./settling.ts";
import type { Tx } from "./tx.ts";

const whyUnread = (sql: Sql, object: string): string | undefined =>
  sql.get<{ why: string }>("SELECT why FROM unread WHERE device = ?", object)?.why;

export const isUnread = (sql: Sql, device: string): boolean => whyUnread(sql, device) !== undefined;

export const holdBack = (tx: Tx, device: string, why: string): void =>
  tx.sql.run("INSERT OR REPLACE INTO unread (device, why, since) VALUES (?, ?, ?)", device, why, tx.now);

/** One finding each; where all machines are unread, there is one for the site. */
export const sayUnread = (tx: Tx, object: string, name: string, why: string): void =>
  void found(tx, {
    check: "unknown-work",
    object,
    name,
    severity: "high",
    text: `The site was restored from an export that does not know what was done on ${name}: ${why}.`,
    next: "Nothing starts there before an audit has read it; compare the machine with the record.",
  });

/**
 * An audit has read the machine, as its serial says: what it is like now is known again, but for what calls of before may
 * still do (J4).
 */
export function wasRead(tx: Tx, device: string): void {
  if (!isUnread(tx.sql, device) || holdOf(tx.sql) || settlingOf(tx.sql)) return;
  tx.sql.run("DELETE FROM unread WHERE device = ?", device);
  closeFinding(tx, "unknown-work", device);
  if (!tx.sql.get("SELECT 1 FROM unread LIMIT 1")) closeFinding(tx, "unknown-work", tx.site.id);
  tx.ring();
}

/** The machine has another place: `from` and `to` are devices, or its asset while it stands in none. */
export function moveUnread(tx: Tx, from: string, to: string, name: string): void {
  const why = whyUnread(tx.sql, from);
  if (why === undefined) return;
  tx.sql.run("UPDATE unread SET device = ? WHERE device = ?", to, from);
  closeFinding(tx, "unknown-work", from);
  sayUnread(tx, to, name, why);
}
