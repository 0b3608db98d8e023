import type { Millis, Random, Sha256 } from "../../../shared/deps.ts";
import { type Fault, TurnupError } from "../../../shared/errors.ts";
import { type IdKind, newId } from "../../../shared/ids.ts";
import type { VerifySignature } from "../../../shared/model/approval.ts";
import type { JobEvent } from "../../../shared/model/job.ts";
import type { SiteView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Workflow } from "../../workflows/workflow.ts";
import type { Effect, OutboxKind } from "./commands.ts";

/** What a core is made with. Everything else comes with each command. */
export interface CoreDeps {
  sha256: Sha256;
  /** Ed25519, for approvals (G4). */
  verify: VerifySignature;
  workflows: ReadonlyMap<string, Workflow>;
}

/** How long a changed row may wait before it is sent to the read model: changes within it are sent once. */
export const OUTBOX_DELAY_MS = 2_000;

export type SiteRecord = Pick<SiteView, "id" | "name" | "locationHint" | "jurisdiction" | "createdAt"> & {
  revision: number;
  version: number;
  /** Absent in a site that was never restored: 1. */
  generation?: number;
};

/** One command at work: the tables, the moment, and the effects collected so far. */
export class Tx {
  readonly sql: Sql;
  readonly now: Millis;
  readonly random: Random;
  readonly deps: CoreDeps;
  readonly events: JobEvent[] = [];
  /** Jobs of which a target has changed: their state is derived once, when the command is done. */
  readonly changedJobs = new Set<string>();
  #ring = false;
  readonly #other: Effect[] = [];
  /** Sequences of the jobs' newest events, as far as they were asked for. */
  readonly #lastEvents = new Map<string, number>();
  #site: SiteRecord | undefined;

  constructor(sql: Sql, now: Millis, random: Random, deps: CoreDeps) {
    this.sql = sql;
    this.now = now;
    this.random = random;
    this.deps = deps;
  }

  /** Refuses the whole command: everything it wrote is rolled back. */
  fail(code: TurnupError["code"], detail: string, errors?: Fault[]): never {
    throw new TurnupError({ code, detail, ...(errors && { errors }) });
  }

  get site(): SiteRecord {
    this.#site ??= readMeta<SiteRecord>(this.sql, "site");
    return this.#site ?? this.fail("site_unknown", "This site has not been created.");
  }

  saveSite(record: SiteRecord): void {
    this.#site = { ...record, version: record.version + 1 };
    writeMeta(this.sql, "site", this.#site);
    this.dirty("site", record.id, this.#site.version);
  }

  id(kind: Exclude<IdKind, "site">): string {
    return newId(kind, this.site.id, this.random);
  }

  /** What does not change within a command, or is told by `forget` when it does, is read once for it. */
  once<T>(key: string, read: () => T): T {
    if (!this.#once.has(key)) this.#once.set(key, read());
    return this.#once.get(key) as T;
  }
  forget(key: string): void {
    this.#once.delete(key);
  }
  readonly #once = new Map<string, unknown>();

  /** Agents should sync now: work or an answer waits for them. */
  ring(): void {
    this.#ring = true;
  }
  effect(effect: Effect): void {
    this.#other.push(effect);
  }

  /** Writes an event of a job, gapless, and has it sent to those who watch. */
  event(
    job: string,
    kind: JobEvent["kind"],
    about: { device?: string; step?: string } = {},
    data: Record<string, unknown> = {},
  ): void {
    const seq = 1 + this.lastEvent(job);
    this.#lastEvents.set(job, seq);
    const event: JobEvent = {
      job,
      seq,
      at: this.now,
      kind,
      device: about.device ?? null,
      step: about.step ?? null,
      data,
    };
    this.sql.run(
      "INSERT INTO event (job, seq, at, kind, device, step, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
      job,
      seq,
      this.now,
      kind,
      event.device,
      event.step,
      JSON.stringify(data),
    );
    this.events.push(event);
  }

  /** Sequence of a job's newest event. */
  lastEvent(job: string): number {
    return this.#lastEvents.get(job) ?? lastEvent(this.sql, job);
  }

  /** The row has changed and goes to the read model; several changes within the delay are sent once (C4). */
  dirty(kind: OutboxKind, id: string, version: number): void {
    this.#marked = true;
    this.sql.run(
      `INSERT INTO outbox (kind, id, version, at, fails) VALUES (?, ?, ?, ?, 0)
       ON CONFLICT DO UPDATE SET version = excluded.version, parked = NULL, at = CASE WHEN parked IS NULL THEN at ELSE excluded.at END,
         fails = CASE WHEN parked IS NULL THEN fails ELSE 0 END
       WHERE version <> excluded.version OR parked IS NOT NULL`,
      kind,
      id,
      version,
      this.now + OUTBOX_DELAY_MS,
    );
  }

  /** Whether any row was marked to be sent. */
  get marked(): boolean {
    return this.#marked;
  }
  #marked = false;

  /** A site-wide counter: it grows with every lease batch, so per device it only grows (L2), for one row written. */
  nextEpoch(): number {
    if (this.#epoch === undefined) {
      this.#epoch = 1 + (readMeta<number>(this.sql, "epoch") ?? 0);
      writeMeta(this.sql, "epoch", this.#epoch);
    }
    return this.#epoch;
  }
  #epoch: number | undefined;

  effects(): Effect[] {
    const out = [...this.#other];
    if (this.#ring) out.push({ kind: "ring" });
    if (this.events.length > 0) out.push({ kind: "events", events: this.events });
    return out;
  }
}

export function readMeta<T>(sql: Sql, key: string): T | undefined {
  const row = sql.get<{ value: string }>("SELECT value FROM meta WHERE key = ?", key);
  return row && (JSON.parse(row.value) as T);
}

/** Writes only what has changed: an equal value costs no row. */
export function writeMeta(sql: Sql, key: string, value: unknown): void {
  sql.run(
    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
    key,
    JSON.stringify(value),
  );
}

/** Sequence of a job's newest event; it doubles as the job's version. */
export function lastEvent(sql: Sql, job: string): number {
  return sql.get<{ seq: number | null }>("SELECT max(seq) AS seq FROM event WHERE job = ?", job)?.seq ?? 0;
}

/** A row holds at most 2 MB; longer texts are kept in parts of this many characters. */
const PART_CHARS = 400_000;

export function writeText(sql: Sql, key: string, text: string): void {
  const parts = Math.max(1, Math.ceil(text.length / PART_CHARS));
  for (let n = 0; n < parts; n++) {
    sql.run(
      "INSERT INTO text_part (key, n, text) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET text = excluded.text WHERE text <> excluded.text",
      key,
      n,
      text.slice(n * PART_CHARS, (n + 1) * PART_CHARS),
    );
  }
  sql.run("DELETE FROM text_part WHERE key = ? AND n >= ?", key, parts);
}

export function readText(sql: Sql, key: string): string | undefined {
  const parts = sql.all<{ text: string }>("SELECT text FROM text_part WHERE key = ? ORDER BY n", key);
  return parts.length === 0 ? undefined : parts.map((p) => p.text).join("");
}
