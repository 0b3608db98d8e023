/** J3 and L7: every open thing waits for something, until some time; locks are exactly those of open targets. */
import { isFinal, jobStateOf } from "../../../shared/model/job.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { SiteCore } from "../../../workers/site/core/core.ts";
import type { Sim } from "../sim.ts";
import type { Move } from "./moves.ts";

export function checkJobs(sim: Sim, core: SiteCore, sql: Sql, now: number, moves: readonly Move[]): void {
  const jobs = new Set(moves.map((m) => m.job).filter((job) => job !== null));
  for (const job of jobs) checkJob(sim, core, now, job);
  if (jobs.size > 0) checkLocks(sim, sql);
}

function checkJob(sim: Sim, core: SiteCore, now: number, id: string): void {
  const seen = core.query(now, "job", { job: id });
  const steps = core.query(now, "steps", { job: id });
  if (!seen.ok || !steps.ok) return sim.violate("J1", `${id} is gone`);
  const job = seen.value;
  const state = jobStateOf(
    job.targets.map((t) => t.state),
    job.paused !== null,
  );
  if (job.state !== state) sim.violate("J3", `${id} is ${job.state}, and its targets say ${state}`);
  const open = !isFinal.job(job.state);
  if (open) sim.coverage.rule("J3");
  const waits = (what: string, isOpen: boolean, waitingOn: string | null, dueAt: number | null) => {
    if (isOpen !== (waitingOn !== null)) sim.violate("J3", `${what} of ${id} waits for ${waitingOn}`);
    if (isOpen && dueAt === null) sim.violate("J3", `${what} of ${id} has no deadline`);
  };
  waits("the job", open, job.waitingOn, job.dueAt);
  for (const target of job.targets)
    waits(`${target.name} (${target.state})`, !isFinal.target(target.state), target.waitingOn, target.dueAt);
  for (const step of steps.value)
    waits(`step ${step.n} (${step.state})`, !isFinal.step(step.state), step.waitingOn, step.dueAt);
}

const OPEN = "('queued', 'running', 'waiting')";

function checkLocks(sim: Sim, sql: Sql): void {
  const count = sql.get<{ locks: number; open: number; both: number }>(
    `SELECT (SELECT count(*) FROM lock) AS locks, (SELECT count(*) FROM job_target WHERE state IN ${OPEN}) AS open,
       (SELECT count(*) FROM lock l JOIN job_target t ON t.job = l.job AND t.device = l.device WHERE t.state IN ${OPEN}) AS both`,
  );
  if (count && (count.locks !== count.both || count.open !== count.both))
    sim.violate(
      "L7",
      `${count.open} targets are open and ${count.locks} locks are held, ${count.both} of them by these`,
    );
}
