/** Looks at every transaction of the core: what it moved, and whether that may be. */
import type { Outcome } from "../../shared/errors.ts";
import type { LedgerEvent } from "../../shared/model/views.ts";
import type { SyncReply } from "../../shared/protocol/agent.ts";
import type { Sql } from "../../shared/sql.ts";
import type { CommandKind, Commands } from "../../workers/site/core/commands.ts";
import type { SiteCore } from "../../workers/site/core/core.ts";
import { firstBreak, GENESIS } from "../../workers/site/core/ledger.ts";
import { readMeta } from "../../workers/site/core/tx.ts";
import { sha256 } from "../../workers/site/platform.ts";
import type { AgentHost } from "./agent-host.ts";
import { checkJobs } from "./invariants/jobs.ts";
import { LeaseRules } from "./invariants/leases.ts";
import { type Move, takeMoves, watchMoves } from "./invariants/moves.ts";
import { checkProjection, outboxIsEmpty } from "./invariants/projection.ts";
import { ReportRules } from "./invariants/reports.ts";
import { checkDecisions, checkTransitions } from "./invariants/transitions.ts";
import type { SimReadModel } from "./read-model.ts";
import type { Sim } from "./sim.ts";

interface Done {
  kind: CommandKind;
  reply: Outcome<unknown>;
  now: number;
  before: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export class Watch {
  /** Transactions so far. */
  seen = 0;
  readonly #sim: Sim;
  readonly #readModel: SimReadModel;
  readonly #reports: ReportRules;
  readonly #leases: LeaseRules;
  #sql: Sql | undefined;
  #ledger = { seq: 0, hash: GENESIS };
  /** Told of every move. */
  readonly moved: ((move: Move) => void)[] = [];

  constructor(sim: Sim, hosts: () => readonly AgentHost[], readModel: SimReadModel) {
    this.#sim = sim;
    this.#readModel = readModel;
    this.#reports = new ReportRules(sim);
    this.#leases = new LeaseRules(sim, hosts);
  }

  attach(sql: Sql): void {
    watchMoves(sql);
    if (this.#sql === sql) return;
    this.#sql = sql;
    // A restored object: its ledger is read from the beginning, and its jobs are as they were.
    this.#ledger = { seq: 0, hash: GENESIS };
    this.#leases.restored();
  }

  before<K extends CommandKind>(kind: K, input: Commands[K]["in"]): ReadonlySet<string> {
    if (kind !== "agent.sync" || !this.#sql) return NONE;
    const { agent, request } = input as Commands["agent.sync"]["in"];
    return this.#reports.before(this.#sql, agent, request);
  }

  after(core: SiteCore, { kind, reply, now, before }: Done): void {
    const sql = this.#sql;
    if (!sql) return;
    this.seen += 1;
    const moves = takeMoves(sql);
    for (const move of moves) {
      if (move.kind !== "failures")
        this.#sim.say(`${kind}: ${move.kind} ${move.n ?? ""} ${move.device ?? move.job} ${move.was} → ${move.now}`);
      for (const told of this.moved) told(move);
    }
    this.#situations(sql, moves, kind === "agent.sync");
    checkTransitions(this.#sim, moves);
    checkDecisions(this.#sim, kind, moves);
    this.#reports.after(before, moves);
    this.#leases.check(sql, now, moves, kind === "agent.sync" && reply.ok ? (reply.value as SyncReply) : undefined);
    if (kind === "tick") this.#leases.ticked(sql, now, moves);
    if (kind === "job.cancel") this.#leases.cancelled(moves);
    checkJobs(this.#sim, core, sql, now, moves);
    this.#checkLedger(core, now);
    if (kind === "outbox.delivered" && outboxIsEmpty(sql)) checkProjection(this.#sim, sql, this.#readModel);
  }

  /** Which rules were put to the test here. */
  #situations(sql: Sql, moves: readonly Move[], asked: boolean): void {
    const { coverage } = this.#sim;
    for (const { kind, now, job, n } of moves) {
      if (kind !== "step" || now !== "failed") continue;
      const failure = sql.get<{ failure: string | null }>(
        "SELECT failure FROM step WHERE job = ? AND n = ?",
        job,
        n,
      )?.failure;
      if (failure?.includes("identity_mismatch")) coverage.rule("T2");
      if (failure?.includes("machine_powered_on")) coverage.rule("T5");
    }
    if (!asked || sql.get("SELECT 1 FROM step WHERE state = 'ready' LIMIT 1") === undefined) return;
    const permit = readMeta<{ granted: boolean; frozen: boolean }>(sql, "permit");
    if (permit?.frozen) coverage.rule("G6");
    else if (permit?.granted === false) coverage.rule("G5");
  }

  #checkLedger(core: SiteCore, now: number): void {
    const events = core.query(now, "ledger", { after: this.#ledger.seq, limit: 1000 });
    if (!events.ok || events.value.length === 0) return;
    this.#sim.coverage.rule("E1");
    const broken = firstBreak(events.value, sha256, this.#ledger.hash, this.#ledger.seq + 1);
    if (broken) this.#sim.violate("E1", broken.why);
    this.#ledger = events.value.at(-1) as LedgerEvent;
  }
}
