import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { RunPaths } from "./paths.ts";

/**
 * Takes the right to run from this folder, or returns undefined if another process has it. The lock is one of the
 * operating system on a file, so a process that is killed leaves nothing to clean up.
 */
export function takeLock({ dir, lock }: RunPaths): { release: () => void } | undefined {
  mkdirSync(dir, { recursive: true });
  const db = new DatabaseSync(lock);
  try {
    db.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    return { release: () => db.close() };
  } catch (error) {
    db.close();
    if (error instanceof Error && /locked|busy/.test(error.message)) return undefined;
    throw error;
  }
}

/** Forgets everything of earlier runs, except the lock that is held. */
export function forgetAll({ dir, lock }: RunPaths): void {
  for (const name of readdirSync(dir))
    if (!name.startsWith(basename(lock))) rmSync(join(dir, name), { recursive: true, force: true });
}
