import {
  Failure,
  isFinal,
  type JobEvent,
  JobState,
  type JobView,
  jobWaitingOn,
  TargetState,
  type TargetView,
} from "../../shared/model/job.ts";
import type { Plan } from "../../shared/model/plan.ts";

/** Names of a plan's steps by target, in order: what a view needs to be carried forward by events. */
export type StepOrder = ReadonlyMap<string, readonly { name: string; waitingOn: string }[]>;

export function stepOrder(plan: Plan): StepOrder {
  const order = new Map<string, { name: string; waitingOn: string }[]>();
  for (const { target, name, waitingOn } of [...plan.steps].sort((a, b) => a.n - b.n)) {
    const steps = order.get(target) ?? [];
    steps.push({ name, waitingOn });
    order.set(target, steps);
  }
  return order;
}

/**
 * The job after one more event, so that a watcher need not ask for the whole of it again; undefined where the event
 * does not say all that has changed, as when a person paused, retried or skipped: then it is asked for anew. An event
 * that the view has seen already changes nothing; progress, which is not numbered, always counts. When an open step is
 * due (`dueAt`) events do not say.
 */
export function foldJob(view: JobView, event: JobEvent, order: StepOrder): JobView | undefined {
  const progress = event.kind === "step.progress";
  if (event.job !== view.id || (!progress && event.seq <= view.lastEvent)) return view;
  if (event.kind === "target.retry" || event.kind === "step.skipped" || event.data.paused !== undefined)
    return undefined;
  const next: JobView = progress ? { ...view } : { ...view, lastEvent: event.seq, version: event.seq };
  if (event.kind === "job.state") {
    const state = JobState.safeParse(event.data.state);
    if (state.success) next.state = state.data;
  }
  next.targets = view.targets.map((target) =>
    target.device === event.device ? foldTarget(view, target, event, order.get(target.device) ?? []) : target,
  );
  if (next.state === "queued" && next.targets.some((target) => target.state === "running")) next.state = "running";
  if (isFinal.job(next.state))
    return { ...next, endedAt: view.endedAt ?? event.at, paused: null, waitingOn: null, dueAt: null };
  const open = next.targets.filter((target) => !isFinal.target(target.state)).length;
  return next.paused ? next : { ...next, waitingOn: jobWaitingOn(next.state, open) };
}

function foldTarget(
  job: JobView,
  before: TargetView,
  event: JobEvent,
  steps: readonly { name: string; waitingOn: string }[],
): TargetView {
  // Which guard holds what comes next, no event says.
  const { heldBy: _, ...target } = before;
  const at = steps.findIndex((step) => step.name === event.step);
  // While the job is paused, what is not at work waits for the same as the job.
  const waits = (words: string) => (job.paused ? job.waitingOn : words);
  switch (event.kind) {
    case "step.leased":
    case "step.running":
      return {
        ...target,
        state: target.state === "queued" ? "running" : target.state,
        step: event.step,
        waitingOn: steps[at]?.waitingOn ?? target.waitingOn,
        dueAt: null,
        startedAt: target.startedAt ?? event.at,
        percent: event.kind === "step.leased" ? null : target.percent,
        // Attempts beyond the first, as the site counts them, also where the last one was lost.
        retries: target.retries + (event.kind === "step.leased" && Number(event.data.attempt ?? 1) > 1 ? 1 : 0),
      };
    case "step.progress": {
      const percent = event.data.percent;
      return typeof percent === "number" ? { ...target, step: event.step, percent } : target;
    }
    case "step.succeeded": {
      const following = steps.slice(at + 1).find(({ name }) => !target.skipped.includes(name));
      return {
        ...target,
        stepsDone: target.stepsDone + 1,
        step: following?.name ?? null,
        waitingOn: following ? waits(`an agent of the site to take the step ${following.name}`) : null,
        dueAt: null,
        percent: null,
      };
    }
    case "step.retry": {
      const failure = Failure.safeParse(event.data.failure);
      const why = failure.success ? `, after ${failure.data.code}` : "";
      return { ...target, waitingOn: waits(`the next try of ${event.step}${why}`), dueAt: null, percent: null };
    }
    case "step.unknown": {
      const words = `an agent of the site to read how the last attempt of ${event.step} ended`;
      return { ...target, waitingOn: waits(words), dueAt: null, percent: null };
    }
    case "target.state": {
      const state = TargetState.safeParse(event.data.state);
      if (!state.success) return target;
      const failure = Failure.safeParse(event.data.failure);
      const final = isFinal.target(state.data);
      const { waitingOn, dueAt } = event.data;
      return {
        ...target,
        state: state.data,
        failure: failure.success ? failure.data : target.failure,
        waitingOn: final ? null : typeof waitingOn === "string" ? waitingOn : target.waitingOn,
        dueAt: typeof dueAt === "number" ? dueAt : null,
        percent: state.data === "running" ? target.percent : null,
        startedAt: target.startedAt ?? (state.data === "running" ? event.at : null),
        endedAt: final ? event.at : target.endedAt,
      };
    }
    default:
      return target;
  }
}
