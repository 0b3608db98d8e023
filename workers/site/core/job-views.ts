/** What the API shows of jobs, targets and steps: all derived from rows, nothing kept twice. */
import { type Outcome, ok, refuse } from "../../../shared/errors.ts";
import type {
  Failure,
  JobEvent,
  JobState,
  JobSummary,
  JobView,
  StepView,
  TargetView,
} from "../../../shared/model/job.ts";
import { isFinal } from "../../../shared/model/job.ts";
import type { Page } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { agentMissing } from "./agent-rows.ts";
import { mayStart } from "./guards.ts";
import type { ProgressBoard } from "./progress.ts";
import { type StepRow, stepBody, stepsOf, type TargetRow, targetBody, targetsOf } from "./step-rows.ts";
import { lastEvent, readMeta, type SiteRecord } from "./tx.ts";

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

/** In words, what an open step waits for. */
export function stepWaitingOn({ sql, now, silent }: Omit<Seen, "board">, step: StepRow): string | null {
  const body = stepBody(step);
  switch (step.state) {
    case "blocked":
      return `step ${body.needs.join(", ")} to succeed`;
    case "ready": {
      const start = mayStart(sql, now);
      if (!start.ok) return start.waitingOn;
      const failure = parse<Failure>(step.failure);
      if (step.at !== null && step.at > now && failure)
        return `the next try in ${Math.ceil((step.at - now) / 1000)} s, after ${failure.code}`;
      return `${agentWanted(sql, silent)} to take the step ${body.name}`;
    }
    case "leased":
    case "running":
      return body.waitingOn;
    case "unknown": {
      const start = mayStart(sql, now);
      if (!start.ok) return start.waitingOn;
      return `${agentWanted(sql, silent)} to read how the last attempt of ${body.name} ended`;
    }
    case "succeeded":
    case "failed":
    case "skipped":
    case "cancelled":
      return null;
  }
}

function agentWanted(sql: Sql, silent: boolean | undefined): string {
  const missing = agentMissing(sql, readMeta<SiteRecord>(sql, "site")?.name ?? "SITE", silent);
  return missing === undefined ? "an agent of the site" : `an agent (${missing})`;
}

export function targetView(seen: Seen, row: TargetRow): TargetView {
  const target = targetBody(row);
  const steps = stepsOf(seen.sql, row);
  const current = steps.find((s) => s.state !== "succeeded" && s.state !== "skipped");
  const open = !isFinal.target(row.state);
  return {
    device: row.device,
    name: target.name,
    serial: target.serial,
    state: row.state,
    step: current ? stepBody(current).name : null,
    stepsDone: steps.filter((s) => s.state === "succeeded").length,
    stepsTotal: steps.length,
    percent: open && current ? seen.board.percent(current.job, current.n, current.lease) : null,
    waitingOn: open ? (row.waiting_on ?? (current ? stepWaitingOn(seen, current) : null)) : null,
    failure: parse<Failure>(row.failure),
    retries: steps.reduce((sum, s) => sum + Math.max(0, s.attempt - 1), 0),
    startedAt: row.started_at,
    endedAt: row.ended_at,
  };
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
    state: row.state,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    version,
    lastEvent: version,
  };
}

export function jobView(seen: Seen, site: SiteRecord, id: string): Outcome<JobView> {
  const row = jobRow(seen.sql, id);
  if (!row) return refuse("job_unknown", `There is no job ${id}.`);
  return ok({
    ...jobHead(seen.sql, site, row),
    targets: targetsOf(seen.sql, id).map((t) => targetView(seen, t)),
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

/** Newest first. The cursor is the last job seen, as `createdAt/id`. */
export function jobPage(
  sql: Sql,
  site: SiteRecord,
  input: { limit: number; cursor?: string | undefined; state?: JobState | undefined },
): Page<JobSummary> {
  const [at, id] = input.cursor?.split("/") ?? [];
  const rows = sql.all<JobRow>(
    `SELECT * FROM job WHERE (?1 IS NULL OR created_at < ?1 OR (created_at = ?1 AND id < ?2)) AND (?3 IS NULL OR state = ?3)
     ORDER BY created_at DESC, id DESC LIMIT ?4`,
    at === undefined ? null : Number(at),
    id ?? null,
    input.state ?? null,
    input.limit + 1,
  );
  const items = rows.slice(0, input.limit);
  const last = rows.length > input.limit ? items.at(-1) : undefined;
  return { items: items.map((row) => jobSummary(sql, site, row)), next: last ? `${last.created_at}/${last.id}` : null };
}

export function stepViews(seen: Seen, job: string): StepView[] {
  return seen.sql.all<StepRow>("SELECT * FROM step WHERE job = ? ORDER BY n", job).map((row) => {
    const body = stepBody(row);
    return {
      n: row.n,
      device: row.device,
      name: body.name,
      action: body.action,
      state: row.state,
      attempt: row.attempt,
      waitingOn: stepWaitingOn(seen, row),
      readyAt: row.ready_at,
      leasedAt: row.leased_at,
      startedAt: row.started_at,
      finishedAt: row.finished_at,
      endedAt: row.ended_at,
      dueAt: row.state === "leased" || row.state === "running" ? row.at : null,
      failure: parse<Failure>(row.failure),
      result: parse<unknown>(row.result),
      evidence: parse<unknown>(row.evidence),
    };
  });
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
