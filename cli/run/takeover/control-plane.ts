/**
 * A control plane that its agent trusts and that does what it is told: at first by its owners, then by whoever took it
 * over. It speaks the agent's protocol with valid credentials; nothing but the agent's own judgement is in its way.
 */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "../../../agents/site/approvals/ed25519.ts";
import { actionSpec, isActionName } from "../../../shared/actions/index.ts";
import { canonicalJson } from "../../../shared/canonical.ts";
import type { ApprovedPlan } from "../../../shared/model/approval.ts";
import type { ApproversChange } from "../../../shared/model/approver-list.ts";
import { type Plan, planHash } from "../../../shared/model/plan.ts";
import {
  AGENT_PROTOCOL,
  type EnrollReply,
  LEASE_TTL_MS,
  type Lease,
  type Report,
  type SyncReply,
  SyncRequest,
} from "../../../shared/protocol/agent.ts";
import { SITE_ID } from "./site.ts";

export interface ControlPlane {
  url: string;
  /** What is answered to the agent that asks for a plan, by its id. */
  plans: Map<string, ApprovedPlan>;
  /** Sends a change of the agent's own list, and resolves with the code of its refusal; undefined if it was taken. */
  changeList(change: ApproversChange): Promise<string | undefined>;
  /** Hands the lease out and resolves with what the agent reports of it. */
  run(lease: Lease): Promise<Report>;
  close(): void;
}

/** So long a report may bring the next lease with its answer, ms. */
const NEXT_MS = 30;

export async function startControlPlane(): Promise<ControlPlane> {
  const plans: ControlPlane["plans"] = new Map();
  const open = new Map<string, { lease: Lease; done: (report: Report) => void }>();

  let change: { sent: ApproversChange; done: (code: string | undefined) => void } | undefined;

  const sync = async (request: SyncRequest): Promise<SyncReply> => {
    const { approvers } = request;
    const refused = approvers?.refused;
    if (change && refused?.change === sha256(canonicalJson(change.sent))) {
      change.done(refused.code);
      change = undefined;
    } else if (change && approvers && approvers.hash !== change.sent.statement.base) {
      change.done(undefined);
      change = undefined;
    }
    for (const report of request.reports) {
      const one = open.get(report.lease);
      open.delete(report.lease);
      one?.done(report);
    }
    if (request.reports.length > 0) await sleep(NEXT_MS);
    const held = new Set(request.holding);
    const all = [...open.values()].map(({ lease }) => lease);
    return {
      v: AGENT_PROTOCOL,
      now: Date.now(),
      acks: request.reports.map((r) => r.lease),
      leases: all.filter(({ id }) => !held.has(id)).slice(0, request.free),
      renewed: all.map(({ id }) => id).filter((id) => held.has(id)),
      revoked: [],
      ...(change && { approvers: change.sent }),
      more: false,
      nextPollMs: 1000,
    };
  };

  const answer = async (request: IncomingMessage): Promise<{ status: number; body: unknown }> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body: unknown = pieces.length === 0 ? undefined : JSON.parse(Buffer.concat(pieces).toString());
    const { pathname } = new URL(request.url ?? "/", "http://control.plane");
    if (pathname === "/agent/v1/enroll") {
      const agent = `agt_${SITE_ID.slice(3)}_0000000000000001`;
      const reply: EnrollReply = { v: AGENT_PROTOCOL, agent, site: SITE_ID, siteName: "takeover", now: Date.now() };
      return { status: 200, body: reply };
    }
    if (pathname === "/agent/v1/sync") return { status: 200, body: await sync(SyncRequest.parse(body)) };
    const plan = plans.get(/^\/agent\/v1\/plans\/([^/]+)$/.exec(pathname)?.[1] ?? "");
    return plan ? { status: 200, body: plan } : { status: 404, body: { code: "plan_unknown" } };
  };

  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, body }) =>
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body)),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    plans,
    changeList: (sent) =>
      new Promise((done) => {
        change = { sent, done };
      }),
    run: (lease) => new Promise((done) => open.set(lease.id, { lease, done })),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

let epoch = 0;
/** A step of a plan as a lease; `spoil`: what the attacker makes of it. */
export function leaseOf(plan: Plan, n: number, spoil: Partial<Lease> = {}): Lease {
  const step = plan.steps[n];
  const target = plan.targets.find((t) => t.device === step?.target);
  if (!step || !target) throw new Error(`The plan ${plan.id} has no step ${n}.`);
  epoch += 1;
  const seconds = isActionName(step.action) ? actionSpec(step.action).deadlineSeconds : 600;
  return {
    id: `lse_${epoch}`,
    epoch,
    ttlMs: LEASE_TTL_MS,
    notAfter: Date.now() + LEASE_TTL_MS,
    site: SITE_ID,
    job: `job_${plan.id}`,
    step: n,
    name: step.name,
    attempt: 1,
    resolve: false,
    action: step.action,
    params: step.params,
    target,
    mode: plan.mode,
    plan: { id: plan.id, hash: planHash(plan, sha256) },
    deadlineMs: seconds * 1000,
    ...spoil,
  };
}
