import type { ActionName, ParamsOf } from "../../shared/actions/index.ts";
import type { Outcome } from "../../shared/errors.ts";
import type { AssetState, DeviceState, MediumState } from "../../shared/model/lifecycle.ts";
import type { Mark, Plan, PlanStep } from "../../shared/model/plan.ts";
import type { Image, ResolvedDevice } from "../../shared/model/site.ts";

/** One device as the site knows it when a plan is made. */
export interface PlanDevice {
  id: string;
  state: DeviceState;
  doc: ResolvedDevice;
  asset: { id: string; state: AssetState; serial: string; aliases: string[] } | null;
  media: { id: string; bay: string; serial: string; sizeBytes: number; state: MediumState }[];
}

export interface PlanInput {
  planId: string;
  site: string;
  siteName: string;
  requester: string;
  /** Unix ms. */
  expiresAt: number;
  devices: PlanDevice[];
  images: Image[];
  params: Record<string, unknown>;
}

/** A workflow turns intent and inventory into a plan. It is pure: the same input gives the same plan, so a plan can be reviewed. */
export interface Workflow {
  name: string;
  title: string;
  /** States that a target may be in when the plan is made and when it starts. */
  startsFrom: readonly DeviceState[];
  maxTargets: number;
  /** The params that an intent may have; any other is refused before `plan` is asked. */
  params: readonly string[];
  /** For people who have to give params: those that do the least. */
  example?: Readonly<Record<string, string>>;
  plan(input: PlanInput): Outcome<Plan>;
}

/** Targets of any plan: more than any site has in one row of halls, and few enough that one transaction takes them. */
export const MAX_TARGETS = 5_000;

/** A step before it has its place in a plan. */
export type PlannedStep = Omit<PlanStep, "n" | "needs">;

/** Builds one step with its parameters checked against the action's contract by the compiler. */
export function step<A extends ActionName>(spec: {
  target: string;
  name: string;
  action: A;
  params: ParamsOf<A>;
  touches: string;
  waitingOn: string;
  writes?: true;
  destructive?: true;
  disrupts?: true;
  boot?: true;
  start?: Mark[];
  success?: Mark[];
}): PlannedStep {
  const marks =
    spec.start || spec.success
      ? { ...(spec.start && { start: spec.start }), ...(spec.success && { success: spec.success }) }
      : undefined;
  return {
    target: spec.target,
    name: spec.name,
    action: spec.action,
    params: spec.params,
    touches: spec.touches,
    waitingOn: spec.waitingOn,
    ...(spec.writes && { writes: true }),
    ...(spec.destructive && { destructive: true }),
    ...(spec.disrupts && { disrupts: true }),
    ...(spec.boot && { boot: true }),
    ...(marks && { marks }),
  };
}

/** The step with the time that this hardware needs, if it needs another than the action's own. */
export const withDeadline = <S extends PlannedStep>(step: S, seconds: number | undefined): S =>
  seconds === undefined ? step : { ...step, deadlineSeconds: seconds };

/** Numbers the steps of one target from `from` on, each needing the one before it. */
export function chain(from: number, steps: PlannedStep[]): PlanStep[] {
  return steps.map((s, i) => ({ ...s, n: from + i, needs: i === 0 ? [] : [from + i - 1] }));
}
