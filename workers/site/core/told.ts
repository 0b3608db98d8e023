/** What agents tell a site that gives them nothing: one on hold asks for their journals, one with a broken history for nothing. */
import {
  type JournalPage,
  POLL_BUSY_MS,
  POLL_IDLE_MS,
  type SyncReply,
  type SyncRequest,
  type ToldAttempt,
} from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { AgentRow } from "./agent-rows.ts";
import { findingRow, found } from "./findings.ts";
import { generationOf, type Hold, holdOf } from "./hold.ts";
import { ledgerHead } from "./ledger.ts";
import { type Tx, writeMeta } from "./tx.ts";

export interface ToldAgent {
  agent: string;
  /** The highest epoch that the agent has ever seen. */
  epoch: number;
  /** The newest ledger head that it keeps, of the export's generation or a newer one. */
  head_seq: number | null;
  head_hash: string | null;
  after_epoch: number | null;
  after_lease: string | null;
  complete: number;
}

type Quiet = Pick<SyncReply, "hold" | "journal" | "more" | "nextPollMs">;

/** What an agent is answered that is given nothing now; undefined: it may work. What it told is kept. */
export function heldBack(tx: Tx, agent: AgentRow, request: SyncRequest): Quiet | undefined {
  const hold = holdOf(tx.sql);
  if (hold) return ask(tx, hold, agent, request);
  const fault = headFault(tx.sql, request.head);
  if (fault === undefined) return undefined;
  // Said once: an agent that keeps coming writes nothing more.
  if (findingRow(tx.sql, "ledger-head", agent.id)?.state !== "open")
    found(tx, {
      check: "ledger-head",
      object: agent.id,
      name: agent.name,
      severity: "critical",
      text: `The agent ${agent.name} keeps a ledger head that this site's ledger does not contain: ${fault}. It is given no work.`,
      next: "The site's tables were set back or changed. Export it, restore the export over it (`--replace`) and release it.",
    });
  return { hold: true, more: false, nextPollMs: POLL_IDLE_MS };
}

/** E1: how the head that an agent keeps contradicts the ledger here; one of an older generation was settled by a release. */
function headFault(sql: Sql, head: SyncRequest["head"]): string | undefined {
  if (!head || head.generation !== generationOf(sql)) return undefined;
  const last = ledgerHead(sql);
  if (head.seq > last.seq) return `event ${head.seq}, and the last one here is ${last.seq}`;
  return hashAt(sql, head.seq) === head.hash ? undefined : `event ${head.seq} with another hash`;
}

export const hashAt = (sql: Sql, seq: number): string | undefined =>
  sql.get<{ hash: string }>("SELECT hash FROM ledger WHERE seq = ?", seq)?.hash;

export const toldBy = (sql: Sql, agent: string): ToldAgent | undefined =>
  sql.get<ToldAgent>("SELECT * FROM told_agent WHERE agent = ?", agent);

function ask(tx: Tx, hold: Hold, agent: AgentRow, request: SyncRequest): Quiet {
  if (hold.heardAt === undefined) writeMeta(tx.sql, "hold", { ...hold, heardAt: tx.now } satisfies Hold);
  const known: ToldAgent = toldBy(tx.sql, agent.id) ?? {
    agent: agent.id,
    epoch: 0,
    head_seq: null,
    head_hash: null,
    after_epoch: null,
    after_lease: null,
    complete: 0,
  };
  const { journal, head } = request;
  // E1: what is of an older generation than the export was settled when the site that the export is of was released.
  const counts = head !== undefined && head.generation >= (tx.site.generation ?? 1);
  const now = { ...known, ...(counts && { head_seq: head.seq, head_hash: head.hash }) };
  if (journal && journal.generation === hold.generation && follows(known, journal)) take(tx, now, journal);
  save(tx, known, now);
  if (now.complete === 1) return { hold: true, more: false, nextPollMs: POLL_IDLE_MS };
  const { after_epoch: epoch, after_lease: lease } = now;
  const after = epoch === null || lease === null ? {} : { after: { epoch, lease } };
  return {
    hold: true,
    journal: { generation: hold.generation, from: hold.fromEpoch, ...after },
    // The agent answers an ask at once by itself; one that does not know of it must not be driven in circles.
    more: false,
    nextPollMs: POLL_BUSY_MS,
  };
}

/** The page is the one that was asked for; another one is of a lost reply, and is asked for again. */
const follows = (known: ToldAgent, { after }: JournalPage): boolean =>
  (after?.epoch ?? null) === known.after_epoch && (after?.lease ?? null) === known.after_lease;

function take(tx: Tx, now: ToldAgent, journal: JournalPage): void {
  for (const { lease, epoch, job, step, device, outcome } of journal.attempts)
    tx.sql.run(
      "INSERT OR REPLACE INTO told_attempt (agent, lease, epoch, job, step, device, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)",
      now.agent,
      lease,
      epoch,
      job,
      step,
      device,
      outcome,
    );
  const last: ToldAttempt | undefined = journal.attempts.at(-1);
  if (last) {
    now.after_epoch = last.epoch;
    now.after_lease = last.lease;
  }
  now.epoch = Math.max(now.epoch, journal.epoch);
  now.complete = journal.complete ? 1 : 0;
}

function save(tx: Tx, before: ToldAgent, now: ToldAgent): void {
  if (JSON.stringify(before) === JSON.stringify(now)) return;
  tx.sql.run(
    `INSERT OR REPLACE INTO told_agent (agent, epoch, head_seq, head_hash, after_epoch, after_lease, complete) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    now.agent,
    now.epoch,
    now.head_seq,
    now.head_hash,
    now.after_epoch,
    now.after_lease,
    now.complete,
  );
}
