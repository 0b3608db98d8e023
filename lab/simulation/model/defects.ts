/** Defects for the model to find: the simulation's that a core alone can have, and some of branches, which no shipped workflow has. */
import { type Mutant, mutants } from "../mutants.ts";

const CORE = "workers/site/core/";

const shared = [
  "no-epoch-check",
  "report-applied-twice",
  "lease-not-expired",
  "deadline-missing-in-one-state",
  "lock-released-early",
  "lock-of-another-not-asked",
  "guard-outside-transaction",
  "handover-too-early",
  "clock-set-ahead-believed",
  "clocks-not-compared",
  "retry-of-unknown-without-reading",
];

const own: readonly Mutant[] = [
  {
    name: "two-branches-at-once",
    rule: "L1",
    file: `${CORE}leases.ts`,
    from: "return !isBusy(tx.sql, target, step.n);",
    to: "return true;",
  },
  {
    name: "other-branch-not-asked-after-a-call",
    rule: "L1",
    file: `${CORE}handover.ts`,
    from: "target.agent === null ? undefined : inCall(tx, stepsOf(tx.sql, target))",
    to: "undefined",
  },
  {
    name: "branch-goes-on-while-a-person-decides",
    rule: "J2",
    file: `${CORE}needs.ts`,
    from: "AND device = ?4 AND state = 'waiting')",
    to: "AND device = ?4 AND state = '-')",
  },
  {
    name: "step-at-work-ends-with-its-machine",
    rule: "J2",
    file: `${CORE}targets.ts`,
    from: "if (!isBusy(tx.sql, target)) return",
    to: "return",
  },
  {
    name: "places-not-counted",
    rule: "G5",
    file: `${CORE}leases.ts`,
    from: "else if (take(step)) places.take(step);\n      else passed += 1;",
    to: "else if (!take(step)) passed += 1;",
  },
  {
    name: "key-used-twice",
    rule: "J1",
    file: `${CORE}jobs.ts`,
    from: "return { job: used.job, created: false };",
    to: "",
  },
  {
    name: "clock-not-heeded",
    rule: "C7",
    file: `${CORE}core.ts`,
    from: "heedClock(tx, this.#board);",
    to: "",
  },
];

export const defects: readonly Mutant[] = [...mutants.filter((m) => shared.includes(m.name)), ...own];
