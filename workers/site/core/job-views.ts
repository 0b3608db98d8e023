/** What the API shows of jobs, targets and steps: all derived from rows, nothing kept twice. */
import { type Outcome, ok, refuse } from "../../../shared/errors.ts";
import type { Verdict } from "../../../shared/model/guard.ts";
import type {
  Failure,
  JobEvent,
  JobState,
  JobSummary,
  JobView,
  StepView,
  TargetView,
} from "../../../shared/model/job.ts";
import { isFinal, jobWaitingOn } from "../../../shared/model/job.ts";
import type { Plan } from "../../../shared/model/plan.ts";
import type { Page } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { agentMissing } from "./agent-rows.ts";
import { placesNow } from "./caps.ts";
import { guardWorld, siteHeldBy } from "./guards/index.ts";
import type { Places } from "./guards/places.ts";
import { StepGuards } from "./guards/step-guards.ts";
import { holdWaitsFor } from "./hold.ts";
import { stepDueAt } from "./limits.ts";
import type { ProgressBoard } from "./progress.ts";
import {
  pausedInLoss,
  type StepRow,
  stepBody,
  stepNumbers,
  stepRow,
  stepsOf,
  type TargetRow,
  targetBody,
  targetRow,
  targetsOf,
} from "./step-rows.ts";
import { lastEvent, readMeta, type SiteRecord } from "./tx.ts";
import { isUnread } from "./unread.ts";

export interface JobRow {
  id: string;
  plan: string;
  plan_hash: string;
  workflow: string;
  requester: string;
  state: JobState;
  created_at: number;
  ended_at: number | null;
  cancelled_by: string | null;
  mode: Plan["mode"];
  priority: number;
  /** JSON: by, at, reason; null unless a person paused it. */
  paused: string | null;
  /** When it is given up; null once final, or given up. */
  due_at: number | null;
  /** Its number among the site's jobs in the order in which they were accepted: no clock decides which is newer. */
  seq: number;
}
export const jobRow = (sql: Sql, id: string) => sql.get<JobRow>("SELECT * FROM job WHERE id = ?", id);

interface Seen {
  sql: Sql;
  now: number;
  board: ProgressBoard;
  /** Whether no agent has been heard from lately, where that is known. */
  silent?: boolean;
}

const parse = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));

/** What a step waits for, in words, and the guard that says so, if it is one. */
interface Waits {
  waitingOn: string | null;
  heldBy?: Verdict;
}

/** What an open step waits for (J3). */
function stepWaits(seen: Seen, job: JobRow, step: StepRow): Waits {
  const { sql, now, silent } = seen;
  const body = stepBody(step);
  switch (step.state) {
    case "blocked":
      return words(needsWaitingOn(sql, step));
    case "ready": {
      const held = heldUp(seen, job, step);
      if (held) return held;
      const failure = parse<Failure>(step.failure);
      if (step.at !== null && step.at > now && failure)
        return words(`the next try in ${Math.ceil((step.at - now) / 1000)} s, after ${failure.code}`);
      const full = guardsOf(seen).places.full(step);
      return full ? forPlace(sql, full) : words(`${agentWanted(sql, silent)} to take the step ${body.name}`);
    }
    case "leased":
    case "running":
      return words(holdWaitsFor(sql) ?? body.waitingOn);
    case "unknown":
      return (
        heldUp(seen, job, step) ??
        words(`${agentWanted(sql, silent)} to read how the last attempt of ${body.name} ended`)
      );
    case "succeeded":
    case "failed":
    case "skipped":
    case "cancelled":
      return words(null);
  }
}

const words = (waitingOn: string | null): Waits => ({ waitingOn });
const guarded = (heldBy: Verdict): Waits => ({ waitingOn: heldBy.text, heldBy });

/** J10: where a paused job keeps a place, the person who can free it is named. */
function forPlace(sql: Sql, full: Verdict): Waits {
  const paused = pausedInLoss(sql);
  if (!paused) return guarded(full);
  const { by } = JSON.parse(paused.paused) as { by: string };
  const text = `${full.text}; ${paused.id}, paused by ${by}, keeps one with a lost attempt: resume or cancel it`;
  return guarded({ ...full, text });
}

/** What keeps any step of the job from starting, and this one's machine. */
function heldUp(seen: Seen, job: JobRow, step: StepRow): Waits | undefined {
  const paused = pausedWords(job);
  if (paused !== undefined) return words(paused);
  const { site, guards } = guardsOf(seen);
  if (site) return guarded(site);
  const unread = unreadWords(seen.sql, step);
  if (unread !== undefined) return words(unread);
  const guard = guards?.heldBy(step);
  return guard && guarded(guard);
}

function pausedWords(job: JobRow): string | undefined {
  const paused = parse<JobView["paused"]>(job.paused);
  return paused
    ? `${paused.by} to resume the job (\`turnup resume ${job.id}\`)${paused.reason ? `: ${paused.reason}` : ""}`
    : undefined;
}

/** The needs that are not done; for one that was left out, its own. */
const openNeeds = (sql: Sql, step: StepRow): StepRow[] =>
  stepBody(step).needs.flatMap((n) => {
    const need = stepRow(sql, step.job, n);
    if (!need || need.state === "succeeded") return [];
    return need.state === "skipped" ? openNeeds(sql, need) : [need];
  });

/** What a blocked step waits for: the steps that it needs, those of other targets with their names. */
function needsWaitingOn(sql: Sql, step: StepRow): string {
  const names = openNeeds(sql, step).map((need) => {
    const target = need.device === step.device ? undefined : targetRow(sql, step.job, need.device);
    return `${stepBody(need).name}${target ? ` of ${targetBody(target).name}` : ""}`;
  });
  const open = [...new Set(names)];
  // With none left it waits for what its machine waits for: a person.
  const waitingOn = open.length > 0 ? null : targetRow(sql, step.job, step.device)?.waiting_on;
  return waitingOn ?? `the step ${open.join(" and ")} to succeed`;
}

/** What the guards are asked about, read once for a view of many steps. */
function guardsOf(seen: Seen): Guards {
  const known = guardsKept.get(seen);
  if (known) return known;
  const { sql, now, board } = seen;
  const site = readMeta<SiteRecord>(sql, "site");
  const read = {
    site: siteHeldBy(guardWorld(sql, now)),
    guards: site && new StepGuards({ sql, now, board, site }),
    places: placesNow(sql),
  };
  guardsKept.set(seen, read);
  return read;
}
interface Guards {
  /** What holds every step of the site. */
  site: Verdict | undefined;
  guards: StepGuards | undefined;
  places: Places;
}
const guardsKept = new WeakMap<object, Guards>();

const unreadWords = (sql: Sql, step: StepRow): string | undefined =>
  isUnread(sql, step.device)
    ? "an audit to read the machine: something was done there that the restored site does not know"
    : undefined;

function agentWanted(sql: Sql, silent: boolean | undefined): string {
  const missing = agentMissing(sql, readMeta<SiteRecord>(sql, "site")?.name ?? "SITE", silent);
  return missing === undefined ? "an agent of the site" : `an agent (${missing})`;
}

/** Until when its present state may last: what waits in a paused job, as long as the job (J3). */
const dueOf = (job: JobRow, step: StepRow): number | null =>
  job.paused !== null && !isFinal.step(step.state) && !isAtWork(step)
    ? job.due_at
    : stepDueAt(step.state, step.at, job.due_at);

const isAtWork = ({ state }: StepRow): boolean => state === "leased" || state === "running";

export function targetView(seen: Seen, job: JobRow, row: TargetRow): TargetView {
  const target = targetBody(row);
  const steps = stepsOf(seen.sql, row);
  const undone = steps.filter((s) => s.state !== "succeeded" && s.state !== "skipped");
  // With branches the first undone step may wait for one that is at work, of which there is one at most (L1).
  const current = undone.find(isAtWork) ?? undone.find((s) => s.state !== "blocked") ?? undone[0];
  const open = !isFinal.target(row.state);
  const stepDue = current ? dueOf(job, current) : job.due_at;
  const waitDue = job.paused === null ? row.due_at : job.due_at;
  return {
    device: row.device,
    name: target.name,
    serial: target.serial,
    state: row.state,
    step: current ? stepBody(current).name : null,
    stepsDone: steps.length - undone.length,
    stepsTotal: steps.length,
    skipped: steps.filter((s) => s.state === "skipped").map((s) => stepBody(s).name),
    percent: open && current && isAtWork(current) ? seen.board.percent(current.job, current.n, current.lease) : null,
    ...targetWaits(seen, job, row, current),
    dueAt: open ? (row.due_at === null ? stepDue : waitDue) : null,
    failure: parse<Failure>(row.failure),
    retries: steps.reduce((sum, s) => sum + Math.max(0, s.attempt - 1), 0),
    startedAt: row.started_at,
    endedAt: row.ended_at,
  };
}

/** What a target waits for: a person, or what its current step does; nothing once it has ended. */
function targetWaits(seen: Seen, job: JobRow, target: TargetRow, current: StepRow | undefined): Waits {
  if (isFinal.target(target.state)) return words(null);
  if (target.waiting_on !== null) return words(target.waiting_on);
  return current ? stepWaits(seen, job, current) : words(null);
}

/** What a job's view and its line in a list have in common. Its version is its newest event. */
function jobHead(sql: Sql, site: SiteRecord, row: JobRow): Omit<JobView, "targets"> {
  const version = lastEvent(sql, row.id);
  return {
    id: row.id,
    site: site.id,
    siteName: site.name,
    workflow: row.workflow,
    plan: row.plan,
    planHash: row.plan_hash,
    requester: row.requester,
    priority: row.priority,
    state: row.state,
    paused: parse<JobView["paused"]>(row.paused),
    waitingOn: pausedWords(row) ?? holdWords(sql, row) ?? jobWaitingOn(row.state, openTargets(sql, row)),
    dueAt: isFinal.job(row.state) ? null : row.due_at,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    version,
    lastEvent: version,
  };
}

/** Nothing of any job goes on while its site is on hold. */
const holdWords = (sql: Sql, { state }: JobRow): string | undefined =>
  isFinal.job(state) ? undefined : holdWaitsFor(sql);

const openTargets = (sql: Sql, { id, ended_at }: JobRow): number =>
  ended_at !== null
    ? 0
    : (sql.get<{ n: number }>("SELECT count(*) AS n FROM job_target WHERE job = ? AND ended_at IS NULL", id)?.n ?? 0);

export function jobView(seen: Seen, site: SiteRecord, id: string): Outcome<JobView> {
  const row = jobRow(seen.sql, id);
  if (!row) return refuse("job_unknown", `There is no job ${id}.`);
  return ok({
    ...jobHead(seen.sql, site, row),
    targets: targetsOf(seen.sql, id).map((t) => targetView(seen, row, t)),
  });
}

export function jobSummary(sql: Sql, site: SiteRecord, row: JobRow): JobSummary {
  const states = sql.all<{ state: string; n: number }>(
    "SELECT state, count(*) AS n FROM job_target WHERE job = ? GROUP BY state",
    row.id,
  );
  const count = (...names: string[]) => states.filter((s) => names.includes(s.state)).reduce((sum, s) => sum + s.n, 0);
  return {
    ...jobHead(sql, site, row),
    counts: {
      total: states.reduce((sum, s) => sum + s.n, 0),
      succeeded: count("succeeded"),
      failed: count("failed"),
      waiting: count("waiting"),
      running: count("running", "queued"),
      cancelled: count("cancelled"),
    },
  };
}

/** A device's newest job, or undefined when it never had one. */
export const newestJobOf = (sql: Sql, device: string): JobRow | undefined =>
  sql.get<JobRow>(
    `SELECT * FROM job INDEXED BY job_seq WHERE EXISTS (SELECT 1 FROM job_target t WHERE t.job = job.id AND t.device = ?)
     ORDER BY seq DESC LIMIT 1`,
    device,
  );

/** Newest first. The cursor is the number of the last job seen. */
export function jobPage(
  sql: Sql,
  site: SiteRecord,
  input: { limit: number; cursor?: string | undefined; state?: JobState | undefined },
): Outcome<Page<JobSummary>> {
  const { cursor, limit, state } = input;
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor))
    return refuse("bad_request", "The cursor is not one that a list gave.");
  const rows = sql.all<JobRow>(
    `SELECT * FROM job INDEXED BY job_seq WHERE (?1 IS NULL OR seq < ?1) AND (?2 IS NULL OR state = ?2)
     ORDER BY seq DESC LIMIT ?3`,
    cursor === undefined ? null : Number(cursor),
    state ?? null,
    limit + 1,
  );
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return ok({ items: items.map((row) => jobSummary(sql, site, row)), next: last ? String(last.seq) : null });
}

export function stepViews(seen: Seen, id: string, after = -1, limit = -1): StepView[] {
  const job = jobRow(seen.sql, id);
  if (!job) return [];
  const numbers = new Map<string, number[]>();
  const numberOf = ({ device, n }: StepRow) => {
    const target = numbers.has(device) ? undefined : targetRow(seen.sql, id, device);
    if (target) numbers.set(device, stepNumbers(seen.sql, target));
    return (numbers.get(device) ?? []).indexOf(n) + 1;
  };
  const rows = seen.sql.all<StepRow>("SELECT * FROM step WHERE job = ? AND n > ? ORDER BY n LIMIT ?", id, after, limit);
  const skips = rows.some((row) => row.state === "skipped") ? skipsOf(seen.sql, id) : undefined;
  return rows.map((row) => {
    const body = stepBody(row);
    return {
      n: row.n,
      number: numberOf(row),
      device: row.device,
      name: body.name,
      action: body.action,
      state: row.state,
      attempt: row.attempt,
      ...stepWaits(seen, job, row),
      readyAt: row.ready_at,
      leasedAt: row.leased_at,
      startedAt: row.started_at,
      finishedAt: row.finished_at,
      endedAt: row.ended_at,
      dueAt: dueOf(job, row),
      failure: parse<Failure>(row.failure),
      skipped: skips?.get(`${row.device}/${body.name}`) ?? null,
      result: parse<unknown>(row.result),
      evidence: parse<unknown>(row.evidence),
    };
  });
}

/** Who left which steps of a job out, and why: only its events keep that (E4). */
function skipsOf(sql: Sql, job: string): Map<string, NonNullable<StepView["skipped"]>> {
  const events = sql.all<{ device: string; step: string; data: string }>(
    "SELECT device, step, data FROM event WHERE job = ? AND kind = 'step.skipped' ORDER BY seq",
    job,
  );
  return new Map(
    events.map(({ device, step, data }) => {
      const { actor, reason } = JSON.parse(data) as { actor: string; reason: string };
      return [`${device}/${step}`, { by: actor, reason }];
    }),
  );
}

export function jobEvents(sql: Sql, job: string, after: number, limit: number): JobEvent[] {
  return sql
    .all<Omit<JobEvent, "data"> & { data: string }>(
      "SELECT * FROM event WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?",
      job,
      after,
      limit,
    )
    .map((row) => ({ ...row, data: JSON.parse(row.data) as Record<string, unknown> }));
}
