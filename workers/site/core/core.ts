/**
 * The site's core, and the only writer of its jobs, steps, locks and leases (J2): one command, one transaction, one
 * reply, and effects as data. No clock, no randomness, no network in here: the Durable Object, a simulation and the tests
 * all run this same class.
 */
import type { Millis } from "../../../shared/deps.ts";
import { type Outcome, ok, refuse, TurnupError } from "../../../shared/errors.ts";
import type { JobView } from "../../../shared/model/job.ts";
import type { AssetView, DeviceView, Page, PlanView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { allSilent } from "./agent-rows.ts";
import { agentKey, agentViews, enroll, invite, revoke } from "./agents.ts";
import { approve, type Judge, unapprove } from "./approvals.ts";
import { approverChanges, offerChange } from "./approver-changes.ts";
import { auditDue, auditRuns, expireAudit, startAudit } from "./audits.ts";
import { heedClock, newestOf, wasSetBack } from "./clock.ts";
import type { Applied, CommandKind, Commands, Now, PageIn, Queries, QueryKind } from "./commands.ts";
import { explain } from "./explain.ts";
import { exportPage } from "./export.ts";
import { findingPage } from "./findings.ts";
import { holdOf } from "./hold.ts";
import { importSite } from "./import.ts";
import { pauseJob, resumeJob, retryJob, skipStep } from "./job-control.ts";
import { jobEvents, jobPage, jobRow, jobView, stepViews } from "./job-views.ts";
import { cancelJob, createJob } from "./jobs.ts";
import { expire, nextDue } from "./leases.ts";
import { readLedger } from "./ledger.ts";
import { noteRows, readMeter } from "./meter.ts";
import { delivered, dropped, dropsFirst, failed, nextEntries, outboxDueAt, outboxState, rebuild } from "./outbox.ts";
import { openWork, permitDueAt, setFrozen, setPermit } from "./permit.ts";
import { approvedPlan, makePlan, planSteps, planView } from "./plans.ts";
import { applyPolicy, hold, policyDiff, policyHistory, policyView, unhold } from "./policy.ts";
import { ProgressBoard } from "./progress.ts";
import { release, settle, settleDue } from "./release.ts";
import { beginRestore, checkRestore, finishRestore, loadLines } from "./restore.ts";
import { type AssetRow, assetById, assetView, type DeviceRow, deviceView, findDevice } from "./rows.ts";
import { migrate } from "./schema.ts";
import { createSite, siteDocument, siteView } from "./site.ts";
import { barred, fence, standing } from "./standing.ts";
import { NOT_PAUSED, OPEN_STEPS } from "./step-rows.ts";
import { sync } from "./sync.ts";
import { settleJobs } from "./targets.ts";
import { type CoreDeps, lastEvent, readMeta, type SiteRecord, Tx } from "./tx.ts";

type Handlers = { [K in CommandKind]: (tx: Tx, input: Commands[K]["in"], board: ProgressBoard) => Commands[K]["out"] };
type Answers = { [K in QueryKind]: (at: Asked, input: Queries[K]["in"]) => Outcome<Queries[K]["out"]> };
interface Asked {
  sql: Sql;
  now: Millis;
  board: ProgressBoard;
  site: SiteRecord;
  workflows: CoreDeps["workflows"];
  verify: CoreDeps["verify"];
}

export class SiteCore {
  readonly #sql: Sql;
  readonly #deps: CoreDeps;
  readonly #board = new ProgressBoard();

  /** Brings the tables up to date. */
  constructor(sql: Sql, deps: CoreDeps) {
    this.#sql = sql;
    this.#deps = deps;
    migrate(sql);
  }

  /** Runs one command. A refusal has changed nothing; a defect is thrown, and has changed nothing either. */
  apply<K extends CommandKind>({ now, random }: Now, kind: K, input: Commands[K]["in"]): Applied<Commands[K]["out"]> {
    const problem = barred(this.#sql, kind) ?? this.#board.still.bars(kind, now);
    if (problem) return { reply: { ok: false, problem }, effects: [] };
    const before = this.#sql.written();
    const tx = new Tx(this.#sql, now, random, this.#deps);
    try {
      const out: { value: Commands[K]["out"] } = this.#sql.transact(() => {
        heedClock(tx, this.#board);
        const value = handlers[kind](tx, input, this.#board);
        settleJobs(tx);
        return { value };
      });
      // While a restored site was on hold nobody asked what its tables say of time.
      this.#board.newest = kind === "site.release" ? undefined : newestOf(this.#board, now);
      this.#board.still.wrote(kind, this.#sql.written() - before, tx.marked);
      const effects = tx.effects();
      const at = this.nextAlarm(now);
      if (at !== null) effects.push({ kind: "alarm", at });
      return { reply: ok(out.value), effects };
    } catch (error) {
      if (error instanceof TurnupError) return { reply: { ok: false, problem: error.problem }, effects: [] };
      throw error;
    }
  }

  /** Answers one question; writes nothing. */
  query<K extends QueryKind>(now: Millis, kind: K, input: Queries[K]["in"]): Outcome<Queries[K]["out"]> {
    const site = readMeta<SiteRecord>(this.#sql, "site");
    if (!site) return refuse("site_unknown", "This site has not been created.");
    const problem = barred(this.#sql, kind);
    if (problem) return { ok: false, problem };
    return answers[kind]({ sql: this.#sql, now, board: this.#board, site, ...this.#deps }, input);
  }

  /** When the core wants `tick`, or null while nothing is open. May lie in the past: then at once. */
  nextAlarm(now: Millis): Millis | null {
    const stands = standing(this.#sql);
    if (stands === "fenced" || stands === "restoring") return null;
    // Time does nothing to a site on hold: its leases are not ours to end before its agents have told.
    if (stands === "hold") return outboxDueAt(this.#sql, now) ?? null;
    if (wasSetBack(this.#sql, this.#board, now)) return now;
    const times = [
      nextDue({ sql: this.#sql, now }),
      outboxDueAt(this.#sql, now),
      permitDueAt(this.#sql, now),
      auditDue(this.#sql, this.#board),
      settleDue(this.#sql, this.#board, now),
      this.#board.heldUntil,
    ].filter((t): t is number => t !== undefined);
    return times.length === 0 ? null : Math.min(...times);
  }
}

/** Does something to a job and shows it. */
function onJob<I extends { job: string }>(act: (tx: Tx, input: I) => void) {
  return (tx: Tx, input: I, board: ProgressBoard): JobView => {
    act(tx, input);
    settleJobs(tx);
    return value(jobView({ sql: tx.sql, now: tx.now, board }, tx.site, input.job));
  };
}

function shownPlan(tx: Tx, board: ProgressBoard, id: string, approvers?: Judge["approvers"]): PlanView {
  const { sql, now, site, deps } = tx;
  return value(planView({ sql, now, site, board, verify: deps.verify, approvers }, id));
}

const handlers: Handlers = {
  "site.create": createSite,
  "site.import": importSite,
  "policy.apply": applyPolicy,
  "policy.hold": hold,
  "policy.unhold": unhold,
  "plan.create": (tx, { actor, person, ...intent }, board) =>
    shownPlan(tx, board, makePlan(tx, intent, { actor, person }, board).id),
  "job.create": (tx, input, board) => {
    const { job, created } = createJob(tx, input, board);
    return { job: value(jobView({ sql: tx.sql, now: tx.now, board }, tx.site, job)), created };
  },
  "plan.approve": (tx, input, board) => {
    approve(tx, input);
    return shownPlan(tx, board, input.plan, input.approvers);
  },
  "plan.unapprove": (tx, input, board) => {
    unapprove(tx, input);
    return shownPlan(tx, board, input.plan, input.approvers);
  },
  "approvers.offer": offerChange,
  "job.pause": onJob(pauseJob),
  "job.resume": onJob(resumeJob),
  "job.retry": onJob(retryJob),
  "job.skip": onJob(skipStep),
  "job.cancel": onJob(cancelJob),
  "agent.invite": invite,
  "agent.enroll": enroll,
  "agent.revoke": revoke,
  "agent.sync": (tx, { agent, request }, board) => sync(tx, agent, request, board),
  "audit.start": (tx, { window }) => startAudit(tx, window),
  tick: (tx, _, board) => {
    if (!holdOf(tx.sql)) {
      expire(tx, board);
      expireAudit(tx, board);
      settle(tx);
      if (workWaits(tx)) tx.ring();
    }
    noteRows(tx, 0);
    return null;
  },
  "permit.set": (tx, { permit, askedAt }) => setPermit(tx, permit, askedAt),
  "fleet.poke": (tx, { frozen }) => setFrozen(tx, frozen),
  "outbox.delivered": (tx, input) => {
    delivered(tx, input);
    noteRows(tx, input.rows);
    return null;
  },
  "outbox.failed": (tx, input) => {
    failed(tx, input);
    return null;
  },
  "outbox.rebuild": (tx) => rebuild(tx),
  "outbox.dropped": (tx) => dropped(tx),
  "restore.begin": beginRestore,
  "restore.load": loadLines,
  "restore.check": checkRestore,
  "restore.finish": finishRestore,
  "site.release": release,
  "site.fence": fence,
};

const workWaits = (tx: Tx): boolean =>
  tx.sql.get(
    `SELECT 1 FROM ${OPEN_STEPS} AND state IN ('ready', 'unknown') AND at <= ? ${NOT_PAUSED} LIMIT 1`,
    tx.now,
  ) !== undefined;

function value<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new TurnupError(outcome.problem);
}

const answers: Answers = {
  site: ({ sql, site }) => ok(siteView(sql, site)),
  "site.document": ({ sql }) => siteDocument(sql),
  policy: ({ sql, site, board }, { version }) => policyView(sql, site, board, version),
  "policy.diff": (at, { text }) => policyDiff(at, text),
  "policy.history": ({ sql, site }, input) => ok(policyHistory(sql, site, input)),
  devices: ({ sql, site }, input) =>
    ok(page<DeviceRow, DeviceView>(sql, "device", "name", input, (row) => deviceView(sql, site.id, row))),
  device: ({ sql, site }, { device }) => {
    const row = findDevice(sql, device);
    return row ? ok(deviceView(sql, site.id, row)) : refuse("not_found", `${site.name} has no device ${device}.`);
  },
  assets: ({ sql, site }, input) =>
    ok(page<AssetRow, AssetView>(sql, "asset", "id", input, (row) => assetView(sql, site.id, row))),
  asset: ({ sql, site }, { asset }) => {
    const row = assetById(sql, asset);
    return row ? ok(assetView(sql, site.id, row)) : refuse("not_found", `${site.name} has no asset ${asset}.`);
  },
  plan: (at, { plan, approvers }) => planView({ ...at, approvers }, plan),
  "plan.approved": ({ sql, site }, { plan }) => approvedPlan(sql, site, plan),
  "approvers.changes": ({ sql, now, board }) => ok(approverChanges(sql, now, board)),
  jobs: ({ sql, site }, input) => jobPage(sql, site, input),
  job: (at, { job, agents }) => jobView({ ...at, silent: allSilent(agents, at.now) }, at.site, job),
  "job.version": ({ sql }, { job }) =>
    jobRow(sql, job) ? ok({ version: lastEvent(sql, job) }) : refuse("job_unknown", `There is no job ${job}.`),
  "plan.steps": ({ sql }, { plan, after, limit }) => planSteps(sql, plan, after, limit),
  steps: (at, { job, agents, after, limit }) =>
    jobRow(at.sql, job)
      ? ok(stepViews({ ...at, silent: allSilent(agents, at.now) }, job, after, limit))
      : refuse("job_unknown", `There is no job ${job}.`),
  events: ({ sql }, { job, after, limit }) =>
    jobRow(sql, job) ? ok(jobEvents(sql, job, after, limit)) : refuse("job_unknown", `There is no job ${job}.`),
  ledger: ({ sql }, { after, limit, subject }) => ok(readLedger(sql, after, limit, subject)),
  explain: (at, { device, agents }) => explain(at, device, agents),
  findings: ({ sql, site }, input) => ok(findingPage(sql, site, input)),
  audits: ({ sql, site }, { limit }) => ok(auditRuns(sql, site, limit)),
  agents: ({ sql, site }, { presence }) => ok(agentViews(sql, site, presence)),
  "agent.key": ({ sql, site }, { agent }) => agentKey(sql, site, agent),
  meter: ({ sql }) => ok(readMeter(sql)),
  "outbox.next": ({ sql, site, now }, { limit }) => ok(nextEntries(sql, site, now, limit)),
  "permit.wanted": ({ sql }) => ok(openWork(sql)),
  outbox: ({ sql, now }, { limit }) => ok(outboxState(sql, now, limit)),
  "outbox.drop": ({ sql, now }) => ok(dropsFirst(sql, now)),
  "export.page": ({ sql, site, board, now }, input) => {
    const { still } = board;
    if (input.after && !still.goesOn(input.token)) {
      const wait = Math.ceil((still.freeAt(now) - now) / 1000);
      const again = wait > 0 ? ` It stands still for an export again in ${wait} s.` : "";
      return refuse("export_moved", `${site.name} was changed meanwhile.${again}`);
    }
    const page = exportPage(sql, site, input);
    if (page.next === null) still.end(input.token, now);
    else if (!input.after) still.begin(input.token, now);
    return ok(page);
  },
  "permit.due": ({ sql }, { now }) => ok((permitDueAt(sql, now) ?? Number.POSITIVE_INFINITY) <= now),
};

/** Rows of a table after the cursor, in the order of one column of theirs, as views. */
function page<R extends { id: string; name?: string }, V>(
  sql: Sql,
  table: "device" | "asset",
  by: "name" | "id",
  { limit, cursor }: PageIn,
  view: (row: R) => V,
): Page<V> {
  const rows = sql.all<R>(
    `SELECT * FROM ${table} WHERE (?1 IS NULL OR ${by} > ?1) ORDER BY ${by} LIMIT ?2`,
    cursor ?? null,
    limit + 1,
  );
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  return { items: shown.map(view), next: last?.[by] ?? null };
}
