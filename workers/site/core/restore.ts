/**
 * An export loaded into an empty object: begun, filled line by line in bounded parts, finished. The object is nobody's
 * site before it has been finished, so that a restore that breaks off leaves nothing behind but what the next one empties.
 */
import { type ExportHeader, ExportRow, formatFault } from "../../../shared/model/site-export.ts";
import type { LedgerEvent, SiteView } from "../../../shared/model/views.ts";
import type { Sql, SqlRow } from "../../../shared/sql.ts";
import { disagreement } from "./agreement.ts";
import type { Commands } from "./commands.ts";
import { isTruth, type Table, tableNames, truthTables } from "./export.ts";
import { type Hold, holdOf } from "./hold.ts";
import { firstBreak, ledgerHead } from "./ledger.ts";
import { rowFault } from "./row-rules.ts";
import { migrate, newestSchema } from "./schema.ts";
import { siteView } from "./site.ts";
import { standing } from "./standing.ts";
import { OPEN_STEPS } from "./step-rows.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

/** A restore under way. */
interface Restore {
  id: string;
  header: ExportHeader;
  generation: number;
  sha256: string;
  /** Lines of the file before its last one, the header among them; and how many of them are in. */
  lines: number;
  loaded: number;
}

const ofRestore = (sql: Sql): Restore | undefined =>
  tableNames(sql).includes("meta") ? readMeta<Restore>(sql, "restore") : undefined;

/** Empties the object and makes the tables as they were in the export's version. What a restore left half done is thrown away. */
export function beginRestore(tx: Tx, input: Commands["restore.begin"]["in"]): { loaded: number } {
  const { header, generation, sha256, lines } = input;
  const empty = readMeta(tx.sql, "site") === undefined;
  const stands = standing(tx.sql);
  if (!empty && stands !== "restoring" && stands !== "hold")
    return tx.fail("site_exists", `Generation ${generation} of ${header.name} is at work.`);
  const unknown = formatFault(header.format);
  if (unknown !== undefined) return tx.fail("export_version", unknown);
  if (header.schema > newestSchema)
    return tx.fail(
      "export_version",
      `Its tables are of version ${header.schema}; this version of Turnup knows up to ${newestSchema}.`,
    );
  for (const name of tableNames(tx.sql)) tx.sql.run(`DROP TABLE "${name}"`);
  migrate(tx.sql, header.schema);
  const state: Restore = { id: input.restore, header, generation, sha256, lines, loaded: 1 };
  writeMeta(tx.sql, "restore", state);
  return { loaded: 1 };
}

/** Takes the next lines. The same lines again are fine: the answer to them was lost. */
export function loadLines(tx: Tx, input: Commands["restore.load"]["in"]): { loaded: number } {
  const state = ofRestore(tx.sql);
  if (state?.id !== input.restore)
    return tx.fail("restore_unknown", "Another restore of this site was begun or finished.");
  if (input.from + input.lines.length <= state.loaded) return { loaded: state.loaded };
  if (input.from !== state.loaded)
    return tx.fail("restore_unknown", `Line ${state.loaded + 1} comes next, and not line ${input.from + 1}.`);
  const tables = new Map(truthTables(tx.sql).map((table) => [table.name, table]));
  input.lines.forEach((line, i) => {
    const fault = insert(tx, state, tables, line);
    if (fault !== undefined) tx.fail("export_broken", `Line ${state.loaded + i + 1}: ${fault}.`);
  });
  const loaded = state.loaded + input.lines.length;
  writeMeta(tx.sql, "restore", { ...state, loaded } satisfies Restore);
  return { loaded };
}

/** What is wrong with the line, or undefined when it is in. */
function insert(tx: Tx, { header }: Restore, tables: ReadonlyMap<string, Table>, line: string): string | undefined {
  const parsed = ExportRow.safeParse(readJson(line));
  if (!parsed.success) return "it is no row of an export";
  const { t, r } = parsed.data;
  const table = tables.get(t);
  if (!table) return `there is no table ${t}`;
  const columns = Object.keys(r);
  if (columns.length !== table.columns.length || !table.columns.every((column) => Object.hasOwn(r, column)))
    return `a row of ${t} has the columns ${table.columns.join(", ")}`;
  if (!isTruth(t, r)) return `${String(r.key)} is not exported`;
  const broken = rowFault(t, r, header.epoch) ?? (t === "ledger" ? chainFault(tx, r) : undefined);
  if (broken !== undefined) return broken;
  try {
    const names = table.columns.map((column) => `"${column}"`).join(", ");
    const values = table.columns.map((column) => r[column] ?? null);
    tx.sql.run(`INSERT INTO "${t}" (${names}) VALUES (${values.map(() => "?").join(", ")})`, ...values);
  } catch (error) {
    return `the table ${t} does not take it: ${error instanceof Error ? error.message : String(error)}`;
  }
  return undefined;
}

/** E1: the ledger comes in as one unbroken chain. */
function chainFault(tx: Tx, row: SqlRow): string | undefined {
  const { prev_hash, data, ...rest } = row;
  const head = ledgerHead(tx.sql);
  const event = { ...rest, prevHash: prev_hash, data: readJson(String(data)) } as unknown as LedgerEvent;
  const broken = firstBreak([event], tx.deps.sha256, head.hash, head.seq + 1);
  return broken && `the ledger is not one history: ${broken.why}`;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The restore with all its lines in; undefined when it has been finished. Refuses one that is not whole, or not this one. */
function whole(tx: Tx, id: string): Restore | undefined {
  const state = ofRestore(tx.sql);
  if (!state && holdOf(tx.sql)?.restore === id) return undefined;
  if (state?.id !== id) return tx.fail("restore_unknown", "Another restore of this site was begun or finished.");
  if (state.loaded !== state.lines)
    return tx.fail("export_broken", `${state.loaded} of ${state.lines} lines have come.`);
  if (readMeta(tx.sql, "site") === undefined) return tx.fail("export_broken", "Its lines hold no site.");
  return state;
}

/** Whether all is in that is to be compared with the file. */
export function checkRestore(tx: Tx, input: Commands["restore.check"]["in"]): null {
  whole(tx, input.restore);
  return null;
}

/**
 * All is in, and whoever restores has compared it with the file: the tables are brought to the newest version, and if they
 * agree with each other the site is on hold.
 */
export function finishRestore(tx: Tx, input: Commands["restore.finish"]["in"]): SiteView {
  const state = whole(tx, input.restore);
  if (!state) return siteView(tx.sql, tx.site);
  tx.sql.run("DELETE FROM meta WHERE key = 'restore'");
  migrate(tx.sql);
  const { header, generation, id, sha256 } = state;
  const fault = disagreement(tx.sql, header, tx.deps.sha256);
  if (fault !== undefined) tx.fail("export_broken", `Its rows do not agree: ${fault}.`);
  writeMeta(tx.sql, "hold", {
    since: tx.now,
    generation,
    restore: id,
    export: sha256,
    fromEpoch: oldestOpenEpoch(tx.sql) ?? header.epoch + 1,
    ledger: ledgerHead(tx.sql).seq,
  } satisfies Hold);
  return siteView(tx.sql, tx.site);
}

const oldestOpenEpoch = (sql: Sql): number | undefined =>
  sql.get<{ epoch: number | null }>(
    `SELECT min(epoch) AS epoch FROM ${OPEN_STEPS} AND state IN ('leased', 'running', 'unknown')`,
  )?.epoch ?? undefined;
