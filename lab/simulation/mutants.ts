/**
 * Defects to be seeded one by one, to prove that the simulation can see: each replaces a piece of the product's source
 * when it is loaded. Nothing in the product knows of them.
 */
export interface Mutant {
  name: string;
  /** The rule that it breaks. */
  rule: string;
  file: string;
  /** Occurs exactly once in the file. */
  from: string;
  to: string;
}

import { pastDefects } from "./past-defects.ts";

const CORE = "workers/site/core/";
const AGENT = "agents/site/";

export const mutants: readonly Mutant[] = [
  {
    name: "no-epoch-check",
    rule: "L4",
    file: `${CORE}sync.ts`,
    from: "step.lease === report.lease && step.epoch === report.epoch && step.agent === agent.id",
    to: "step.agent !== null",
  },
  {
    name: "report-applied-twice",
    rule: "L6",
    file: `${CORE}sync.ts`,
    from: 'if (current && (step.state === "leased" || step.state === "running" || step.state === "unknown")) {',
    to: "if (current) {",
  },
  {
    name: "lease-not-expired",
    rule: "J10",
    file: `${CORE}leases.ts`,
    from: "if (leaseUntil(step, agent) <= tx.now || agent?.revoked_at)",
    to: "if (agent?.revoked_at)",
  },
  {
    name: "lock-released-early",
    rule: "L7",
    file: `${CORE}targets.ts`,
    from: '  tx.event(target.job, "target.state", { device: target.device }, { state: "waiting", waitingOn, dueAt, failure });',
    to: '  tx.sql.run("DELETE FROM lock WHERE device = ?", target.device);\n  tx.event(target.job, "target.state", { device: target.device }, { state: "waiting", waitingOn, dueAt, failure });',
  },
  {
    name: "alarm-not-re-armed",
    rule: "C1",
    file: "workers/site/shell.ts",
    from: "this.#arm(more ? 0 : REARM_MS);",
    to: "if (more) this.#arm(0);",
  },
  {
    name: "outbox-row-dropped",
    rule: "E3",
    file: `${CORE}outbox.ts`,
    from: '"DELETE FROM outbox WHERE kind = ? AND id = ? AND version = ?", kind, id, version',
    to: '"DELETE FROM outbox WHERE kind = ? AND id = ? AND ? IS NOT NULL", kind, id, version',
  },
  {
    name: "deadline-missing-in-one-state",
    rule: "J10",
    file: `${CORE}leases.ts`,
    from: 'for (const state of ["ready", "unknown"] as const) {',
    to: 'for (const state of ["unknown"] as const) {',
  },
  {
    name: "guard-outside-transaction",
    rule: "G6",
    file: `${CORE}leases.ts`,
    from: "if (free === 0 || siteHeldBy(guardWorld(tx.sql, tx.now))) return out;",
    to: "if (free === 0) return out;",
  },
  {
    name: "handover-too-early",
    rule: "L1",
    file: `${CORE}handover.ts`,
    from: "if (Math.min(quiet, vouched) < TAKEOVER_MS || !others.every((h) => !h || h.until <= tx.now)) return false;",
    to: "",
  },
  {
    name: "clock-set-ahead-believed",
    rule: "L1",
    file: `${CORE}handover.ts`,
    from: "Math.min(quiet, vouched) < TAKEOVER_MS",
    to: "Math.min(quiet, vouched + TAKEOVER_MS) < TAKEOVER_MS",
  },
  {
    name: "clocks-not-compared",
    rule: "L1",
    file: `${CORE}own-time.ts`,
    from: "if (own >= 0 && Math.abs(tx.now - first.at - own) <= AGREE_MS) return own;",
    to: "if (own >= 0) return tx.now - first.at;",
  },
  {
    name: "retry-of-unknown-without-reading",
    rule: "J4",
    file: `${CORE}steps.ts`,
    from: "\"UPDATE step SET state = 'unknown', at = ?, resolve = 1 WHERE job = ? AND n = ?\"",
    to: "\"UPDATE step SET state = 'unknown', at = ?, resolve = 0 WHERE job = ? AND n = ?\"",
  },
  {
    name: "cancel-preempts-exclusive",
    rule: "J6",
    file: `${CORE}targets.ts`,
    from: "if (isDestructive(body) || (flags.exclusive && !waits)) return false;",
    to: "if (isDestructive(body) && flags.exclusive && !waits) return false;",
  },
  {
    name: "lock-of-another-not-asked",
    rule: "L7",
    file: `${CORE}jobs.ts`,
    from: 'const held = tx.sql.get<{ job: string }>("SELECT job FROM lock WHERE device = ?", device);',
    to: 'const held = undefined as { job: string } | undefined;\n    tx.sql.run("DELETE FROM lock WHERE device = ?", device);',
  },
  {
    name: "ledger-forgets-its-chain",
    rule: "E1",
    file: `${CORE}ledger.ts`,
    from: "prevHash: head.hash,",
    to: "prevHash: GENESIS,",
  },
  {
    name: "journal-after-effect",
    rule: "A2",
    file: `${AGENT}executor/ensure-power.ts`,
    from: "try {\n    const answer = await commandPower(step.bmc, system, want);\n    machines.done(effect, answer);",
    to: 'machines.done(effect, "sent");\n  world.journal.flush();\n  try {\n    const answer = await commandPower(step.bmc, system, want);',
  },
  {
    name: "fence-not-rechecked-before-call",
    rule: "L3",
    file: `${AGENT}executor/leases.ts`,
    from: "return leftMs() >= timeoutMs ? true : undefined;",
    to: "return leftMs() > Number.NEGATIVE_INFINITY ? true : undefined;",
  },
  {
    name: "lease-counted-from-its-coming",
    rule: "L3",
    file: `${AGENT}link/link.ts`,
    from: "    apply(w, body, sentAt, done.value);",
    to: "    apply(w, body, o.clock.monotonic(), done.value);",
  },
  {
    name: "nonce-not-checked",
    rule: "L5",
    file: `${AGENT}netboot/routes.ts`,
    from: "if (boot && boot.closedAt === null && o.clock.now() < boot.endsAt) return boot;",
    to: "if (boot) return boot;",
  },
  {
    name: "identity-not-read",
    rule: "T2",
    file: `${AGENT}executor/guard.ts`,
    from: "mayTouch(step, world, checkIdentity(system, target));",
    to: "mayTouch(step, world, target.serial);",
  },
  {
    name: "time-runs-on-hold",
    rule: "J3",
    file: `${CORE}core.ts`,
    from: "    if (!holdOf(tx.sql)) {\n      expire(tx, board);",
    to: "    if (tx.now > 0) {\n      expire(tx, board);",
  },
  {
    name: "epochs-begin-again-after-restore",
    rule: "L2",
    file: `${CORE}release.ts`,
    from: '  writeMeta(tx.sql, "epoch", epoch);\n',
    to: "",
  },
  {
    name: "told-attempts-forgotten",
    rule: "J4",
    file: `${CORE}release.ts`,
    from: "if (!step || !isNewer(step, attempt) || isFinal.step(step.state)) continue;",
    to: "if (step !== null) continue;",
  },
  {
    name: "unread-machine-started",
    rule: "J4",
    file: `${CORE}leases.ts`,
    from: 'if (tx.once("unread", anyUnread) && isUnread(tx.sql, step.device)) return false;',
    to: "void anyUnread;",
  },
  {
    name: "replaced-object-still-projects",
    rule: "E3",
    file: "workers/readmodel/projection.ts",
    from: "coalesce((SELECT generation FROM site WHERE site.id = ?1), ",
    to: "coalesce((SELECT 0 FROM site WHERE site.id = ?1), ",
  },
  ...pastDefects,
];
