/**
 * The end of a restored site's hold. Its tables are as old as their export; what was done since is known to the agents,
 * which have told it. Nothing is believed of that: it says what has to be read before anything is done (J4).
 */

import type { Millis } from "../../../shared/deps.ts";
import { isFinal } from "../../../shared/model/job.ts";
import type { ToldAttempt } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import { revoke } from "./agents.ts";
import { auditDue, audited, expireAudit, isAuditing, startAudit } from "./audits.ts";
import type { Commands } from "./commands.ts";
import { closeFinding } from "./findings.ts";
import { type Hold, holdOf, untold } from "./hold.ts";
import { record } from "./ledger.ts";
import { move } from "./moves.ts";
import type { ProgressBoard } from "./progress.ts";
import { deviceById } from "./rows.ts";
import { beginSettling, endSettling, isTooFar, settlingOf } from "./settling.ts";
import { siteView } from "./site.ts";
import { OPEN_STEPS, type StepRow, stepBody, stepRow } from "./step-rows.ts";
import { loseStep } from "./steps.ts";
import { hashAt, type ToldAgent } from "./told.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";
import { holdBack, sayUnread } from "./unread.ts";

/** Added to the highest epoch that anyone has seen: leases that were given and reached no agent lie below it. */
const EPOCH_MARGIN = 1_000;
/** More epochs were not given since the export, by anyone: a hundred each second for three months. */
const EPOCHS_BELIEVED = 1_000_000_000;

type Attempt = Omit<ToldAttempt, "outcome"> & { outcome: string };
interface Lost {
  agent: string;
  name: string;
  seq: number;
  hash: string;
}

export function release(
  tx: Tx,
  input: Commands["site.release"]["in"],
  board: ProgressBoard,
): Commands["site.release"]["out"] {
  const hold = holdOf(tx.sql);
  if (!hold) return tx.fail("conflict", `${tx.site.name} is not on hold.`);
  for (const ref of input.without) revoke(tx, { agent: agentNamed(tx, ref), actor: input.actor });
  const missing = untold(tx.sql).map((agent) => agent.name);
  if (missing.length > 0)
    return tx.fail("agents_missing", `Not yet heard: ${missing.join(", ")}. Each has to sync with the restored site.`);
  const lost = lostEvents(tx, hold.ledger);
  if (lost.length > 0 && input.acceptLoss === undefined)
    return tx.fail(
      "ledger_behind",
      `The restored ledger ends with event ${hold.ledger}; ${lost.map((l) => `${l.name} knows event ${l.seq}`).join(", ")}.`,
    );

  tx.sql.run("DELETE FROM meta WHERE key = 'hold'");
  // G4: an approval is used once, and nobody here knows whether that was after the export.
  tx.sql.run("UPDATE plan SET outlived = 1 WHERE job IS NULL AND approvals > 0");
  const epoch = highestEpoch(tx) + EPOCH_MARGIN;
  writeMeta(tx.sql, "epoch", epoch);
  const resolved = resolve(tx, epoch);
  const unread = holdBackUnknown(tx);
  writeDown(tx, hold, input, { lost, resolved, unread: unread.length });
  beginSettling(tx, hold.heardAt ?? tx.now, hold.generation);
  expireAudit(tx, board);
  settle(tx);
  tx.ring();
  return { site: siteView(tx.sql, tx.site), resolved, unread, lost };
}

/**
 * Steps may start again once no call of before can be under way. An audit begun now reads what such a call has left (J4);
 * one that is under way may have read before, and is let to its end.
 */
export function settle(tx: Tx): void {
  const settling = settlingOf(tx.sql);
  if (!settling) return;
  if (isTooFar(settling, tx.now)) return beginSettling(tx, tx.now, settling.generation);
  if (settling.until > tx.now || isAuditing(tx.sql)) return;
  endSettling(tx);
  startAudit(tx, freeWindow(tx, `release:${settling.generation}`));
  tx.ring();
}

/** When `settle` has something to do; undefined on a site that has settled. */
export function settleDue(sql: Sql, board: ProgressBoard, now: Millis): Millis | undefined {
  const settling = settlingOf(sql);
  if (!settling) return undefined;
  return isTooFar(settling, now) ? now : Math.max(settling.until, auditDue(sql, board) ?? 0);
}

/** Whoever may begin audits names their windows; an audit of a name that was used would not begin. */
const freeWindow = (tx: Tx, name: string): string =>
  tx.sql.get("SELECT 1 FROM audit WHERE key = ?", name) ? freeWindow(tx, `${name}+`) : name;

function agentNamed(tx: Tx, ref: string): string {
  const row = tx.sql.get<{ id: string }>(
    "SELECT id FROM agent WHERE id = ?1 OR (name = ?1 AND revoked_at IS NULL)",
    ref,
  );
  return row?.id ?? tx.fail("not_found", `${tx.site.name} has no agent ${ref}.`);
}

/** What agents that still work here have told. */
const told = (tx: Tx): (ToldAgent & { name: string })[] =>
  tx.sql.all(
    "SELECT t.*, a.name FROM told_agent t JOIN agent a ON a.id = t.agent WHERE a.revoked_at IS NULL ORDER BY a.name",
  );

/** E1: heads beyond the restored ledger's end are lost events; another hash at a place that it has is another history. */
function lostEvents(tx: Tx, last: number): Lost[] {
  const lost: Lost[] = [];
  for (const { agent, name, head_seq: seq, head_hash: hash } of told(tx)) {
    if (seq === null || hash === null) continue;
    if (seq > last) lost.push({ agent, name, seq, hash });
    else if (hashAt(tx.sql, seq) !== hash)
      tx.fail("ledger_forked", `The agent ${name} knows event ${seq} with another hash than the restored ledger.`);
  }
  return lost;
}

/**
 * L2: of all that were ever given, by us or by the object that we replace. A revoked agent's word counts here too; nobody's
 * beyond what may have been given since the export, as epochs end where whole numbers do.
 */
function highestEpoch(tx: Tx): number {
  const own = readMeta<number>(tx.sql, "epoch") ?? 0;
  const said = tx.sql.get<{ epoch: number | null }>("SELECT max(epoch) AS epoch FROM told_agent")?.epoch ?? 0;
  return Math.max(own, Math.min(said, own + EPOCHS_BELIEVED));
}

const newestFirst = (tx: Tx): Attempt[] => tx.sql.all<Attempt>("SELECT * FROM told_attempt ORDER BY epoch DESC, lease");

/** J4: attempts that were under way, and steps with newer attempts than our tables know, are read before anything else. */
function resolve(tx: Tx, epoch: number): number {
  const open = tx.sql.all<StepRow>(`SELECT * FROM ${OPEN_STEPS} AND state IN ('leased', 'running')`);
  for (const step of open) loseStep(tx, step, "the site was restored while the attempt was under way");
  const known = new Set(open.map((s) => `${s.job} ${s.n}`));
  const lost = new Set(
    tx.sql
      .all<Pick<StepRow, "job" | "device">>(`SELECT job, device FROM ${OPEN_STEPS} AND state = 'unknown'`)
      .map((s) => `${s.job} ${s.device}`),
  );
  for (const attempt of newestFirst(tx)) {
    const step = stepRow(tx.sql, attempt.job, attempt.step);
    if (!step || !isNewer(step, attempt) || isFinal.step(step.state)) continue;
    if (known.has(`${step.job} ${step.n}`)) continue;
    known.add(`${step.job} ${step.n}`);
    if (stepBody(step).writes) noteWrite(tx, step);
    // What waits for another step is marked: its first attempt will read, too. So does a machine's other branch, of which
    // only one is ever at work or lost: the first one's end may be for a person, and then none goes on.
    const target = `${step.job} ${step.device}`;
    if (step.state === "ready" && !lost.has(target)) {
      lost.add(target);
      // L4, L6: by its last lease a report would count that was applied before the export, or that is older than this.
      const { job, n } = step;
      tx.sql.run(
        "UPDATE step SET lease = NULL, epoch = ? WHERE job = ? AND n = ?",
        Math.min(attempt.epoch, epoch),
        job,
        n,
      );
      loseStep(tx, step, "an agent tells of an attempt after the export that was restored");
    } else if (step.state === "blocked" || step.state === "ready")
      tx.sql.run("UPDATE step SET resolve = 1 WHERE job = ? AND n = ?", step.job, step.n);
  }
  return known.size;
}

/** A target that ends without success must not count as one on which nothing was written, nor its device as planned. */
function noteWrite(tx: Tx, { job, device }: StepRow): void {
  tx.sql.run("UPDATE job_target SET wrote = 1 WHERE job = ? AND device = ?", job, device);
  if (deviceById(tx.sql, device)?.state === "planned")
    move(tx, { subject: "device", id: device, to: "installing" }, { actor: "turnup", job });
}

const isNewer = (step: StepRow, attempt: Attempt): boolean =>
  attempt.lease !== step.lease && attempt.epoch > (step.epoch ?? 0);

/**
 * Work that our tables do not know: of a job accepted after the export, or of a step that had ended by then. Its leases
 * and boots end by the next sync; the machine starts nothing before an audit has read it. A device that is not here may be
 * any of our machines under another name: then all are read. Whatever was told, it is one row for each of our devices.
 */
function holdBackUnknown(tx: Tx): string[] {
  const names = new Map<string, string>();
  const elsewhere = new Set<string>();
  for (const attempt of newestFirst(tx)) {
    const step = stepRow(tx.sql, attempt.job, attempt.step);
    if (names.has(attempt.device) || (step && !(isNewer(step, attempt) && isFinal.step(step.state)))) continue;
    const device = deviceById(tx.sql, attempt.device);
    if (!device) {
      elsewhere.add(attempt.device);
      continue;
    }
    names.set(device.id, device.name);
    const why = `step ${attempt.step} of ${attempt.job}, which ${step ? "had ended" : "is unknown here"}, was ${attempt.outcome} after the export`;
    holdBack(tx, device.id, why);
    sayUnread(tx, device.id, device.name, why);
  }
  if (elsewhere.size > 0) {
    const why = `agents tell of work on ${elsewhere.size} devices that are not here, and each may be any machine here under another name`;
    for (const id of audited(tx.sql)) {
      if (names.has(id)) continue;
      names.set(id, deviceById(tx.sql, id)?.name ?? id);
      holdBack(tx, id, why);
    }
    sayUnread(tx, tx.site.id, tx.site.name, why);
  }
  return [...names.values()].sort();
}

/** Writes into the ledger what was done, and lets go of what was only for the hold. */
function writeDown(
  tx: Tx,
  hold: Hold,
  input: Commands["site.release"]["in"],
  { lost, resolved, unread }: { lost: Lost[]; resolved: number; unread: number },
): void {
  for (const { agent } of told(tx)) closeFinding(tx, "ledger-head", agent);
  tx.sql.run("DELETE FROM told_attempt");
  tx.sql.run("DELETE FROM told_agent");
  const site = { ...tx.site, generation: hold.generation };
  tx.saveSite(site);
  record(tx, {
    subject: "site",
    id: site.id,
    kind: "site.restored",
    actor: input.actor,
    data: {
      generation: hold.generation,
      export: hold.export,
      resolved,
      unread,
      ...(lost.length > 0 && { lost: { reason: input.acceptLoss, heads: lost } }),
    },
  });
}
