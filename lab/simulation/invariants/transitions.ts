/** Every move of a state is one that its table has. */
import { mayMove } from "../../../shared/model/lifecycle.ts";
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
