/**
 * Which moves of a state the core may make: what is not listed is a defect. The simulation holds every move against
 * these tables and wants to have met each of them; `new` is a row's first state.
 */
import type { JobState, StepState, TargetState } from "../../../shared/model/job.ts";
import type { DeviceState } from "../../../shared/model/lifecycle.ts";

type Moves<S extends string> = Readonly<Record<S | "new", readonly S[]>>;

export const stepMoves: Moves<StepState> = {
  new: ["blocked", "ready"],
  blocked: ["ready", "skipped", "cancelled"],
  // Blocked again: its boot is begun anew, as the agent that had it is gone; or its target waits for a person.
  // Unknown: the site was restored, and an agent tells of an attempt after the export.
  ready: ["leased", "blocked", "unknown", "failed", "skipped", "cancelled"],
  leased: ["running", "ready", "unknown", "succeeded", "failed", "cancelled"],
  running: ["ready", "unknown", "succeeded", "failed", "cancelled"],
  // A late report is the truth, as long as no newer attempt was leased (J4).
  unknown: ["leased", "blocked", "ready", "succeeded", "failed", "cancelled"],
  // Only by a retry, when the boot that they were done in has ended (J8).
  succeeded: ["blocked"],
  failed: ["blocked"],
  cancelled: ["blocked"],
  skipped: [],
};

export const targetMoves: Moves<TargetState> = {
  new: ["queued"],
  queued: ["running", "failed", "cancelled"],
  running: ["waiting", "succeeded", "failed", "cancelled"],
  waiting: ["running", "failed", "cancelled"],
  succeeded: [],
  // Only by a retry (J8).
  failed: ["queued", "running"],
  cancelled: [],
};

/** A job's state follows from its targets'. */
export const jobMoves: Moves<JobState> = {
  new: ["queued"],
  queued: ["running", "paused", "failed", "cancelled"],
  running: ["waiting", "paused", "succeeded", "partly", "failed", "cancelled"],
  waiting: ["running", "paused", "partly", "failed", "cancelled"],
  paused: ["queued", "running", "waiting", "succeeded", "partly", "failed", "cancelled"],
  succeeded: [],
  // Only by a retry (J8).
  partly: ["running"],
  failed: ["queued", "running"],
  cancelled: [],
};

/** Moves of a device's lifecycle that installs make; a part of the table in shared/model/lifecycle.ts. */
export const jobDeviceMoves: Readonly<Partial<Record<DeviceState, readonly DeviceState[]>>> = {
  planned: ["installing"],
  installing: ["active", "planned", "failed"],
  failed: ["installing"],
};
