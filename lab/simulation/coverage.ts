/** What a run has met: faults, moves of states, and rules whose situation really came about. */
import { jobDeviceMoves, jobMoves, stepMoves, targetMoves } from "../../workers/site/core/transitions.ts";
import { faultNames } from "./faults.ts";

/** Rules that the simulation holds, each with the situation in which it is put to the test. */
export const rules = {
  T2: "an agent meets another machine than the planned one",
  T5: "a drive is not blank, or a machine is on that nobody of ours switched on",
  T6: "a machine that nobody planned asks for its boot script",
  J1: "a job is asked for twice with one key",
  J3: "a job that is open is looked at",
  J4: "a lost attempt is leased again",
  J6: "a job is cancelled or paused while a step is at work",
  J8: "a job is tried again",
  J10: "the faults have stopped while jobs were open",
  L1: "a step is leased",
  L2: "a target goes to another agent",
  L3: "a lease runs out, or nearly, before its call is made",
  L4: "a report of an older attempt comes in",
  L5: "a machine phones home for a boot that has ended",
  L6: "a report comes in again",
  L7: "a job wants a device that another one holds",
  G5: "work waits for a permit",
  G6: "work waits for the kill switch",
  E1: "the ledger grows",
  E3: "the outbox is empty after it was not",
  A2: "an agent finds unfinished attempts in its journal",
  A5: "a machine asks for its boot script",
  C1: "an alarm was late, dropped or cut short while work was due",
  C2: "the object is lost right after a commit",
  C3: "the read model is told of a version that it has, or refuses a row",
  S2: "a revoked agent asks",
} as const;
export type RuleId = keyof typeof rules;

const pairs = (kind: string, moves: Readonly<Record<string, readonly string[]>>): string[] =>
  Object.entries(moves).flatMap(([from, to]) => to.map((t) => `${kind} ${from} → ${t}`));

const universe = {
  faults: faultNames,
  transitions: [
    ...pairs("step", stepMoves),
    ...pairs("target", targetMoves),
    ...pairs("job", jobMoves),
    ...pairs("device", jobDeviceMoves),
  ],
  rules: Object.keys(rules),
};
type Kind = keyof typeof universe;
export type Counts = Record<Kind, Record<string, number>>;

export class Coverage {
  readonly counts: Counts = { faults: {}, transitions: {}, rules: {} };

  fault(name: string): void {
    this.#add("faults", name);
  }
  move(kind: string, from: string, to: string): void {
    this.#add("transitions", `${kind} ${from} → ${to}`);
  }
  rule(id: RuleId): void {
    this.#add("rules", id);
  }

  #add(kind: Kind, name: string): void {
    this.counts[kind][name] = (this.counts[kind][name] ?? 0) + 1;
  }

  add(other: Counts): void {
    for (const kind of Object.keys(universe) as Kind[])
      for (const [name, n] of Object.entries(other[kind])) this.counts[kind][name] = (this.counts[kind][name] ?? 0) + n;
  }

  /** `faults 43/43, transitions 30/30, rules 26/26`. */
  summary(): string {
    return (Object.keys(universe) as Kind[])
      .map((kind) => `${kind} ${universe[kind].length - this.missed(kind).length}/${universe[kind].length}`)
      .join(", ");
  }

  missed(kind: Kind): string[] {
    return universe[kind].filter((name) => !this.counts[kind][name]);
  }
  allMissed(): string[] {
    return (Object.keys(universe) as Kind[]).flatMap((kind) => this.missed(kind).map((name) => `${kind}: ${name}`));
  }
}
