import type { AgentActionName, ParamsOf, ResultOf } from "../../../shared/actions/index.ts";
import type { Clock, Random } from "../../../shared/deps.ts";
import { type ErrorCode, type Outcome, TurnupError } from "../../../shared/errors.ts";
import type { ApprovedPlan } from "../../../shared/model/approval.ts";
import type { PlanTarget } from "../../../shared/model/plan.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import type { BmcPool } from "../bmc/pool.ts";
import type { Bmc } from "../bmc/redfish.ts";
import type { AgentConfig } from "../config.ts";
import type { Timers } from "../deps.ts";
import type { Journal } from "../journal/journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { ImageStore } from "../netboot/images.ts";
import type { Machines } from "../netboot/machines.ts";
import type { Signals } from "../signals.ts";

/** What handlers work with. */
export interface World {
  clock: Clock;
  timers: Timers;
  random: Random;
  log: Log;
  metrics: Metrics;
  journal: Journal;
  signals: Signals;
  pool: BmcPool;
  machines: Machines;
  images: ImageStore;
  /** As machines reach the agent, without a slash at the end. */
  publicUrl: string;
  /** A plan with its approvals, as the control plane tells it; undefined: it knows none of this id. */
  planOf(id: string): Promise<ApprovedPlan | undefined | "unreachable">;
  config: Pick<AgentConfig, "bmc" | "timing" | "powerBudgetPerHour" | "approvals">;
}

/** One attempt, as its handler sees it. */
export interface Step<A extends AgentActionName = AgentActionName> {
  lease: Lease;
  target: PlanTarget;
  params: ParamsOf<A>;
  /** J4: an earlier attempt ended unknown; state is read before anything is done. Every handler here reads first anyway. */
  resolve: boolean;
  /** Aborted with a `Stopped` or with a TurnupError (deadline): waits end, a call under way is finished (A1). */
  signal: AbortSignal;
  /** The target's BMC; each call passes this attempt's fence (L2, L3). */
  bmc: Bmc;
  /** Whether the lease lives at this moment (L2, L3); asked right before a machine is told something on another way. */
  holds: () => boolean;
  /** Adds to what was seen before and after (E4). */
  evidence(fields: Record<string, unknown>): void;
  /** Counts what was done once more because it showed no effect; the evidence tells the counts as `repeats`. */
  repeated(what: "power" | "bootOverride" | "restart"): void;
  progress(percent: number, text?: string): void;
}

export type Handler<A extends AgentActionName> = (step: Step<A>, world: World) => Promise<Outcome<ResultOf<A>>>;
/** One handler per action of the agent; the compiler holds it complete. */
export type Handlers = { readonly [A in AgentActionName]: Handler<A> };

/** Why an attempt was ended from outside, where that is no failure of the step. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  readonly why: "revoked" | "superseded" | "drain";
  constructor(why: Stopped["why"]) {
    super(`the attempt was stopped: ${why}`);
    this.why = why;
  }
}

export const failing = (code: ErrorCode, detail: string): TurnupError => new TurnupError({ code, detail });
