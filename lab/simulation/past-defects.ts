/**
 * Defects that the product once had and the simulation found, each planted anew as it was: seeds go other ways when
 * anything changes, but whatever finds these still sees what it saw.
 */
import type { Mutant } from "./mutants.ts";

const CORE = "workers/site/core/";
const AGENT = "agents/site/";

export const pastDefects: readonly (Mutant & { found: string })[] = [
  {
    name: "clean-read-raises-version",
    found: "the first clean read of a finding raised a version that was never sent",
    rule: "E3",
    file: `${CORE}findings.ts`,
    from: "const version = closes ? row.version + 1 : row.version;",
    to: "const version = row.version + 1;",
  },
  {
    name: "skip-reopens-without-deadline",
    found: "skipping a step of a job that had ended opened it again without a deadline",
    rule: "J3",
    file: `${CORE}job-control.ts`,
    from: `    // A job that had ended has a deadline again (J3).
    tx.sql.run("UPDATE job SET due_at = ? WHERE id = ?", tx.now + JOB_LIMIT_MS, job);
`,
    to: "",
  },
  {
    name: "override-cleared-without-intent",
    found: "the restart from disk took a kept boot override back without an intent in the journal",
    rule: "A2",
    file: `${AGENT}executor/ramdisk-handlers.ts`,
    from: "await commandBoot(step, world, await mayDisrupt(step, world), none);",
    to: 'await (await import("../bmc/boot.ts")).writeBoot(step.bmc, await mayDisrupt(step, world), none);',
  },
  {
    name: "branch-of-revoked-agent-handed-over",
    found: "a branch that nobody had begun went to another agent while a revoked one was in a call on the machine",
    rule: "L1",
    file: `${CORE}handover.ts`,
    from: "target.agent === null ? undefined : inCall(tx, stepsOf(tx.sql, target))",
    to: "undefined",
  },
  {
    name: "branch-goes-on-while-waiting",
    found: "a machine that waited for a person went on with its other branch",
    rule: "J10",
    file: `${CORE}targets.ts`,
    from: 'for (const step of stepsIn(tx.sql, target, "ready"))',
    to: "for (const step of [] as StepRow[])",
  },
  {
    name: "write-outlives-its-login",
    found: "a write whose session had ended went out in a new one, to the machine whose BMC answered there by then",
    rule: "T2",
    file: `${AGENT}bmc/owner.ts`,
    from: "if (more?.login !== undefined && more.login !== logins)",
    to: "if (more?.login === -1)",
  },
  {
    name: "branches-lost-together",
    found: "a restore left several lost steps on one machine, and one was leased while it waited for a person",
    rule: "L1",
    file: `${CORE}release.ts`,
    from: 'step.state === "ready" && !lost.has(target)',
    to: 'step.state === "ready"',
  },
  {
    name: "written-on-hold-counts-as-fork",
    found: "what people wrote into the ledger of a site on hold counted as another history, and it was never released",
    rule: "E1",
    file: `${CORE}release.ts`,
    from: "lostEvents(tx, hold.ledger)",
    to: 'lostEvents(tx, tx.sql.get<{ seq: number }>("SELECT max(seq) AS seq FROM ledger")?.seq ?? 0)',
  },
];
