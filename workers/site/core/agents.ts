/** Agents of the site: enrolled by a one-time token, known by their public key, revoked at once (S2). */
import { type Outcome, ok, refuse } from "../../../shared/errors.ts";
import type { AgentView } from "../../../shared/model/views.ts";
import { AGENT_PROTOCOL, type EnrollReply, type EnrollRequest } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import { type AgentRow, agentRow } from "./agent-rows.ts";
import type { AgentPresence, Commands } from "./commands.ts";
import { record } from "./ledger.ts";
import { loseAllOf } from "./sync.ts";
import type { SiteRecord, Tx } from "./tx.ts";

export function invite(tx: Tx, { tokenHash, expiresAt, actor }: Commands["agent.invite"]["in"]): { expiresAt: number } {
  tx.sql.run("DELETE FROM enrol_token WHERE expires_at <= ? AND used_by IS NULL", tx.now);
  tx.sql.run("INSERT INTO enrol_token (hash, expires_at) VALUES (?, ?)", tokenHash, expiresAt);
  record(tx, { subject: "site", id: tx.site.id, kind: "agent.invited", actor, data: { expiresAt } });
  return { expiresAt };
}

/** Once per token. The same request again (its reply was lost) gets the same answer; another key does not. */
export function enroll(tx: Tx, { request, tokenHash }: Commands["agent.enroll"]["in"]): EnrollReply {
  if (request.v !== AGENT_PROTOCOL)
    tx.fail(
      "version_unsupported",
      `Version ${request.v} of the agent protocol is not spoken here; ${AGENT_PROTOCOL} is.`,
    );
  const token = tx.sql.get<{ expires_at: number; used_by: string | null }>(
    "SELECT expires_at, used_by FROM enrol_token WHERE hash = ?",
    tokenHash,
  );
  if (!token) return tx.fail("enrolment_refused", "The token is unknown here.");
  const key = JSON.stringify({ kty: request.publicKey.kty, crv: request.publicKey.crv, x: request.publicKey.x });
  if (token.used_by !== null) {
    const user = agentRow(tx, token.used_by);
    if (user?.key !== key || user.revoked_at !== null) tx.fail("enrolment_refused", "The token was used.");
    return reply(tx, token.used_by);
  }
  if (token.expires_at <= tx.now) tx.fail("enrolment_refused", "The token has expired.");
  const namesake = tx.sql.get<{ id: string }>(
    "SELECT id FROM agent WHERE name = ? AND revoked_at IS NULL",
    request.name,
  );
  if (namesake) tx.fail("conflict", `An agent named ${request.name} is enrolled; revoke it first or use another name.`);
  const id = tx.id("agent");
  tx.sql.run(
    "INSERT INTO agent (id, name, key, version, enrolled_at, revoked_at, lease_until, row_version) VALUES (?, ?, ?, ?, ?, NULL, 0, 1)",
    id,
    request.name,
    key,
    request.version,
    tx.now,
  );
  tx.sql.run("UPDATE enrol_token SET used_by = ? WHERE hash = ?", id, tokenHash);
  record(tx, {
    subject: "site",
    id: tx.site.id,
    kind: "agent.enrolled",
    actor: `agent:${id}`,
    data: { agent: id, name: request.name },
  });
  tx.dirty("agent", id, 1);
  return reply(tx, id);
}

const reply = (tx: Tx, agent: string): EnrollReply => ({
  v: AGENT_PROTOCOL,
  agent,
  site: tx.site.id,
  siteName: tx.site.name,
  now: tx.now,
});

/** From the next request on it is refused; what it held is lost, so that its state is read by another. */
export function revoke(tx: Tx, { agent, actor }: Commands["agent.revoke"]["in"]): AgentView {
  const row = agentRow(tx, agent);
  if (!row) return tx.fail("not_found", `There is no agent ${agent}.`);
  if (row.revoked_at === null) {
    tx.sql.run("UPDATE agent SET revoked_at = ?, row_version = row_version + 1 WHERE id = ?", tx.now, agent);
    record(tx, { subject: "site", id: tx.site.id, kind: "agent.revoked", actor, data: { agent, name: row.name } });
    tx.dirty("agent", agent, row.row_version + 1);
    loseAllOf(tx, agent, "the agent was revoked");
    tx.effect({ kind: "hang-up", agent });
    tx.ring();
  }
  return agentView(tx.site, agentRow(tx, agent) ?? row, undefined);
}

export function agentView(site: SiteRecord, row: AgentRow, presence: AgentPresence | undefined): AgentView {
  return {
    id: row.id,
    site: site.id,
    name: row.name,
    version: row.version,
    enrolledAt: row.enrolled_at,
    revokedAt: row.revoked_at,
    lastSeenAt: presence?.lastSeenAt ?? null,
    doorbell: presence?.doorbell ?? false,
  };
}

export function agentViews(sql: Sql, site: SiteRecord, presence: readonly AgentPresence[]): AgentView[] {
  return sql.all<AgentRow>("SELECT * FROM agent ORDER BY enrolled_at, id").map((row) =>
    agentView(
      site,
      row,
      presence.find((p) => p.agent === row.id),
    ),
  );
}

/** The key that an agent's tokens are checked with, unless it was revoked. */
export function agentKey(
  sql: Sql,
  site: SiteRecord,
  agent: string,
): Outcome<{ publicKey: EnrollRequest["publicKey"]; site: string }> {
  const row = agentRow({ sql }, agent);
  if (!row) return refuse("unauthenticated", "No agent of this site has this id.");
  if (row.revoked_at !== null) return refuse("agent_revoked", `The agent ${row.name} was revoked.`);
  return ok({ publicKey: JSON.parse(row.key) as EnrollRequest["publicKey"], site: site.id });
}
