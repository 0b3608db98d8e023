/** Sends the outbox to the read model, from the alarm only, bounded (C1); a batch that fails is tried row by row (C3). */
import type { Outcome } from "../../shared/errors.ts";
import type { SiteView } from "../../shared/model/views.ts";
import type { OutboxEntry } from "./core/commands.ts";

type Key = Pick<OutboxEntry, "kind" | "id" | "version">;

export interface DrainDeps {
  next(limit: number): Outcome<OutboxEntry[]>;
  site(): Outcome<SiteView>;
  /** Whether the read model must first forget the site's rows; `forget` has it do so, `dropped` notes that it has. */
  drop(): Outcome<boolean>;
  forget(site: SiteView): Promise<number>;
  dropped(): unknown;
  /** Sends rows and returns how many were written; throws when they were not taken. */
  deliver(site: SiteView, entries: readonly OutboxEntry[]): Promise<number>;
  delivered(entries: Key[], rows: number): unknown;
  /** `outage`: nothing was wrong with these rows, and all wait. */
  failed(entries: Key[], reason: string, outage: boolean): unknown;
}

/** Rows in one batch: with views of a few hundred bytes well below D1's 2 MB for a value. */
export const BATCH = 200;
/** Batches in one alarm, which keeps it far below the platform's 15 minutes; the next alarm goes on at once. */
export const MAX_BATCHES = 20;

/** True when the bound stopped it and more is waiting. */
export async function drainOutbox(deps: DrainDeps): Promise<boolean> {
  if (!(await dropFirst(deps))) return false;
  for (let n = 0; n < MAX_BATCHES; n++) {
    const entries = deps.next(BATCH);
    const site = deps.site();
    if (!entries.ok || !site.ok || entries.value.length === 0) return false;
    if (!(await send(deps, site.value, entries.value))) return false;
    if (entries.value.length < BATCH) return false;
  }
  return true;
}

/** E3: before a rebuild. False when the database was away: then it is tried again later, and nothing is sent before. */
async function dropFirst(deps: DrainDeps): Promise<boolean> {
  const drop = deps.drop();
  const site = deps.site();
  if (!drop.ok || !drop.value || !site.ok) return true;
  const forgotten = await attempt(() => deps.forget(site.value));
  if (typeof forgotten !== "number") {
    deps.failed([], forgotten.reason, true);
    return false;
  }
  deps.dropped();
  return true;
}

/** False when nothing went through, so that an outage costs one try per alarm, not a loop. */
async function send(deps: DrainDeps, site: SiteView, entries: OutboxEntry[]): Promise<boolean> {
  const rows = await attempt(() => deps.deliver(site, entries));
  if (typeof rows === "number") {
    deps.delivered(entries.map(key), rows);
    return true;
  }
  if (entries.length === 1 || isOutage(rows.reason)) {
    deps.failed(entries.map(key), rows.reason, isOutage(rows.reason));
    return false;
  }
  // One row that D1 will not take must not hold up the others: the batch is halved until it stands alone.
  const half = Math.ceil(entries.length / 2);
  const first = await send(deps, site, entries.slice(0, half));
  const second = await send(deps, site, entries.slice(half));
  return first || second;
}

/** Faults of the database as a whole, not of a row; there is no use in trying the other half. */
const isOutage = (reason: string): boolean => !/constraint|SQLITE_ERROR|malformed|too big|mismatch/i.test(reason);

async function attempt(run: () => Promise<number>): Promise<number | { reason: string }> {
  try {
    return await run();
  } catch (cause) {
    return { reason: String(cause instanceof Error ? cause.message : cause).slice(0, 300) };
  }
}

const key = ({ kind, id, version }: OutboxEntry): Key => ({ kind, id, version });
