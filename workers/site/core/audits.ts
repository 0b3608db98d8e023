/**
 * Audits: a window key pokes the site, the agent reads power and serial of every device, the site compares. Of what is
 * as it was, nothing is written; an audit that read nothing says so and is never "clean".
 */

import type { Millis } from "../../../shared/deps.ts";
import type { AuditRun } from "../../../shared/model/finding.ts";
import { sameText } from "../../../shared/model/inventory.ts";
import type { AuditTarget, Observation, SyncReply } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import { clean, found, type Seen } from "./findings.ts";
import type { ProgressBoard } from "./progress.ts";
import { type DeviceRow, deviceById, deviceDoc } from "./rows.ts";
import type { SiteRecord, Tx } from "./tx.ts";
import { wasRead } from "./unread.ts";

/** An audit ends with what it has when nothing more was read for this long. */
export const SILENCE_MS = 2 * 60_000;
/** Devices asked for in one sync. */
const CHUNK = 200;
/** Windows kept; older ones are forgotten one by one. */
const KEEP_RUNS = 200;

interface AuditRow {
  key: string;
  state: AuditRun["state"];
  started_at: number;
  due: number;
  ended_at: number | null;
  expected: number;
  read: number;
  opened: number;
  closed: number;
  answered: string;
}

/** Ids of the devices that have a BMC to read. Documents are canonical JSON, so the key is written in this one way. */
export const audited = (sql: Sql): string[] =>
  sql.all<{ id: string }>(`SELECT id FROM device WHERE instr(doc, '"install":{') > 0 ORDER BY id`).map((row) => row.id);
const running = (sql: Sql) =>
  sql.get<AuditRow>("SELECT * FROM audit WHERE state = 'running' ORDER BY started_at LIMIT 1");

export const isAuditing = (sql: Sql): boolean => running(sql) !== undefined;

/** Begins the audit of a window. A window seen before, or an audit still at work, changes nothing. */
export function startAudit(tx: Tx, window: string): { run: AuditRun; created: boolean } {
  const known = tx.sql.get<AuditRow>("SELECT * FROM audit WHERE key = ?", window) ?? running(tx.sql);
  if (known) return { run: auditRun(tx.site, known), created: false };
  const expected = audited(tx.sql).length;
  const row: AuditRow = {
    key: window,
    state: "running",
    started_at: tx.now,
    due: tx.now + SILENCE_MS,
    ended_at: null,
    expected,
    read: 0,
    opened: 0,
    closed: 0,
    answered: "[]",
  };
  tx.sql.run(
    `INSERT INTO audit (key, state, started_at, due, ended_at, expected, "read", opened, closed) VALUES (?, ?, ?, ?, NULL, ?, 0, 0, 0)`,
    row.key,
    row.state,
    row.started_at,
    row.due,
    row.expected,
  );
  // Never the one just begun, whatever the clock says of the others.
  tx.sql.run(
    "DELETE FROM audit WHERE key = (SELECT key FROM audit WHERE state <> 'running' ORDER BY started_at DESC LIMIT 1 OFFSET ?)",
    KEEP_RUNS,
  );
  if (expected === 0) return { run: auditRun(tx.site, endAudit(tx, row, [])), created: true };
  tx.ring();
  return { run: auditRun(tx.site, row), created: true };
}

/** How far the audit under way has come; kept in memory, so that reading a site as it was writes nothing (C4). */
export interface AuditProgress {
  window: string;
  /** Devices answered for, readable or not. */
  done: Set<string>;
  /** Those that could be read. */
  read: number;
  lastAt: Millis;
}

/** The devices still to be read in the audit under way. */
export function auditTargets(tx: Tx, board: ProgressBoard): SyncReply["audit"] | undefined {
  const row = running(tx.sql);
  if (!row) return undefined;
  const { done } = board.audit(row.key, tx.now);
  const targets: AuditTarget[] = [];
  for (const id of audited(tx.sql)) {
    if (done.has(id)) continue;
    const device = deviceById(tx.sql, id);
    if (!device) continue;
    const { asset, install } = deviceDoc(device);
    if (install)
      targets.push({ device: id, name: device.name, serial: asset.serial, aliases: asset.aliases, bmc: install.bmc });
    if (targets.length === CHUNK) break;
  }
  return targets.length === 0 ? undefined : { window: row.key, targets };
}

/** What the agent read. Only what differs is written, and the run's own row at the end. */
export function takeObservations(
  tx: Tx,
  window: string,
  observations: readonly Observation[],
  board: ProgressBoard,
): void {
  const row = running(tx.sql);
  // Of a window that has ended: too late to count.
  if (row?.key !== window) return;
  const progress = board.audit(window, tx.now);
  progress.lastAt = tx.now;
  let { opened, closed } = row;
  for (const observation of observations) {
    const device = deviceById(tx.sql, observation.device);
    if (!device || progress.done.has(device.id)) continue;
    progress.done.add(device.id);
    if (observation.failure || (observation.serial === undefined && observation.power === undefined)) continue;
    progress.read += 1;
    if (serialFits(device, observation)) wasRead(tx, device.id);
    const verdict = judge(tx, device, observation);
    opened += verdict.opened;
    closed += verdict.closed;
  }
  const now = { ...row, read: progress.read, opened, closed };
  if (isComplete(tx, now, progress)) endAudit(tx, now, agentsOf(tx, now));
  else if (opened !== row.opened || closed !== row.closed)
    tx.sql.run("UPDATE audit SET opened = ?, closed = ? WHERE key = ?", opened, closed, row.key);
}

/**
 * The agent is there in the audit under way, whether or not there is anything left for it to read. Kept on disk, since
 * who came must not be forgotten; one row per agent and window.
 */
export function noteAnswer(tx: Tx, agent: string, board: ProgressBoard): void {
  const row = running(tx.sql);
  if (!row) return;
  const answered = JSON.parse(row.answered) as string[];
  if (answered.includes(agent)) return;
  const now = { ...row, answered: JSON.stringify([...answered, agent]) };
  tx.sql.run("UPDATE audit SET answered = ? WHERE key = ?", now.answered, row.key);
  const progress = board.audit(row.key, tx.now);
  if (isComplete(tx, now, progress)) endAudit(tx, { ...now, read: progress.read }, agentsOf(tx, now));
}

/** All is read, and no agent is missing: one that is may still come, until the time is up. */
const isComplete = (tx: Tx, row: AuditRow, { done }: AuditProgress): boolean =>
  audited(tx.sql).every((id) => done.has(id)) && agentsOf(tx, row).every((agent) => agent.came);

/** Nothing was read for too long: the audit ends with what it has, and an agent that did not come is silent. */
export function expireAudit(tx: Tx, board: ProgressBoard): void {
  const row = running(tx.sql);
  if (!row || (auditDue(tx.sql, board) ?? 0) > tx.now) return;
  const { read } = board.audit(row.key, tx.now);
  endAudit(tx, { ...row, read }, agentsOf(tx, row));
}

/** When the audit under way ends if nothing more is read. */
export function auditDue(sql: Sql, board: ProgressBoard): Millis | undefined {
  const row = running(sql);
  return row && Math.max(row.due, (board.lastRead(row.key) ?? 0) + SILENCE_MS);
}

function judge(tx: Tx, device: DeviceRow, seen: Observation): { opened: number; closed: number } {
  let opened = 0;
  let closed = 0;
  const say = (check: Seen["check"], wrong: Omit<Seen, "check" | "object" | "name"> | undefined) => {
    if (wrong) opened += found(tx, { check, object: device.id, name: device.name, ...wrong }) ? 1 : 0;
    else closed += clean(tx, check, device.id) ? 1 : 0;
  };
  if (seen.power !== undefined) say("power-drift", powerDrift(device, seen.power));
  if (seen.serial !== undefined) {
    say(
      "serial-drift",
      serialFits(device, seen)
        ? undefined
        : {
            severity: "critical",
            text: `The BMC of ${device.name} tells the serial ${seen.serial}; the record says ${deviceDoc(device).asset.serial}.`,
            next: "Find out which machine stands there; correct the record or the rack. Nothing acts on it meanwhile.",
          },
    );
  }
  return { opened, closed };
}

function serialFits(device: DeviceRow, { serial }: Observation): boolean {
  const { asset } = deviceDoc(device);
  return serial !== undefined && [asset.serial, ...asset.aliases].some((s) => sameText(s, serial));
}

/** Which power state a device should have follows from its own: in service it is on, before and after service it is off. */
function powerDrift(device: DeviceRow, power: string): Omit<Seen, "check" | "object" | "name"> | undefined {
  if (device.state === "active" && power === "Off") {
    return {
      severity: "critical",
      text: `${device.name} is in service and powered off.`,
      next: "Find out why; power it on, or take it out of service.",
    };
  }
  if ((device.state === "planned" || device.state === "retired") && power === "On") {
    return {
      severity: "high",
      text: `${device.name} is ${device.state} and powered on.`,
      next: "Find out what runs there; an install refuses a machine that it did not power on.",
    };
  }
  return undefined;
}

interface Asked {
  id: string;
  name: string;
  came: boolean;
}

/** The agents that were asked, and which of them came. */
function agentsOf(tx: Tx, row: AuditRow): Asked[] {
  const answered = JSON.parse(row.answered) as string[];
  return tx.sql
    .all<{ id: string; name: string }>(
      "SELECT id, name FROM agent WHERE revoked_at IS NULL AND enrolled_at <= ? ORDER BY id",
      row.started_at,
    )
    .map((a) => ({ ...a, came: answered.includes(a.id) }));
}

function endAudit(tx: Tx, row: AuditRow, agents: readonly Asked[]): AuditRow {
  let { opened, closed } = row;
  for (const agent of agents) {
    if (!agent.came) {
      const next = "Check that it runs and reaches the control plane (`turnup agent list`, its /healthz).";
      opened += found(tx, {
        check: "agent-silent",
        object: agent.id,
        name: agent.name,
        severity: "critical",
        text: `The agent ${agent.name} did not answer the audit ${row.key}.`,
        next,
      })
        ? 1
        : 0;
    } else closed += clean(tx, "agent-silent", agent.id) ? 1 : 0;
  }
  const ended: AuditRow = { ...row, state: row.read === 0 ? "no-data" : "done", ended_at: tx.now, opened, closed };
  tx.sql.run(
    `UPDATE audit SET state = ?, ended_at = ?, "read" = ?, opened = ?, closed = ? WHERE key = ?`,
    ended.state,
    tx.now,
    ended.read,
    opened,
    closed,
    row.key,
  );
  return ended;
}

function auditRun(site: SiteRecord, row: AuditRow): AuditRun {
  return {
    site: site.id,
    window: row.key,
    state: row.state,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    expected: row.expected,
    read: row.read,
    opened: row.opened,
    closed: row.closed,
  };
}

/** Newest first. */
export const auditRuns = (sql: Sql, site: SiteRecord, limit: number): AuditRun[] =>
  sql
    .all<AuditRow>("SELECT * FROM audit ORDER BY started_at DESC, key DESC LIMIT ?", limit)
    .map((row) => auditRun(site, row));
