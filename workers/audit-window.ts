/** Audit windows: the name by which cron, people and the simulation ask for the same audit. */
import type { Millis } from "../shared/deps.ts";

/** As wrangler.toml's cron; a trigger that comes twice or late names the same window. */
export const WINDOW_MS = 15 * 60_000;

export const windowKey = (at: Millis): string =>
  `audit:${new Date(Math.floor(at / WINDOW_MS) * WINDOW_MS).toISOString().slice(0, 16)}`;
