/**
 * Runs leases: one attempt per device at a time, each fenced. Invariants:
 *  1. An attempt is in the journal before its handler starts, and its report before anything forgets it (A2, L6).
 *  2. A newer lease for a device ends the older attempt, and starts after its last call has ended (L1, L2).
 *  3. A lease that is no longer ours is dropped without a report (the coordinator knows already).
 *  4. A handler that throws what it should not is a failed attempt, never a dead agent.
 */
import { type AgentActionName, actions, isActionName } from "../../../shared/actions/index.ts";
import { type ErrorCode, type Outcome, ok, type Problem, TurnupError } from "../../../shared/errors.ts";
import {
  DETAIL_MAX_CHARS,
  type Lease,
  type Progress,
  RESULT_MAX_CHARS,
  type Report,
} from "../../../shared/protocol/agent.ts";
import { errorText } from "../log.ts";
import { handlers as allHandlers } from "./handlers.ts";
import { type HeldLease, holdLease } from "./leases.ts";
import { readServed } from "./served.ts";
import { failing, type Handler, type Handlers, type Step, Stopped, type World } from "./step.ts";

export interface Executor {
  take(leases: readonly Lease[], sentAt: number): void;
  renewed(leases: readonly string[], sentAt: number): void;
  revoked(leases: readonly string[]): void;
  holding(): string[];
  free(): number;
  /** Newest progress of each attempt since the last call. */
  progress(): Progress[];
  renewalInMs(): number | undefined;
  /** No new lease is wanted; attempts end at their next wait and are reported `unknown`. Resolves when all have ended. */
  drain(): Promise<void>;
  /** Ends everything without a report: this agent may no longer work here. */
  abandon(): void;
  /** As a crash would: what was under way stays in the journal as it is. */
  die(): void;
}

export interface ExecutorOptions {
  world: World;
  /** T3: leases of another site are refused. Undefined before enrolment. */
  site(): string | undefined;
  maxParallel: number;
  /** A report is in the journal. */
  reported(): void;
  progressed(): void;
  askRenewal(): void;
  handlers?: Handlers;
}

/** Evidence of one report, JSON characters: the wire allows 8 KiB. */
const MAX_EVIDENCE = 7000;

const isAgentAction = (name: string): name is AgentActionName =>
  isActionName(name) && actions[name].executor === "agent";

export function makeExecutor(o: ExecutorOptions): Executor {
  const { world } = o;
  const { attempts } = world.journal;
  const handlers = o.handlers ?? allHandlers;
  const held = new Map<string, HeldLease>();
  /** The end of the newest attempt of each device. */
  const tails = new Map<string, Promise<void>>();
  const news = new Map<string, Progress>();
  let draining = false;
  let dead = false;

  const report = (lease: Lease, startedAt: number, evidence: Record<string, unknown>, end: ToldEnd) => {
    const text = JSON.stringify(evidence);
    const shown = text.length > MAX_EVIDENCE ? { cut: text.slice(0, MAX_EVIDENCE / 2) } : evidence;
    const body: Report = {
      lease: lease.id,
      epoch: lease.epoch,
      job: lease.job,
      step: lease.step,
      outcome: end.outcome,
      ...(end.outcome === "succeeded" && { result: end.result }),
      ...(end.outcome === "failed" && { failure: cut(end.problem) }),
      ...(Object.keys(shown).length > 0 && { evidence: shown }),
      startedAt,
      finishedAt: world.clock.now(),
    };
    if (end.outcome === "succeeded")
      world.journal.plans.succeed(lease.plan.hash, lease.step, end.result, body.finishedAt);
    attempts.finish(body);
    world.metrics.steps.inc({ action: lease.action, outcome: end.outcome });
    o.reported();
  };

  const run = async (hold: HeldLease): Promise<void> => {
    const { lease, signal } = hold;
    const startedAt = world.clock.now();
    const evidence: Record<string, unknown> = {};
    const fields = { step: lease.name, device: lease.target.name, job: lease.job, attempt: lease.attempt };
    const cancelDeadline = world.timers.after(lease.deadlineMs, () =>
      hold.stop(
        failing("deadline_exceeded", `${lease.name} did not end within ${Math.round(lease.deadlineMs / 1000)} s.`),
      ),
    );
    let end: AttemptEnd;
    try {
      signal.throwIfAborted();
      // A2, L2: a power cut must not forget that this epoch was seen.
      await world.journal.durable();
      signal.throwIfAborted();
      const step = makeStep(hold, evidence);
      world.log.info(fields, "step started");
      end = asEnd(readDone(step) ?? (await readServed(step, world)) ?? (await invoke(step)));
    } catch (error) {
      end = thrown(error, fields);
    } finally {
      cancelDeadline();
    }
    held.delete(lease.id);
    news.delete(lease.id);
    // What still waits on behalf of this attempt has nothing to wait for.
    hold.stop(new Stopped("superseded"));
    if (dead) return;
    if (end.outcome === "dropped") {
      attempts.drop(lease.id);
      world.log.info({ ...fields, why: end.why }, "step dropped");
    } else {
      report(lease, startedAt, evidence, end);
      const failure = end.outcome === "failed" ? { code: end.problem.code, detail: end.problem.detail } : {};
      world.log.info({ ...fields, outcome: end.outcome, ...failure }, "step ended");
    }
    world.metrics.active.set(held.size);
  };

  const makeStep = (hold: HeldLease, evidence: Record<string, unknown>): Step => {
    const { lease, signal, fence } = hold;
    const { action } = lease;
    if (!isAgentAction(action)) throw failing("action_unknown", `This agent does not know the action ${action}.`);
    const params = actions[action].params.safeParse(lease.params);
    if (!params.success)
      throw failing(
        "agent_defect",
        `The parameters of ${action} do not fit: ${params.error.issues[0]?.path.join(".")}`,
      );
    const repeats: Record<string, number> = {};
    return {
      lease,
      target: lease.target,
      params: params.data as Step["params"],
      resolve: lease.resolve,
      signal,
      bmc: world.pool.bmc(lease.target.bmc, fence),
      holds: hold.holds,
      evidence: (fields) => Object.assign(evidence, fields),
      repeated(what) {
        repeats[what] = (repeats[what] ?? 0) + 1;
        evidence.repeats = repeats;
      },
      progress(percent, text) {
        const rounded = Math.floor(percent);
        if (news.get(lease.id)?.percent === rounded) return;
        news.set(lease.id, {
          lease: lease.id,
          epoch: lease.epoch,
          job: lease.job,
          step: lease.step,
          percent: rounded,
          ...(text !== undefined && { text }),
        });
        o.progressed();
      },
    };
  };

  /** J4: a step of an approved plan that is to be read and has succeeded by our journal is told, and not done again (G4). */
  const readDone = ({ lease, evidence }: Step): Outcome<unknown> | undefined => {
    if (!lease.resolve) return undefined;
    const { plans } = world.journal;
    const row = plans.get(lease.plan.hash)?.plan.steps[lease.step];
    const { done } = plans.past(lease.plan.hash, lease.step, lease.target.asset);
    if (!done || row?.boot === true) return undefined;
    evidence({ toldFrom: "the agent's journal" });
    return ok(done.result);
  };

  const invoke = (step: Step): Promise<Outcome<unknown>> => {
    // The map is complete by its type; which handler fits which params only this line cannot say.
    const handler = handlers[step.lease.action as AgentActionName] as Handler<AgentActionName>;
    return handler(step, world);
  };

  const thrown = (error: unknown, fields: Record<string, unknown>): AttemptEnd => {
    if (error instanceof Stopped)
      return error.why === "drain" ? { outcome: "unknown" } : { outcome: "dropped", why: error.why };
    if (error instanceof TurnupError) return { outcome: "failed", problem: error.problem };
    // The text of an unforeseen error may hold anything: it goes to the log on site, not into the report (A7).
    world.log.error(
      { ...fields, error: error instanceof Error ? error.stack : errorText(error) },
      "a defect in a handler",
    );
    return { outcome: "failed", problem: { code: "agent_defect", detail: "A defect in the agent; see its log." } };
  };

  /** Refusals that need no attempt. */
  const refuseLease = (lease: Lease, code: ErrorCode, detail: string) => {
    const now = world.clock.now();
    report(lease, now, {}, { outcome: "failed", problem: { code, detail } });
  };

  const start = (lease: Lease, sentAt: number) => {
    const device = lease.target.device;
    for (const older of held.values()) if (older.lease.target.device === device) older.stop(new Stopped("superseded"));
    const hold = holdLease(lease, sentAt, {
      clock: world.clock,
      signals: world.signals,
      current: attempts.current,
      askRenewal: o.askRenewal,
    });
    held.set(lease.id, hold);
    world.metrics.active.set(held.size);
    if (draining) hold.stop(new Stopped("drain"));
    const before = tails.get(device);
    const mine = (before ? before.catch(() => undefined).then(() => run(hold)) : run(hold)).finally(() => {
      if (tails.get(device) === mine) tails.delete(device);
    });
    tails.set(device, mine);
    mine.catch((error: unknown) => world.log.error({ error: errorText(error) }, "a defect in the executor"));
  };

  return {
    take(leases, sentAt) {
      const site = o.site();
      const fresh = leases.filter((lease) => !held.has(lease.id));
      for (const lease of fresh)
        if (lease.site !== site) refuseLease(lease, "wrong_site", "The lease is of another site than this agent (T3).");
      const ours = fresh.filter((lease) => lease.site === site);
      const admissions = attempts.begin(ours, world.clock.now());
      for (const [i, lease] of ours.entries()) {
        if (admissions[i] === "fresh") start(lease, sentAt);
        if (admissions[i] === "stale")
          refuseLease(lease, "stale_epoch", `Epoch ${lease.epoch} is lower than one seen before (L2).`);
      }
    },
    renewed(leases, sentAt) {
      for (const id of leases) held.get(id)?.renew(sentAt);
    },
    revoked(leases) {
      for (const id of leases) held.get(id)?.stop(new Stopped("revoked"));
    },
    holding: () => [...held.keys()],
    free: () => (draining ? 0 : Math.max(0, o.maxParallel - held.size)),
    progress() {
      const out = [...news.values()].filter((p) => !told.has(p));
      for (const p of out) told.add(p);
      return out;
    },
    renewalInMs() {
      const times = [...held.values()].map((h) => h.renewalInMs());
      return times.length === 0 ? undefined : Math.min(...times);
    },
    async drain() {
      draining = true;
      for (const hold of held.values()) hold.stop(new Stopped("drain"));
      await Promise.all([...tails.values()].map((t) => t.catch(() => undefined)));
    },
    abandon() {
      draining = true;
      for (const hold of held.values()) hold.stop(new Stopped("revoked"));
    },
    die() {
      dead = true;
      for (const hold of held.values()) hold.stop(new Stopped("revoked"));
    },
  };
}

/** Progress that was handed to the link; a new one is a new object. */
const told = new WeakSet<Progress>();

type ToldEnd =
  | { outcome: "succeeded"; result: unknown }
  | { outcome: "failed"; problem: Problem }
  | { outcome: "unknown" };
type AttemptEnd = ToldEnd | { outcome: "dropped"; why: string };

function asEnd(done: Outcome<unknown>): AttemptEnd {
  if (!done.ok) return { outcome: "failed", problem: done.problem };
  // A report that no sync can carry would never be told; what a machine says of itself may be of any length.
  const chars = JSON.stringify(done.value ?? null).length;
  if (chars <= RESULT_MAX_CHARS) return { outcome: "succeeded", result: done.value };
  const detail = `The result has ${chars} characters of JSON; at most ${RESULT_MAX_CHARS} can be reported.`;
  return { outcome: "failed", problem: { code: "agent_defect", detail } };
}

const cut = ({ code, detail }: Problem) => ({ code, detail: detail.slice(0, DETAIL_MAX_CHARS) });
