/** After each command: what the tables say is what the model says, and what must hold of any state holds (J3, J10, L1, L7). */
import type { World } from "../../../workers/site/core/test-world.ts";
import { leaseEnd } from "./rules.ts";
import { ending, isEnded, isJobOpen, isOpen, label, type Model, type ModelStep, violated } from "./state.ts";

interface StepFact {
  job: string;
  n: number;
  state: string;
  at: number | null;
  attempt: number;
  lease: string | null;
  epoch: number | null;
}

export function compare(m: Model, w: World): void {
  const steps = w.sql.all<StepFact>("SELECT job, n, state, at, attempt, lease, epoch FROM step");
  if (steps.length !== m.steps().length) violated("J5", `${steps.length} steps are kept of ${m.steps().length}`);
  for (const fact of steps) {
    const step = m.stepOf(fact.job, fact.n);
    if (!step) return violated("J5", `step ${fact.n} of ${fact.job} is nobody's`);
    compareStep(step, fact);
  }
  const targets = w.sql.all<{ job: string; device: string; state: string }>(
    "SELECT job, device, state FROM job_target",
  );
  for (const { job, device, state } of targets) {
    const target = m.targets().find((t) => t.job.id === job && t.device === device);
    if (target?.state !== state) violated("J8", `${target?.name} of ${job} is ${state} and must be ${target?.state}`);
  }
  // L7
  const locks = w.sql
    .all<{ lock: string }>("SELECT job || ' ' || device AS lock FROM lock ORDER BY 1")
    .map((l) => l.lock);
  const held = m.openTargets().map((t) => `${t.job.id} ${t.device}`);
  if (locks.join() !== held.sort().join()) violated("L7", `held are ${locks.join()} and must be ${held.join()}`);
  for (const job of m.jobs) compareJob(m, w, job.id, isJobOpen(job));
  checkAlarm(m, w);
}

/** A step that may not start until its target ends: whether its needs are done makes no difference. */
const waits = (step: ModelStep, state: string): string =>
  ending(step.target) !== undefined && (state === "ready" || state === "blocked") ? "waiting" : state;

function compareStep(step: ModelStep, { state, at, attempt, lease, epoch }: StepFact): void {
  const seen = waits(step, state === "leased" || state === "running" ? "work" : state);
  const must = waits(step, step.state);
  if (seen !== must)
    violated(step.state === "succeeded" ? "J8" : "J2", `${label(step)} is ${seen} and must be ${must}`);
  const { newest } = step;
  if ((newest?.id ?? null) !== lease || (newest?.epoch ?? null) !== epoch || step.attempt !== attempt)
    violated(
      "L6",
      `${label(step)} has lease ${lease}, epoch ${epoch}, attempt ${attempt} and must have ${newest?.id}, ${newest?.epoch}, ${step.attempt}`,
    );
  if (must !== "ready" && must !== "unknown") return;
  if (at === null || at < step.at || at > step.at + step.slack)
    violated("J3", `${label(step)} waits since or until ${at} and must ${step.at} to ${step.at + step.slack}`);
  Object.assign(step, { at, slack: 0 });
}

/** J3: every open thing says what it waits for, and until when; J10: a job is over when all its targets are. */
function compareJob(m: Model, w: World, id: string, open: boolean): void {
  const row = w.sql.get<{ state: string; ended_at: number | null }>("SELECT state, ended_at FROM job WHERE id = ?", id);
  if ((row?.ended_at === null) !== open)
    violated("J10", `${id} is ${row?.state} and must be ${open ? "open" : "over"}`);
  if (!open) return;
  const says = (what: string, isOver: boolean, waitingOn: string | null, dueAt: number | null) => {
    if (isOver !== (waitingOn === null) || isOver !== (dueAt === null))
      violated("J3", `${what} of ${id} waits for ${waitingOn} until ${dueAt}`);
    if (waitingOn !== null && /undefined|null|the step {2}/.test(waitingOn))
      violated("J3", `${what} waits for: ${waitingOn}`);
  };
  const job = w.ask("job", { job: id });
  says("the job", false, job.waitingOn, job.dueAt);
  for (const t of job.targets) says(t.name, !isOpen(t), t.waitingOn, t.dueAt);
  for (const s of w.ask("steps", { job: id })) {
    const step = m.stepOf(id, s.n);
    says(s.name, step !== undefined && isEnded(step), s.waitingOn, s.dueAt);
  }
}

/** C1, J10: the alarm is wanted no later than the first thing that time alone must do. */
function checkAlarm(m: Model, w: World): void {
  const dues = m.steps().flatMap((s) => {
    if (s.state === "work" && s.newest) return [Math.min(leaseEnd(s.newest), s.newest.deadlineAt)];
    return s.state === "ready" && s.at > m.now ? [s.at] : [];
  });
  dues.push(
    ...m.openTargets().flatMap((t) => (t.state === "waiting" && t.job.pausedAt === undefined ? [t.dueAt] : [])),
  );
  if (dues.length === 0) return;
  const due = Math.min(...dues);
  const alarm = w.core.nextAlarm(m.now);
  if (alarm === null || alarm > due) violated("C1", `the alarm is wanted at ${alarm}, and something is due at ${due}`);
}
