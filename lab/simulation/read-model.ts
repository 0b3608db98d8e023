/** D1, as much of it as the projection uses, on `node:sqlite` with the project's own migration. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { SiteView } from "../../shared/model/views.ts";
import { forget, forgetting, project, type ReadModel } from "../../workers/readmodel/projection.ts";
import type { OutboxEntry } from "../../workers/site/core/commands.ts";
import type { Sim } from "./sim.ts";

const FOLDER = join(import.meta.dirname, "../../migrations");
const migrations = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".sql"))
  .sort()
  .map((name) => readFileSync(join(FOLDER, name), "utf8").replaceAll("--> statement-breakpoint", ""));

type SiteKey = Pick<SiteView, "id" | "generation">;

interface Bound {
  statement: StatementSync;
  values: (string | number)[];
}

export class SimReadModel implements ReadModel<Bound> {
  readonly #sim: Sim;
  readonly #db = new DatabaseSync(":memory:");
  readonly #random;
  readonly #prepared = new Map<string, StatementSync>();
  #downUntil = 0;
  /** A row that it will not take until then. */
  #refused: { kind: string; id: string; until: number } | undefined;

  constructor(sim: Sim) {
    this.#sim = sim;
    this.#random = sim.stream("read model");
    for (const migration of migrations) this.#db.exec(migration);
  }

  goDown(ms: number): void {
    this.#downUntil = this.#sim.clock.now + ms;
  }
  mend(): void {
    this.#downUntil = 0;
    this.#refused = undefined;
  }

  /** What the object's shell calls; takes its time, and fails as D1 does. */
  async deliver(site: SiteKey, entries: readonly OutboxEntry[]): Promise<number> {
    const { clock, faults, coverage } = this.#sim;
    await clock.pause(this.#random.between(2, 60));
    if (clock.now < this.#downUntil) throw new Error("D1_ERROR: Network connection lost.");
    const [first] = entries;
    if (first && faults.strikes("read model refuses a row"))
      this.#refused = { kind: first.kind, id: first.id, until: clock.now + this.#random.between(10_000, 3_600_000) };
    const refused = this.#refused;
    if (refused && clock.now < refused.until && entries.some((e) => e.kind === refused.kind && e.id === refused.id)) {
      coverage.rule("C3");
      throw new Error("D1_ERROR: CHECK constraint failed: SQLITE_CONSTRAINT");
    }
    const written = await project(this, site, entries);
    if (written < entries.length) coverage.rule("C3");
    if (faults.strikes("read model: answer lost")) throw new Error("D1_ERROR: Network connection lost.");
    return written;
  }

  /** A restored site is registered, as the Worker does it: the older object's rows go, and it writes none any more (L2). */
  async register(site: SiteView): Promise<void> {
    const record = this.prepare(
      `INSERT INTO site (id, name, location_hint, jurisdiction, created_at, generation) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET generation = excluded.generation WHERE excluded.generation > site.generation`,
    ).bind(site.id, site.name, site.locationHint, site.jurisdiction, site.createdAt, site.generation);
    await this.batch([record, ...forgetting<Bound>(this, site)]);
  }

  forget(site: SiteKey): Promise<number> {
    return forget(this, site);
  }

  prepare(text: string): { bind(...values: (string | number)[]): Bound } {
    const statement = this.#prepared.get(text) ?? this.#db.prepare(text);
    this.#prepared.set(text, statement);
    return { bind: (...values) => ({ statement, values }) };
  }

  async batch(statements: Bound[]): Promise<{ meta: { rows_written: number } }[]> {
    this.#db.exec("BEGIN");
    const out = statements.map(({ statement, values }) => ({
      meta: { rows_written: Number(statement.run(...values).changes) },
    }));
    this.#db.exec("COMMIT");
    return out;
  }

  /** Every row of a kind: id → version and document. */
  rows(kind: OutboxEntry["kind"]): Map<string, { version: number; doc: string | null }> {
    const { statement } = this.prepare(`SELECT id, version, doc FROM rm_${kind}`).bind();
    const rows = statement.all() as { id: string; version: number; doc: string | null }[];
    return new Map(rows.map((row) => [row.id, row]));
  }
}
