/** What people ask of jobs, what they are refused, and with which code (J1, J6, J8, L7). */
import fc from "fast-check";
import { siteOf, type World } from "../../../workers/site/core/test-world.ts";
import { ACTOR, type Act, act, hasJobs, pick, SERVERS, tell } from "./act.ts";
import { cancel, follow, isReading, reopen, resume, skip } from "./rules.ts";
import { isJobOpen, isOpen, label, type Model, type ModelJob, type ModelTarget, violated } from "./state.ts";

const WORKFLOWS = ["test.rack", "test.staggered", "test.relay"] as const;

function accept(m: Model, w: World, workflow: string, names: string[], priority: number): void {
  const key = `key ${m.count}`;
  const body = names.join();
  const input = { key, body, actor: ACTOR, workflow, targets: names, params: {}, priority };
  const { reply } = w.core.apply({ now: w.now, random: w.random }, "job.create", input);
  const busy = m.openTargets().some((t) => names.includes(t.name));
  if (reply.ok === busy)
    violated("L7", `${workflow} on ${body} is ${reply.ok ? "taken" : "refused"}, locks held: ${busy}`);
  if (!reply.ok) return;
  const view = reply.value.job;
  const job: ModelJob = { id: view.id, key, body, priority, pausedAt: undefined, cancelled: false, targets: [] };
  const steps = w.ask("plan.steps", { plan: view.plan, after: -1, limit: 1000 });
  for (const { device, name } of view.targets) {
    const target: ModelTarget = {
      job,
      device,
      name,
      state: "queued",
      agent: undefined,
      doomed: false,
      dueAt: 0,
      steps: [],
    };
    for (const s of steps.filter(({ target: of }) => of === device))
      target.steps.push({
        target,
        n: s.n,
        name: s.name,
        action: s.action,
        needs: s.needs,
        state: "blocked",
        at: 0,
        slack: 0,
        attempt: 0,
        failures: 0,
        newest: undefined,
        mustRead: false,
      });
    job.targets.push(target);
  }
  m.jobs.push(job);
  follow(m);
}
export const accepts = fc
  .record({
    workflow: fc.constantFrom(...WORKFLOWS),
    on: fc.constantFrom(7, 7, 7, 3, 6, 5, 1, 2, 4),
    priority: fc.constantFrom(5, 9),
  })
  .map(({ workflow, on, priority }) => {
    const names = siteOf(SERVERS)
      .devices.map((d) => d.name)
      .filter((_, n) => on & (1 << n));
    return act(`accept(${workflow}, ${names.join("+")}, ${priority})`, (m, w) =>
      accept(m, w, workflow, names, priority),
    );
  });
/** J1: the same key again, with the same body and with another. */
export const repeats = fc.nat(5).map((which) =>
  act(
    `accept again(${which})`,
    (m, w) => {
      const job = pick(m.jobs, which);
      if (!job) return;
      const { key, priority } = job;
      const input = { key, actor: ACTOR, workflow: WORKFLOWS[0], targets: ["srv00000"], params: {}, priority };
      const again = w.do("job.create", { ...input, body: job.body });
      if (again.created || again.job.id !== job.id)
        violated("J1", `the same key made ${again.job.id} beside ${job.id}`);
      const other = tell(w, "job.create", { ...input, body: "another" });
      if (other !== "idempotency_key_reused") violated("J1", `the key with another body is answered with ${other}`);
    },
    hasJobs,
  ),
);

/** A command about a job, which is refused with this code when it is over. */
const onJob = (name: string, run: (m: Model, w: World, job: ModelJob) => void): fc.Arbitrary<Act> =>
  fc.nat(5).map((which) =>
    act(
      `${name}(${which})`,
      (m, w) => {
        const job = pick(m.jobs, which);
        if (job) run(m, w, job);
      },
      hasJobs,
    ),
  );
function steer(w: World, kind: "job.cancel" | "job.pause" | "job.resume", job: ModelJob): boolean {
  const code = tell(w, kind, { job: job.id, actor: ACTOR, reason: "" });
  const must = isJobOpen(job) ? undefined : "job_final";
  if (code !== must) violated("J6", `${kind} is answered with ${code} and must be with ${must}`);
  return code === undefined;
}
export const cancels = onJob("cancel", (m, w, job) => void (steer(w, "job.cancel", job) && cancel(m, job)));
export const pauses = onJob("pause", (m, w, job) => {
  if (steer(w, "job.pause", job)) job.pausedAt ??= m.now;
});
export const resumes = onJob("resume", (m, w, job) => {
  if (steer(w, "job.resume", job)) resume(m, job);
});

/** Another job has had the machine since, or has it now: whether it is still as planned is not for the model to say. */
const isStranger = (m: Model, { job, device }: ModelTarget): boolean =>
  m.jobs.slice(m.jobs.indexOf(job) + 1).some((j) => j.targets.some((t) => t.device === device));

export const retries = fc.record({ which: fc.nat(5), on: fc.option(fc.nat(SERVERS - 1)) }).map(({ which, on }) =>
  act(
    `retry(${which}${on === null ? "" : `, its target ${on}`})`,
    (m, w) => {
      const job = pick(m.jobs, which);
      if (!job) return;
      const one = on === null ? undefined : pick(job.targets, on);
      const stuck = (one ? [one] : job.targets).filter((t) => t.state === "failed" || t.state === "waiting");
      const code = tell(w, "job.retry", { job: job.id, device: one?.name, actor: ACTOR });
      const locked = stuck.some((t) => t.state === "failed" && m.holder(t.device));
      if (job.cancelled || stuck.length === 0 || locked) {
        if (code === undefined) violated("J8", `a retry of ${job.id} is taken, though nothing of it may go on`);
        return;
      }
      // One machine alone may wait in vain for what has ended.
      const may = one !== undefined || stuck.some((t) => isStranger(m, t));
      if (code !== undefined && !may) violated("J8", `a retry of ${job.id} is refused: ${code}`);
      if (code !== undefined) return;
      for (const target of stuck) reopen(target);
      follow(m);
    },
    hasJobs,
  ),
);

export const skips = fc.record({ which: fc.nat(5), step: fc.nat(20) }).map(({ which, step: n }) =>
  act(
    `skip(${which}, step ${n})`,
    (m, w) => {
      const job = pick(m.jobs, which);
      const step =
        job &&
        pick(
          job.targets.flatMap((t) => t.steps),
          n,
        );
      if (!job || !step) return;
      const { target } = step;
      const code = tell(w, "job.skip", {
        job: job.id,
        device: target.device,
        step: step.name,
        reason: "",
        actor: ACTOR,
      });
      const may = !job.cancelled && isReading(step) && ["blocked", "ready", "failed"].includes(step.state);
      if (!may && code === undefined) violated("J8", `${label(step)} is left out, which is ${step.state}`);
      if (may && isOpen(target) && code !== undefined) violated("J8", `${label(step)} is not left out: ${code}`);
      if (code === undefined) skip(m, step);
    },
    hasJobs,
  ),
);
