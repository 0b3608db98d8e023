/** Every move of a state is one that its table has, and what waits for a person is moved by one. */
import { mayMove } from "../../../shared/model/lifecycle.ts";
import type { CommandKind } from "../../../workers/site/core/commands.ts";
import { jobMoves, stepMoves, targetMoves } from "../../../workers/site/core/transitions.ts";
import type { Sim } from "../sim.ts";
import type { Move } from "./moves.ts";

const tables: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  step: stepMoves,
  target: targetMoves,
  job: jobMoves,
};

export function checkTransitions(sim: Sim, moves: readonly Move[]): void {
  for (const { kind, job, n, device, was, now } of moves) {
    if (kind === "failures") continue;
    sim.coverage.move(kind, was, now);
    const legal =
      kind === "device"
        ? mayMove("device", was as "planned", now as "planned")
        : (tables[kind]?.[was]?.includes(now) ?? false);
    if (!legal)
      sim.violate(was === "succeeded" ? "J8" : "J3", `${kind} ${n ?? ""} ${job ?? device} moved from ${was} to ${now}`);
  }
}

/** What may move a target on that waits for a person, or one that has failed; a tick: nobody decided in time. */
const deciders: Readonly<Record<string, readonly CommandKind[]>> = {
  "waiting → running": ["job.retry", "job.skip"],
  "waiting → failed": ["tick"],
  "waiting → cancelled": ["job.cancel", "tick"],
  "failed → queued": ["job.retry", "job.skip"],
  "failed → running": ["job.retry", "job.skip"],
};

/** J10: somebody has decided. */
export function checkDecisions(sim: Sim, command: CommandKind, moves: readonly Move[]): void {
  for (const { kind, job, device, was, now } of moves) {
    if (kind !== "target") continue;
    const by = deciders[`${was} → ${now}`];
    if (by && !by.includes(command))
      sim.violate("J10", `${command} moved ${device} of ${job} from ${was} to ${now}, which is for a person to decide`);
  }
}
