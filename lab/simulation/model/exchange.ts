/** One sync of an agent with the core, and what the model says of it: reports, renewals, leases given anew and again (L3, L4, L6). */
import {
  AGENT_PROTOCOL,
  LEASE_TTL_MS,
  type Lease,
  type Report,
  type SyncReply,
} from "../../../shared/protocol/agent.ts";
import type { World } from "../../../workers/site/core/test-world.ts";
import { checkRest, grant } from "./grants.ts";
import { callMs, leaseEnd, lose, reported } from "./rules.ts";
import { type Model, type ModelAgent, violated } from "./state.ts";

export interface Ask {
  reports: readonly Report[];
  free: number;
  /** The answer is lost: the agent learns nothing of it. */
  lost: boolean;
}

export function exchange(m: Model, w: World, agent: ModelAgent, { reports, free, lost }: Ask): void {
  const holding = [...agent.hands.keys()];
  const working = [...agent.hands.values()].filter((h) => !h.report).map((h) => h.lease);
  const progress = working.map(({ id, epoch, job, step }) => ({ lease: id, epoch, job, step, percent: 50 }));
  const request = {
    v: AGENT_PROTOCOL,
    instance: "model",
    version: "1",
    uptimeMs: m.real,
    free,
    holding,
    reports: [...reports],
    progress,
  };
  const { reply } = w.core.apply({ now: w.now, random: w.random }, "agent.sync", { agent: agent.id, request });
  if (agent.revoked) {
    if (reply.ok || reply.problem.code !== "agent_revoked") violated("S2", `${agent.name} was revoked and is served`);
    return;
  }
  if (!reply.ok) return violated("L6", `the sync of ${agent.name} is refused: ${reply.problem.code}`);
  agent.heardAt = m.real;
  foresee(m, agent, { holding, reports, free }, reply.value);
  if (!lost) learn(m, agent, reply.value);
}

/** What the coordinator must have done and answered. */
function foresee(
  m: Model,
  agent: ModelAgent,
  { holding, reports, free }: { holding: string[]; reports: readonly Report[]; free: number },
  reply: SyncReply,
): void {
  const refused = reports.flatMap((r) => {
    const code = reported(m, agent, r);
    return code === undefined ? [] : [`${r.lease} ${code}`];
  });
  same(
    "L4",
    "refused reports",
    refused,
    (reply.refused ?? []).map((r) => `${r.lease} ${r.code}`),
  );
  same(
    "L6",
    "acknowledged reports",
    reports.map((r) => r.lease),
    reply.acks,
  );

  const held = m.steps().filter((s) => s.state === "work" && s.newest?.agent === agent);
  const ids = held.map((s) => s.newest?.id ?? "");
  // C4: none is renewed before half its time has gone; then all that the agent holds. What ends later than a whole time
  // to live from now was given before the clock was set back.
  const isFresh = (end: number) => end > m.now + LEASE_TTL_MS / 2 && end <= m.now + LEASE_TTL_MS;
  const due = !isFresh(agent.renewedUntil) && held.some((s) => s.newest && !isFresh(leaseEnd(s.newest)));
  if (due) agent.renewedUntil = m.now + LEASE_TTL_MS;
  same("L3", "renewed leases", due ? ids.filter((id) => holding.includes(id)) : [], reply.renewed);
  same(
    "L1",
    "leases taken back",
    holding.filter((id) => !ids.includes(id) && !reports.some((r) => r.lease === id)),
    reply.revoked,
  );

  // The agent does not have them: said again, or taken back while nothing may start.
  const missing = held.filter((s) => s.newest && !holding.includes(s.newest.id));
  const again = m.open ? missing.map((s) => `${s.newest?.id} ${s.newest?.epoch}`) : [];
  if (!m.open) for (const step of missing) lose(m, step);
  const isAgain = (l: Lease) => ids.includes(l.id);
  same(
    "L1",
    "leases said again",
    again,
    reply.leases.filter(isAgain).map((l) => `${l.id} ${l.epoch}`),
  );

  const fresh = reply.leases.filter((l) => !isAgain(l));
  if (fresh.length > free) violated("L1", `${agent.name} has room for ${free} and is given ${fresh.length}`);
  const given = fresh.map((lease) => grant(m, agent, lease));
  checkRest(m, agent, free, given);
}

/** What the agent makes of the answer, by its own clock, which it started when it sent the sync (L3). */
function learn(m: Model, agent: ModelAgent, reply: SyncReply): void {
  for (const id of reply.acks) letGo(agent, id);
  for (const id of reply.renewed) {
    const hand = agent.hands.get(id);
    if (hand) hand.until = m.real + LEASE_TTL_MS;
  }
  for (const id of reply.revoked) letGo(agent, id);
  for (const lease of reply.leases) {
    for (const [id, { lease: older }] of agent.hands) if (older.target.device === lease.target.device) letGo(agent, id);
    agent.hands.set(lease.id, { lease, until: m.real + lease.ttlMs, report: undefined });
  }
}

/** The agent does not hold it any more; a call of it may go on unless the agent has said how it ended. */
function letGo(agent: ModelAgent, id: string): void {
  const hand = agent.hands.get(id);
  if (!hand) return;
  agent.hands.delete(id);
  const { lease, report, until } = hand;
  const { device } = lease.target;
  if (!report || report.outcome === "unknown") agent.late.push({ device, until: until + callMs(lease.action) });
}

function same(rule: string, what: string, expected: readonly string[], seen: readonly string[]): void {
  const [a, b] = [[...expected].sort().join(", "), [...seen].sort().join(", ")];
  if (a !== b) violated(rule, `${what}: [${b}] where it must be [${a}]`);
}
