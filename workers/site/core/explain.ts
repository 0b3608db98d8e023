/** Why a device is where it is, in words: its state, what it waits for, and what would change it. */
import { type ErrorCode, errorCatalog, type Outcome, ok, refuse } from "../../../shared/errors.ts";
import type { Failure, JobEvent, TargetView } from "../../../shared/model/job.ts";
import type { Explanation } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Workflow } from "../../workflows/workflow.ts";
import { agentMissing, allSilent } from "./agent-rows.ts";
import type { AgentPresence } from "./commands.ts";
import type { FindingRow } from "./findings.ts";
import { holdOf } from "./hold.ts";
import { type JobRow, jobRow, newestJobOf, targetView } from "./job-views.ts";
import type { ProgressBoard } from "./progress.ts";
import { type DeviceRow, deviceDoc, deviceView, findDevice } from "./rows.ts";
import { type TargetRow, targetBody, targetRow } from "./step-rows.ts";
import type { SiteRecord } from "./tx.ts";

interface Seen {
  sql: Sql;
  now: number;
  board: ProgressBoard;
  site: SiteRecord;
  workflows: ReadonlyMap<string, Workflow>;
}

/** Events shown: enough to see the last attempt, few enough to read. */
const LAST_EVENTS = 12;

export function explain(at: Seen, name: string, agents: readonly AgentPresence[]): Outcome<Explanation> {
  const { sql, site, now } = at;
  const seen = { ...at, silent: allSilent(agents, now) };
  const row = findDevice(sql, name);
  if (!row) return refuse("target_unknown", `${site.name} has no device ${name}.`);
  const device = deviceView(sql, site.id, row);
  const job = newestJobOf(sql, row.id);
  const latest = job && targetRow(sql, job.id, row.id);
  const target = latest && job && targetView(seen, job, latest);
  const open = target?.endedAt === null ? target : undefined;
  const failure = target?.failure ?? null;
  const findings = sql.all<FindingRow>("SELECT * FROM finding WHERE object = ? AND state = 'open'", row.id);
  return ok({
    device,
    state: `${row.state} since ${new Date(row.since).toISOString()}`,
    waitingOn: target?.waitingOn ?? null,
    ...(target?.heldBy && { heldBy: target.heldBy }),
    dueAt: target?.dueAt ?? null,
    wouldChange:
      open && job
        ? whileOpen(seen, open, job)
        : [...(failure ? [nextOf(failure.code)] : []), ...mayRetry(job, target), ...whatMayStart(seen, row)],
    job: latest?.job ?? null,
    step: open?.step ?? null,
    failure: failure && { ...failure, next: nextOf(failure.code) },
    findings: findings.map((f) => `${f.check}: ${f.text} ${f.next}`),
    lastEvents: latest ? events(sql, latest) : [],
  });
}

const nextOf = (code: string): string =>
  Object.hasOwn(errorCatalog, code) ? errorCatalog[code as ErrorCode].next : "See the evidence on the step.";

/** A target that failed may be tried again in its job, as long as no other has taken the device since. */
const mayRetry = (job: JobRow | undefined, target: TargetView | undefined): string[] =>
  target?.state === "failed" && job && !job.cancelled_by
    ? [`\`turnup retry ${job.id} ${target.name}\` goes on from ${target.step ?? "its first incomplete step"}.`]
    : [];

/** What moves a device that a job holds. */
function whileOpen(
  { sql, site, silent }: Seen & { silent: boolean },
  target: TargetView,
  { id, paused }: JobRow,
): string[] {
  const { state, failure, waitingOn } = target;
  const out: string[] = [];
  if (state === "waiting")
    out.push(
      failure ? nextOf(failure.code) : "A person decides.",
      `\`turnup retry ${id} ${target.name}\` tries again, \`turnup cancel ${id}\` gives it up.`,
    );
  else if (holdOf(sql)) out.push(`An admin ends the hold of the restored site: \`turnup site release ${site.name}\`.`);
  else if (paused !== null) out.push(`\`turnup resume ${id}\` lets it go on, \`turnup cancel ${id}\` gives it up.`);
  else if (waitingOn) out.push(`It goes on by itself once this has come: ${waitingOn}.`);
  const missing = agentMissing(sql, site.name, silent);
  if (missing !== undefined && waitingOn?.includes(missing) !== true)
    out.push(`${missing.charAt(0).toUpperCase()}${missing.slice(1)}.`);
  return out;
}

/** What a person could start now: only what a command really offers. */
function whatMayStart({ workflows, site }: Seen, row: DeviceRow): string[] {
  if (deviceDoc(row).install === undefined)
    return ["Only the site file changes it: it has no hardware class, so no workflow acts on it."];
  const out = [...workflows.values()]
    .filter((workflow) => workflow.startsFrom.includes(row.state))
    .map((w) => {
      const params = w.example ? ` --params '${JSON.stringify(w.example)}'` : "";
      return `${w.title}: \`turnup plan ${w.name} ${row.name} --site ${site.name}${params}\`; it prints how to apply it.`;
    });
  return out.length > 0 ? out : [`Nothing that a command offers today: no workflow starts from ${row.state} yet.`];
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
    const { failure, state, attempt, resolve, actor, reason } = JSON.parse(data) as {
      failure?: Failure;
      state?: string;
      attempt?: number;
      resolve?: boolean;
      actor?: string;
      reason?: string;
    };
    const words = [
      kind,
      step,
      state,
      attempt !== undefined && attempt > 1 && `try ${attempt}`,
      resolve && "reads the state first",
      actor && `by ${actor}${reason ? `: ${reason}` : ""}`,
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
