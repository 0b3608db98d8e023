/** Whether a job was cancelled: asked with every report and every lease, and read once in a command. */
import type { Tx } from "./tx.ts";

const key = (job: string): string => `cancelled ${job}`;

export const isCancelled = (tx: Tx, job: string): boolean =>
  tx.once(key(job), () => tx.sql.get("SELECT 1 FROM job WHERE id = ? AND cancelled_by IS NOT NULL", job) !== undefined);

/** Whoever cancelled it first stays the one who did. */
export function setCancelled(tx: Tx, job: string, by: string): void {
  tx.sql.run("UPDATE job SET cancelled_by = coalesce(cancelled_by, ?) WHERE id = ?", by, job);
  tx.forget(key(job));
}
