/**
 * The site's policy in its versions: each is the text as it was applied, with who did so and why, and none is ever edited.
 * The newest holds.
 */
import type { Millis } from "../../../shared/deps.ts";
import { type Outcome, ok, refuse } from "../../../shared/errors.ts";
import { policyChanges } from "../../../shared/model/policy/diff.ts";
import { withHold, withoutHolds } from "../../../shared/model/policy/edit.ts";
import { type ResolvedPolicy, resolvePolicy } from "../../../shared/model/policy/resolve.ts";
import { policyFits, validatePolicy } from "../../../shared/model/policy/validate.ts";
import type { PolicySite } from "../../../shared/model/policy/world.ts";
import { type Hold, Policy, type PolicyDiff, type PolicyView } from "../../../shared/model/policy.ts";
import type { Sql } from "../../../shared/sql.ts";
import { readYaml } from "../../../shared/yaml.ts";
import type { Commands, Queries } from "./commands.ts";
import { record } from "./ledger.ts";
import type { ProgressBoard } from "./progress.ts";
import { restOf } from "./site.ts";
import type { CoreDeps, SiteRecord, Tx } from "./tx.ts";

export interface PolicyRow {
  version: number;
  at: number;
  actor: string;
  reason: string;
  text: string;
  sha: string;
}

const newestRow = (sql: Sql) => sql.get<PolicyRow>("SELECT * FROM policy ORDER BY version DESC LIMIT 1");

/**
 * Takes a new version, judged against the site. Refuses `policy_moved` when another version than `base` is the newest,
 * `validation_failed` with every fault, and `hold_would_end`. The text that holds already, sent again, changes nothing.
 */
export function applyPolicy(
  tx: Tx,
  input: Commands["policy.apply"]["in"],
  board: ProgressBoard,
): Commands["policy.apply"]["out"] {
  const { base, text } = input;
  const newest = newestRow(tx.sql);
  // Also the retry of an apply whose answer was lost.
  if (newest && newest.sha === tx.deps.sha256(text))
    return { policy: viewOf(tx.sql, tx.site, board, newest), created: false };
  const version = newest?.version ?? 0;
  if (base !== version) {
    const by = newest ? `, by ${newest.actor}` : "";
    tx.fail("policy_moved", `Version ${version} of the policy of ${tx.site.name} is the newest${by}, and not ${base}.`);
  }
  const policy = judged(tx, text);
  if (newest && !input.endHolds) refuseEndingHolds(tx, policyOf(newest.text), policy);
  return { policy: append(tx, input, board), created: true };
}

/** G7: a file that was written before somebody set something aside must not quietly put it back to work. */
function refuseEndingHolds(tx: Tx, before: Policy, after: Policy): void {
  const kept = new Set((after.holds ?? []).map(holdKey));
  const lost = (before.holds ?? []).filter(
    (hold) => !kept.has(holdKey(hold)) && (hold.until === undefined || Date.parse(hold.until) > tx.now),
  );
  if (lost.length === 0) return;
  const words = lost.map(({ on, owner, reason }) => `${owner} on ${on} (${reason})`).join("; ");
  tx.fail("hold_would_end", `The policy lacks holds that are in force: ${words}.`);
}
const holdKey = ({ on, owner }: Hold): string => JSON.stringify([on, owner]);

/** Sets something aside: a new version with this hold, in place of an earlier one of the same owner on the same. */
export function hold(tx: Tx, input: Commands["policy.hold"]["in"], board: ProgressBoard): PolicyView {
  const { on, owner, reason, until, actor } = input;
  const newest = newestRow(tx.sql);
  const entry: Hold = { on, owner, reason, ...(until !== undefined && { until }) };
  const rest = newest && (withoutHolds(newest.text, on, owner) ?? newest.text);
  const text = withHold(rest, tx.site.name, entry);
  judged(tx, text);
  return append(tx, { text, reason: `hold of ${owner} on ${on}: ${reason}`, actor }, board);
}

/** Ends the holds on something, of one owner or of all. Refuses `hold_unknown`. */
export function unhold(
  tx: Tx,
  { on, owner, reason, actor }: Commands["policy.unhold"]["in"],
  board: ProgressBoard,
): PolicyView {
  const newest = newestRow(tx.sql);
  const text = newest && withoutHolds(newest.text, on, owner);
  if (text === undefined) {
    const whose = owner === undefined ? "Nobody holds" : `${owner} does not hold`;
    return tx.fail("hold_unknown", `${whose} ${on} at ${tx.site.name}.`);
  }
  judged(tx, text);
  const words = `hold ${owner === undefined ? "" : `of ${owner} `}on ${on} ended${reason === "" ? "" : `: ${reason}`}`;
  return append(tx, { text, reason: words, actor }, board);
}

function append(
  tx: Tx,
  { text, reason, actor }: Pick<Commands["policy.apply"]["in"], "text" | "reason" | "actor">,
  board: ProgressBoard,
): PolicyView {
  const sha = tx.deps.sha256(text);
  const row: PolicyRow = { version: 1 + (newestRow(tx.sql)?.version ?? 0), at: tx.now, actor, reason, text, sha };
  tx.sql.run(
    "INSERT INTO policy (version, at, actor, reason, text, sha) VALUES (?, ?, ?, ?, ?, ?)",
    row.version,
    row.at,
    actor,
    reason,
    text,
    sha,
  );
  const data = { version: row.version, reason, sha256: sha };
  record(tx, { subject: "site", id: tx.site.id, kind: "policy.applied", actor, data });
  return viewOf(tx.sql, tx.site, board, row);
}

function judged(tx: Tx, text: string): Policy {
  const { sql, site, now, deps } = tx;
  const outcome = judge({ sql, site, now, workflows: deps.workflows }, text);
  return outcome.ok ? outcome.value : tx.fail(outcome.problem.code, outcome.problem.detail, outcome.problem.errors);
}

interface Court {
  sql: Sql;
  site: SiteRecord;
  now: Millis;
  workflows: CoreDeps["workflows"];
}

function judge({ sql, site, now, workflows }: Court, text: string): Outcome<Policy> {
  const read = readYaml(text);
  const faults = read.ok ? read.value.faults : read.faults;
  if (!read.ok || faults.length > 0) {
    const placed = faults.map(({ line, col, ...fault }) => ({ ...fault, text: `line ${line}:${col}: ${fault.text}` }));
    return refuse("validation_failed", "The policy cannot be read as YAML.", placed);
  }
  return validatePolicy(read.value.value, { site: policySite(sql, site), workflows: [...workflows.keys()] }, now);
}

/** What applying a text would change, and against which version; faults as of an apply. Changes nothing. */
export function policyDiff(court: Court, text: string): Outcome<PolicyDiff> {
  const outcome = judge(court, text);
  if (!outcome.ok) return outcome;
  const newest = newestRow(court.sql);
  const changes = policyChanges(newest && policyOf(newest.text), outcome.value);
  return ok({ base: newest?.version ?? 0, changes, same: newest?.text === text });
}

/** What of the site its policy is judged and resolved by. */
function policySite(sql: Sql, { name }: SiteRecord): PolicySite {
  const racks = restOf(sql)?.racks ?? [];
  const devices = sql.all<{ name: string; role: string; rack: string; machine: number }>(
    `SELECT name, json_extract(doc, '$.role') AS role, json_extract(doc, '$.rack') AS rack,
       json_type(doc, '$.install') IS NOT NULL AS machine FROM device ORDER BY name`,
  );
  return {
    name,
    racks: racks.map((rack) => rack.name),
    devices: devices.map((device) => ({ ...device, machine: device.machine === 1 })),
  };
}

/** A text that was applied, as it was judged then. */
function policyOf(text: string): Policy {
  const read = readYaml(text);
  if (!read.ok) throw new Error("A policy that was applied is no YAML.");
  return Policy.parse(read.value.value);
}

/** Whether a text can be read as a policy at all. */
export function isPolicy(text: string): boolean {
  const read = readYaml(text);
  return read.ok && Policy.safeParse(read.value.value).success;
}

/** The policy that holds, resolved against the site as it is; undefined if there is none. Read anew when either changes. */
export function policyInForce(sql: Sql, site: SiteRecord, board: ProgressBoard): ResolvedPolicy | undefined {
  const newest = sql.get<Pick<PolicyRow, "version" | "sha">>(
    "SELECT version, sha FROM policy ORDER BY version DESC LIMIT 1",
  );
  if (!newest) return undefined;
  // A version that was rolled back may come again with another text.
  const key = `${newest.version} ${newest.sha} ${site.revision}`;
  if (board.policy?.key !== key) {
    const text = newestRow(sql)?.text ?? "";
    board.policy = { key, resolved: resolvePolicy(policyOf(text), policySite(sql, site)) };
  }
  return board.policy.resolved;
}

/** After an import: a site that its policy no longer fits is refused, with the faults that the policy would have. */
export function checkPolicyFits(tx: Tx): void {
  const newest = newestRow(tx.sql);
  if (!newest) return;
  const fits = policyFits(policyOf(newest.text), policySite(tx.sql, tx.site), tx.now);
  if (!fits.ok) tx.fail("policy_unfit", fits.problem.detail, fits.problem.errors);
}

export function policyView(
  sql: Sql,
  site: SiteRecord,
  board: ProgressBoard,
  version: number | undefined,
): Outcome<PolicyView> {
  const row =
    version === undefined ? newestRow(sql) : sql.get<PolicyRow>("SELECT * FROM policy WHERE version = ?", version);
  if (row) return ok(viewOf(sql, site, board, row));
  return refuse("policy_unknown", `${site.name} has no ${version === undefined ? "policy yet" : `policy ${version}`}.`);
}

function viewOf(sql: Sql, site: SiteRecord, board: ProgressBoard, row: PolicyRow): PolicyView {
  const inForce = newestRow(sql)?.version === row.version ? policyInForce(sql, site, board) : undefined;
  const floors = inForce?.floors.map(({ of, machines, least }) => ({ of, machines: machines.length, least }));
  return { site: site.id, ...row, floors: floors ?? null };
}

/** Newest first. */
export function policyHistory(
  sql: Sql,
  site: SiteRecord,
  { limit, cursor }: Queries["policy.history"]["in"],
): Queries["policy.history"]["out"] {
  const rows = sql.all<Omit<PolicyRow, "text">>(
    "SELECT version, at, actor, reason, sha FROM policy WHERE ?1 IS NULL OR version < ?1 ORDER BY version DESC LIMIT ?2",
    cursor === undefined ? null : Number(cursor),
    limit + 1,
  );
  const items = rows.slice(0, limit).map((row) => ({ site: site.id, ...row }));
  return { items, next: rows.length > limit ? String(items.at(-1)?.version) : null };
}
