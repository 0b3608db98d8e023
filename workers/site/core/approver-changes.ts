/**
 * Signed changes of the agents' lists of approvers, on their way to the agents (G4). The site only carries them: whether
 * one counts is for each agent to say, by the list that it has. A change waits until it expires or another of the same
 * base takes its place; an agent is sent those that begin at the list which it says it has.
 */
import { canonicalJson } from "../../../shared/canonical.ts";
import type { Millis } from "../../../shared/deps.ts";
import type { ApproversChange } from "../../../shared/model/approver-list.ts";
import type { ApproverChanges } from "../../../shared/model/views.ts";
import type { SyncReply, SyncRequest } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Commands } from "./commands.ts";
import { record } from "./ledger.ts";
import type { ProgressBoard } from "./progress.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

const KEY = "approver-changes";
/** Lists of one site that differ, at most: one for each agent, and there are two or three. */
const MAX_WAITING = 10;

type Waiting = ApproverChanges["waiting"][number];

const waitingAt = (sql: Sql, now: Millis): Waiting[] =>
  (readMeta<Waiting[]>(sql, KEY) ?? []).filter(({ change }) => change.statement.expiresAt > now);

/** Takes a change along. Refuses what no agent could take: of another site, expired, or not signed by two keys. */
export function offerChange(
  tx: Tx,
  { change, actor }: Commands["approvers.offer"]["in"],
  board: ProgressBoard,
): ApproverChanges {
  const { statement, signatures } = change;
  if (statement.site !== tx.site.id) tx.fail("wrong_site", `It changes the approvers of the site ${statement.site}.`);
  if (statement.expiresAt <= tx.now) tx.fail("approval_expired", "The change has expired.");
  const text = canonicalJson(statement);
  const bad = signatures.find(({ key, signature }) => !tx.deps.verify(text, signature, key));
  if (bad) tx.fail("approval_invalid", `The signature of the key ${bad.key} is not over this change.`);
  if (new Set(signatures.map(({ key }) => key)).size < 2)
    tx.fail("approval_missing", "Two people who are on the list sign a change: `turnup approver sign FILE`.");
  const others = waitingAt(tx.sql, tx.now).filter((one) => one.change.statement.base !== statement.base);
  if (others.length >= MAX_WAITING) tx.fail("conflict", `${MAX_WAITING} changes are on their way already.`);
  writeMeta(tx.sql, KEY, [...others, { change, at: tx.now, actor } satisfies Waiting]);
  const { base, add, remove } = statement;
  const data = { base, add, remove, signers: signatures.map(({ key }) => key) };
  record(tx, { subject: "site", id: tx.site.id, kind: "approvers.offered", actor, data });
  tx.ring();
  return approverChanges(tx.sql, tx.now, board);
}

/** What this agent has yet to judge: a change that begins at its list, and that it has not refused. */
export function changeFor(
  tx: Tx,
  agent: string,
  told: SyncRequest["approvers"],
  board: ProgressBoard,
): Pick<SyncReply, "approvers"> {
  if (!told) return {};
  board.approvers.set(agent, told);
  const next = waitingAt(tx.sql, tx.now).find(({ change }) => change.statement.base === told.hash)?.change;
  if (!next || told.refused?.change === idOf(tx, next)) return {};
  return { approvers: next };
}

const idOf = (tx: Tx, change: ApproversChange): string => tx.deps.sha256(canonicalJson(change));

/** What is on its way, and which list each agent has said that it has; null: not since the object woke. */
export function approverChanges(sql: Sql, now: Millis, board: ProgressBoard): ApproverChanges {
  const agents = sql.all<{ id: string; name: string }>(
    "SELECT id, name FROM agent WHERE revoked_at IS NULL ORDER BY name",
  );
  return {
    waiting: waitingAt(sql, now),
    agents: agents.map(({ id, name }) => {
      const told = board.approvers.get(id);
      const refused = told?.refused && { code: told.refused.code, detail: told.refused.detail };
      return { agent: id, name, list: told?.hash ?? null, refused: refused ?? null };
    }),
  };
}
