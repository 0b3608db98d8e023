/** What must hold when a step is given to an agent (L1, L2, J4, J6, J8, J10, G5, G6), and that none is kept back without need. */
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { AGREE_MS, callMs, isDone, LONGEST_CALL_MS, leaseEnd, needsOf } from "./rules.ts";
import {
  ending,
  isOpen,
  label,
  type Model,
  type ModelAgent,
  type ModelStep,
  type ModelTarget,
  violated,
} from "./state.ts";

/** `deadlineMs` is the agent's; the coordinator waits this much longer, for its own word on it. */
const DEADLINE_GRACE_MS = 60_000;

/** A step that was given, and as what: a lost one goes first, then the agent's own and new targets, then another's. */
export interface Grant {
  step: ModelStep;
  turn: number;
}
const turnOf = (agent: ModelAgent, { state, target }: ModelStep): number =>
  state === "unknown" ? 0 : !target.agent || target.agent === agent ? 1 : 2;

/** Takes a lease that the coordinator has just given to the agent. */
export function grant(m: Model, agent: ModelAgent, lease: Lease): Grant {
  const step = m.stepOf(lease.job, lease.step);
  if (!step) return violated("J2", `a lease of step ${lease.step} of ${lease.job}, which there is not`);
  const { target } = step;
  const no = forbidden(m, agent, step) ?? tooEarly(m, step) ?? inCall(m, agent, target.device);
  if (no) violated(no[0], `${label(step)} was given to ${agent.name}: ${no[1]}`);
  const what = `the lease of ${label(step)} for ${agent.name}`;
  if (lease.target.device !== target.device) violated("T1", `${what} names another machine`);
  const highest = m.epochs.get(target.device) ?? 0;
  if (lease.epoch <= highest) violated("L2", `${what} has epoch ${lease.epoch} after ${highest}`);
  if (!lease.resolve && (step.mustRead || (target.agent && target.agent !== agent)))
    violated("J4", `${what} does not say that the machine must be read first`);
  if (lease.attempt !== step.attempt + 1) violated("J8", `${what} is attempt ${lease.attempt} after ${step.attempt}`);
  if (lease.ttlMs <= 0 || lease.ttlMs > LEASE_TTL_MS) violated("L3", `${what} lives ${lease.ttlMs} ms`);

  const turn = turnOf(agent, step);
  m.epochs.set(target.device, lease.epoch);
  const deadlineAt = m.now + lease.deadlineMs + DEADLINE_GRACE_MS;
  step.newest = {
    id: lease.id,
    epoch: lease.epoch,
    agent,
    givenAt: m.now,
    deadlineAt,
    over: false,
    begunAgain: false,
    told: false,
  };
  Object.assign(step, { state: "work", attempt: lease.attempt, mustRead: false });
  target.agent = agent;
  target.state = "running";
  return { step, turn };
}

type No = [rule: string, why: string];

/** The first rule that giving this step to this agent would break, whatever the time. */
function forbidden(m: Model, agent: ModelAgent, step: ModelStep): No | undefined {
  const { target } = step;
  const { job, agent: owner } = target;
  if (m.frozen) return ["G6", "the kill switch is on"];
  if (!m.open) return ["G5", "the site has no permit"];
  if (job.cancelled || job.pausedAt !== undefined) return ["J6", "its job was cancelled or is paused"];
  if (!isOpen(target) || ending(target) !== undefined || target.state === "waiting")
    return ["J10", `its target is ${target.doomed ? "doomed" : target.state}`];
  if (step.state === "work") return ["L1", "it has a lease"];
  if (step.state !== "ready" && step.state !== "unknown") return ["J8", `it is ${step.state}`];
  if (!needsOf(step).every(isDone)) return ["J5", "what it needs is not done"];
  const placed = m.placed();
  const beside = placed.find((s) => s !== step && s.target.device === target.device);
  if (beside?.state === "work") return ["L1", `${label(beside)} is at work there`];
  if (beside && step.state === "ready") return ["J4", `nobody has read how ${label(beside)} ended there`];
  if (owner && owner !== agent && !owner.revoked && owner.heardAt + LEASE_TTL_MS > m.real)
    return ["L2", `its target is with ${owner.name}, which is there`];
  if (step.state === "unknown") return undefined;
  const own = m.caps.actions[step.action] ?? Number.POSITIVE_INFINITY;
  const full = placed.length >= m.caps.steps || placed.filter((s) => s.action === step.action).length >= own;
  return full ? ["G5", "as much is at work as may be"] : undefined;
}

const tooEarly = (m: Model, { state, at }: ModelStep): No | undefined =>
  state === "ready" && at > m.now ? ["J3", `its next try is in ${at - m.now} ms`] : undefined;

/** L1, L2: by its own count another agent may still be in a call on the machine. */
function inCall(m: Model, agent: ModelAgent, device: string): No | undefined {
  for (const other of m.agents.filter((a) => a !== agent)) {
    const hands = [...other.hands.values()].filter(
      ({ lease, report }) => lease.target.device === device && (!report || report.outcome === "unknown"),
    );
    const ends = [
      ...hands.map((h) => h.until + callMs(h.lease.action)),
      ...other.late.filter((c) => c.device === device).map((c) => c.until),
    ];
    const left = Math.max(0, ...ends) - m.real;
    if (left > 0) return ["L1", `${other.name} may be in a call there for ${left} ms`];
  }
  return undefined;
}

/** Nothing that the agent surely may have is kept from it, nor given in a wrong order. */
export function checkRest(m: Model, agent: ModelAgent, free: number, given: readonly Grant[]): void {
  const due = m.steps().filter((s) => !forbidden(m, agent, s) && isDue(m, s));
  const rest = due.filter((s) => isFree(m, agent, s) && (!isOfOthers(m, agent, s.target) || isVouchedFor(m, agent)));
  for (const step of rest) {
    if (given.length < free) violated("J10", `${label(step)} was not given to ${agent.name}, which had room for it`);
    const turn = turnOf(agent, step);
    const { job } = step.target;
    const later = given.find(
      (g) =>
        g.turn > turn ||
        (g.turn === turn &&
          g.step.target.job.priority === job.priority &&
          m.jobs.indexOf(job) < m.jobs.indexOf(g.step.target.job)),
    );
    if (later) violated("J10", `${label(later.step)} was given to ${agent.name} before ${label(step)}`);
  }
  if (given.length < free && due.some((s) => mayFollow(s.target) && isOfOthers(m, agent, s.target)))
    agent.waitsSince ??= m.real;
}

/** C7: its own clock has seen as much time pass as a lease and a call may take, and none was set since. */
const isVouchedFor = (m: Model, agent: ModelAgent): boolean =>
  agent.waitsSince !== undefined && m.real - agent.waitsSince >= LEASE_TTL_MS + LONGEST_CALL_MS + AGREE_MS;

const isOfOthers = (m: Model, agent: ModelAgent, target: ModelTarget): boolean =>
  (target.agent !== undefined && target.agent !== agent) ||
  m.left.some((l) => l.agent !== agent && l.device === target.device);

/** Whoever has it is not asked for any more. */
const mayFollow = ({ agent }: ModelTarget): boolean => !agent || agent.revoked;

const isDue = (m: Model, step: ModelStep): boolean => step.state === "unknown" || step.at + step.slack <= m.now;

/** By the coordinator's books no other agent has to do with the machine. */
function isFree(m: Model, agent: ModelAgent, { target }: ModelStep): boolean {
  if (target.agent === agent) return true;
  if (m.left.some((l) => l.agent !== agent && l.device === target.device && l.until > m.now)) return false;
  if (!target.agent) return true;
  return (
    target.agent.revoked &&
    target.steps.every(
      ({ newest, action }) => !newest || newest.over || leaseEnd(newest) + callMs(action) + AGREE_MS <= m.now,
    )
  );
}
