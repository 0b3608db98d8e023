/** Why a device is where it is, in words: its state, what it waits for, and what would change it. */
import { type ErrorCode, errorCatalog, type Outcome, ok, refuse } from "../../../shared/errors.ts";
import type { Failure, JobEvent } from "../../../shared/model/job.ts";
import { lifecycle } from "../../../shared/model/lifecycle.ts";
import type { Explanation } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { AgentPresence } from "./commands.ts";
import type { FindingRow } from "./findings.ts";
import { jobRow, targetView } from "./job-views.ts";
import type { ProgressBoard } from "./progress.ts";
import { deviceView, findDevice } from "./rows.ts";
import { type TargetRow, targetBody } from "./step-rows.ts";
import type { SiteRecord } from "./tx.ts";

interface Seen {
  sql: Sql;
  now: number;
  board: ProgressBoard;
}

/** Events shown: enough to see the last attempt, few enough to read. */
const LAST_EVENTS = 12;

export function explain(
  seen: Seen,
  site: SiteRecord,
  name: string,
  agents: readonly AgentPresence[],
): Outcome<Explanation> {
  const { sql } = seen;
  const row = findDevice(sql, name);
  if (!row) return refuse("target_unknown", `${site.name} has no device ${name}.`);
  const device = deviceView(sql, site.id, row);
  const latest = sql.get<TargetRow>(
    "SELECT t.* FROM job_target t JOIN job j ON j.id = t.job WHERE t.device = ? ORDER BY j.created_at DESC, j.id DESC LIMIT 1",
    row.id,
  );
  const target = latest && targetView(seen, latest);
  const open = target !== undefined && target.endedAt === null;
  const failure = target?.failure ?? null;
  const findings = sql.all<FindingRow>("SELECT * FROM finding WHERE object = ? AND state = 'open'", row.id);
  return ok({
    device,
    state: `${row.state} since ${new Date(row.since).toISOString()}`,
    waitingOn: target?.waitingOn ?? null,
    wouldChange: wouldChange(device.state, latest, open, failure, target?.waitingOn ?? null, agents),
    job: latest?.job ?? null,
    step: open ? target.step : null,
    failure: failure && { ...failure, next: nextOf(failure.code) },
    findings: findings.map((f) => `${f.check}: ${f.text} ${f.next}`),
    lastEvents: latest ? events(sql, latest) : [],
  });
}

const nextOf = (code: string): string =>
  Object.hasOwn(errorCatalog, code) ? errorCatalog[code as ErrorCode].next : "See the evidence on the step.";

function wouldChange(
  state: keyof typeof lifecycle.device,
  target: TargetRow | undefined,
  open: boolean,
  failure: Failure | null,
  waitingOn: string | null,
  agents: readonly AgentPresence[],
): string[] {
  const out: string[] = [];
  if (open && target) {
    if (target.state === "waiting")
      out.push(`${failure ? nextOf(failure.code) : "A person decides."} \`turnup cancel ${target.job}\` gives it up.`);
    else if (waitingOn) out.push(`It goes on by itself once this has come: ${waitingOn}.`);
    if (agents.length > 0 && agents.every((a) => !a.doorbell && a.lastSeenAt === null))
      out.push("No agent of the site has been heard from; check it (`turnup agent list`).");
    return out;
  }
  if (failure) out.push(nextOf(failure.code));
  if (state === "planned" || state === "failed")
    out.push("An install: `turnup plan server.install DEVICE`, then `turnup apply`.");
  const next = lifecycle.device[state];
  out.push(`From ${state} it may become ${next.join(", ")}.`);
  return out;
}

function events(sql: Sql, target: TargetRow): Explanation["lastEvents"] {
  const rows = sql.all<Pick<JobEvent, "at" | "kind" | "step"> & { data: string }>(
    "SELECT at, kind, step, data FROM event WHERE job = ? AND device = ? ORDER BY seq DESC LIMIT ?",
    target.job,
    target.device,
    LAST_EVENTS,
  );
  const requester = jobRow(sql, target.job)?.requester;
  return rows.reverse().map(({ at, kind, step, data }) => {
    const { failure, state, attempt, resolve } = JSON.parse(data) as {
      failure?: Failure;
      state?: string;
      attempt?: number;
      resolve?: boolean;
    };
    const words = [
      kind,
      step,
      state,
      attempt !== undefined && attempt > 1 && `try ${attempt}`,
      resolve && "reads the state first",
      failure && `${failure.code}: ${failure.detail}`,
    ];
    const text = words.filter((w): w is string => typeof w === "string").join(" ");
    return {
      at,
      text:
        kind === "target.state" && requester
          ? `${targetBody(target).name} ${state ?? ""}${failure ? ` (${failure.code})` : ""}`
          : text,
    };
  });
}
