import {
  Failure,
  isFinal,
  type JobEvent,
  JobState,
  type JobView,
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
 * The job after one more event, so that a watcher need not ask for the whole of it again. An event that the view has
 * seen already changes nothing; progress, which is not numbered, always counts.
 */
export function foldJob(view: JobView, event: JobEvent, order: StepOrder): JobView {
  const progress = event.kind === "step.progress";
  if (event.job !== view.id || (!progress && event.seq <= view.lastEvent)) return view;
  const next: JobView = progress ? { ...view } : { ...view, lastEvent: event.seq, version: event.seq };
  if (event.kind === "job.state") {
    const state = JobState.safeParse(event.data.state);
    if (!state.success) return next;
    return { ...next, state: state.data, endedAt: isFinal.job(state.data) ? event.at : null };
  }
  next.targets = view.targets.map((target) =>
    target.device === event.device ? foldTarget(target, event, order.get(target.device) ?? []) : target,
  );
  if (next.state === "queued" && next.targets.some((target) => target.state === "running")) next.state = "running";
  return next;
}

function foldTarget(
  target: TargetView,
  event: JobEvent,
  steps: readonly { name: string; waitingOn: string }[],
): TargetView {
  const at = steps.findIndex((step) => step.name === event.step);
  const waitingOn = steps[at]?.waitingOn ?? target.waitingOn;
  switch (event.kind) {
    case "step.leased":
    case "step.running":
      return {
        ...target,
        state: target.state === "queued" ? "running" : target.state,
        step: event.step,
        waitingOn,
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
      const following = steps[at + 1];
      return {
        ...target,
        stepsDone: Math.max(target.stepsDone, at + 1),
        step: following?.name ?? null,
        waitingOn: following?.waitingOn ?? null,
        percent: null,
      };
    }
    case "target.state": {
      const state = TargetState.safeParse(event.data.state);
      if (!state.success) return target;
      const failure = Failure.safeParse(event.data.failure);
      const final = isFinal.target(state.data);
      const said = event.data.waitingOn;
      return {
        ...target,
        state: state.data,
        failure: failure.success ? failure.data : target.failure,
        waitingOn: final ? null : typeof said === "string" ? said : target.waitingOn,
        percent: final ? null : target.percent,
        startedAt: target.startedAt ?? (state.data === "queued" ? null : event.at),
        endedAt: final ? event.at : target.endedAt,
      };
    }
    default:
      return target;
  }
}
