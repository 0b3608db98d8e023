/** The random walk of random.test.ts: a world, agents that misbehave as real ones may, and what must always hold. */
import { actionSpec, isActionName } from "../../../shared/actions/index.ts";
import { TurnupError } from "../../../shared/errors.ts";
import { isFinal, type JobState, jobStateOf, type StepState, type TargetState } from "../../../shared/model/job.ts";
import type { LedgerEvent } from "../../../shared/model/views.ts";
import { LEASE_TTL_MS, type Lease, type Report, type SyncReply } from "../../../shared/protocol/agent.ts";
import { seeded } from "../../../shared/seeded.ts";
import type { CommandKind, Commands } from "./commands.ts";
import { firstBreak, GENESIS } from "./ledger.ts";
import { OPEN_STEPS } from "./step-rows.ts";
import { server, sha256, siteOf, World } from "./test-world.ts";

const SERVERS = 6;
/** Rounds in which everything must have ended once faults stop. */
const MAX_ROUNDS = 400;

const passing = ["bmc_unavailable", "bmc_unreachable", "ramdisk_silent", "lease_expired", "agent_defect"];
const lasting = ["identity_mismatch", "bom_mismatch", "boot_closed", "verify_failed", "stale_epoch"];
const asking = ["disk_not_blank", "machine_powered_on", "asset_in_service"];

/** A lease in an agent's hands; by its own count it lives until then. */
interface Held {
  lease: Lease;
  until: number;
}

const longestCallMs = ({ action }: Lease): number =>
  isActionName(action) ? actionSpec(action).longestCallSeconds * 1000 : 0;

class WalkAgent {
  readonly id: string;
  readonly held = new Map<string, Held>();
  unsent: Report[] = [];
  revoked = false;
  /** Not heard before this time. */
  awayUntil = 0;
  heardAt = 0;
  constructor(id: string) {
    this.id = id;
  }
}

interface StepFact {
  job: string;
  n: number;
  device: string;
  state: StepState;
  lease: string | null;
  epoch: number | null;
  /** 1 if its result lives in the boot. */
  boot: number | null;
}
interface TargetFact {
  job: string;
  device: string;
  state: TargetState;
  started_at: number | null;
}

export class RandomWalk {
  readonly log: string[] = [];
  readonly #w = new World(SERVERS);
  readonly #random: () => number;
  readonly #agents: WalkAgent[];
  /** Every report ever made: any of them may come once more. */
  readonly #past: { agent: WalkAgent; report: Report }[] = [];
  readonly #epochs = new Map<string, number>();
  readonly #succeeded = new Set<string>();
  readonly #cancelled = new Map<string, number>();
  readonly #ended = new Set<string>();
  readonly #owners = new Map<string, WalkAgent>();
  #keys = 0;
  #agentsMade = 0;
  #ledgerHead = { seq: 0, hash: GENESIS };

  constructor(seed: number) {
    const { uint32 } = seeded(seed * 7919 + 17);
    for (let i = 0; i < 8; i++) uint32();
    this.#random = () => uint32() / 2 ** 32;
    this.#agents = [new WalkAgent(this.#w.agent), this.#enroll()];
  }

  #chance = (p: number): boolean => this.#random() < p;
  #below = (n: number): number => Math.floor(this.#random() * n);
  #one<T>(list: readonly T[]): T | undefined {
    return list[this.#below(list.length)];
  }

  #enroll(): WalkAgent {
    this.#agentsMade += 1;
    const name = `walk-${this.#agentsMade}`;
    return new WalkAgent(this.#w.enroll(name, name.padEnd(43, "z")));
  }

  /** Runs a command that may be refused. */
  #try<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Commands[K]["out"] | undefined {
    try {
      return this.#w.do(kind, input);
    } catch (error) {
      if (error instanceof TurnupError) return undefined;
      throw error;
    }
  }

  step(): void {
    const w = this.#w;
    const agent = this.#one(this.#agents.filter((a) => !a.revoked));
    const r = this.#random();
    const say = (what: string) => this.log.push(`${w.now % 1e9} ${what}`);
    if (r < 0.57 && agent && agent.awayUntil <= w.now) {
      this.#end(agent, 0.8);
      say(`sync ${agent.id.slice(-4)}`);
      this.#sync(agent, true);
    } else if (r < 0.7) {
      const jump = this.#one([500, 5000, 31_000, 61_000, 130_000, this.#chance(0.1) ? 7 * 3_600_000 : 900]) ?? 0;
      say(`clock +${jump}`);
      this.#advance(jump);
    } else if (r < 0.76) {
      this.#create(say);
    } else if (r < 0.768) {
      const job = this.#one(this.#jobs().filter((j) => !isFinal.job(j.state)));
      if (job && this.#try("job.cancel", { job: job.id, actor: "token:walk", reason: "" })) {
        say(`cancel ${job.id.slice(-4)}`);
        this.#cancelled.set(job.id, this.#attempts(job.id));
        // Often somebody tries again at once, and any agent may come for it.
        const names = w.ask("job", { job: job.id }).targets.map((t) => t.name);
        if (this.#chance(0.7)) this.#create(say, names);
        if (agent && this.#chance(0.7)) this.#sync(agent, false);
      }
    } else if (r < 0.8) {
      w.evict();
      say("evict");
    } else if (r < 0.84) {
      const past = this.#one(this.#past);
      if (past && !past.agent.revoked) {
        say(`old report of ${past.agent.id.slice(-4)}`);
        const holding = [...past.agent.held.keys(), ...past.agent.unsent.map((u) => u.lease)];
        this.#try("agent.sync", {
          agent: past.agent.id,
          request: this.#request({ holding, reports: [past.report, past.report], free: 0 }),
        });
      }
    } else if (r < 0.86) {
      const frozen = this.#chance(0.4);
      say(`frozen ${frozen}`);
      w.do("fleet.poke", { frozen });
    } else if (r < 0.9) {
      const granted = this.#chance(0.9);
      const life = this.#one([5000, 60_000, 86_400_000]) ?? 0;
      const frozen = this.#chance(0.03);
      say(`permit ${granted} ${frozen} ${life}`);
      w.do("permit.set", {
        permit: this.#chance(0.1)
          ? null
          : { granted: granted && !frozen, frozen, expiresAt: w.now + life, reason: "walk" },
      });
    } else if (r < 0.925 && agent) {
      say(`restart ${agent.id.slice(-4)}`);
      this.#restart(agent);
    } else if (r < 0.945 && agent) {
      agent.awayUntil = w.now + this.#below(600_000);
      say(`away ${agent.id.slice(-4)}`);
    } else if (r < 0.95 && agent) {
      say(`revoke ${agent.id.slice(-4)}`);
      w.do("agent.revoke", { agent: agent.id, actor: "token:walk" });
      agent.revoked = true;
      this.#agents.push(this.#enroll());
    } else if (r < 0.97) {
      const site = siteOf(SERVERS);
      const n = this.#below(SERVERS);
      site.devices[n] = { ...server(n), u: 1 + this.#below(40) };
      say(`import ${n}`);
      this.#try("site.import", { site, actor: "token:walk" });
    } else {
      say("outbox");
      const entries = w.ask("outbox.next", { limit: 5 });
      if (this.#chance(0.5)) w.do("outbox.delivered", { entries, rows: entries.length });
      else w.do("outbox.failed", { entries, reason: "away", outage: true });
    }
  }

  #advance(ms: number): void {
    const w = this.#w;
    const end = w.now + ms;
    for (let i = 0; i < 50; i++) {
      const at = w.core.nextAlarm(w.now);
      if (at === null || at > end) break;
      // What is still due after its tick waits for something else than time.
      if (i > 0 && at <= w.now) break;
      w.now = Math.max(w.now, at);
      w.do("tick", {});
      if (this.#chance(0.5)) w.drain();
    }
    w.now = Math.max(w.now, end);
    w.do("tick", {});
  }

  #create(say: (what: string) => void, wanted?: string[]): void {
    const names = siteOf(SERVERS).devices.map((d) => d.name);
    const targets = wanted ?? names.filter(() => this.#chance(0.4));
    this.#keys += 1;
    const out = this.#try("job.create", {
      key: `w${this.#keys}`,
      body: String(this.#keys),
      actor: "token:walk",
      workflow: "server.install",
      targets,
      params: {},
    });
    if (out) say(`job ${out.job.id.slice(-4)} on ${targets.join(" ")}`);
  }

  /** Ends some of what the agent holds, each in one of the ways in which a step may end. */
  #end(agent: WalkAgent, p: number): void {
    for (const { lease } of agent.held.values()) {
      if (!this.#chance(p)) continue;
      const r = this.#random();
      const failed = (codes: readonly string[]): Partial<Report> => ({
        outcome: "failed",
        failure: { code: this.#one(codes) ?? "agent_defect", detail: "walk" },
      });
      const over =
        r < 0.9
          ? {}
          : r < 0.94
            ? failed(passing)
            : r < 0.95
              ? failed(lasting)
              : r < 0.975
                ? failed(asking)
                : { outcome: "unknown" as const };
      this.#finish(agent, this.#w.report(lease, over));
    }
  }

  #finish(agent: WalkAgent, report: Report): void {
    agent.held.delete(report.lease);
    agent.unsent.push(report);
    this.#past.push({ agent, report });
  }

  /** L3: after a restart every lease counts as expired; what was at work is reported unknown. */
  #restart(agent: WalkAgent): void {
    for (const { lease } of agent.held.values()) this.#finish(agent, this.#w.report(lease, { outcome: "unknown" }));
  }

  #request = (more: Partial<Commands["agent.sync"]["in"]["request"]>) => ({
    v: 1,
    instance: "walk",
    version: "1",
    free: 100,
    holding: [],
    reports: [],
    progress: [],
    ...more,
  });

  #sync(agent: WalkAgent, faulty: boolean): void {
    const w = this.#w;
    const reports = [...agent.unsent];
    if (faulty && this.#chance(0.3)) reports.reverse();
    const sent = faulty ? reports.filter(() => this.#chance(0.9)) : reports;
    const progress = [...agent.held.values()]
      .filter(() => this.#chance(0.3))
      .map(({ lease }) => ({
        lease: lease.id,
        epoch: lease.epoch,
        job: lease.job,
        step: lease.step,
        percent: this.#below(100),
      }));
    agent.heardAt = w.now;
    const open = this.#mayStart();
    const reply = w.do("agent.sync", {
      agent: agent.id,
      request: this.#request({
        free: faulty ? this.#below(4) : 100,
        holding: [...agent.held.keys(), ...agent.unsent.map((r) => r.lease)],
        reports: sent,
        progress,
      }),
    });
    for (const lease of reply.leases) {
      if (!open) throw new Error(`a step started without a permit: ${lease.name}`);
      // L2: a target stays with its agent while that one is there.
      const owner = this.#owners.get(`${lease.job}/${lease.target.device}`);
      if (owner && owner !== agent && !owner.revoked && owner.heardAt + LEASE_TTL_MS > w.now)
        throw new Error(`[L2] ${lease.name} was taken from an agent that is there`);
      this.#owners.set(`${lease.job}/${lease.target.device}`, agent);
      if (this.#ended.has(lease.job)) throw new Error(`a lease of the ended ${lease.job}`);
    }
    // The reply may be lost: then nothing of it is known to the agent.
    if (faulty && this.#chance(0.15)) return;
    this.#take(agent, reply);
  }

  #mayStart(): boolean {
    const permit = this.#w.sql.get<{ value: string }>("SELECT value FROM meta WHERE key = 'permit'");
    const { granted, frozen, expiresAt } = JSON.parse(permit?.value ?? "{}") as {
      granted?: boolean;
      frozen?: boolean;
      expiresAt?: number;
    };
    return granted === true && frozen === false && (expiresAt ?? 0) > this.#w.now;
  }

  #take(agent: WalkAgent, reply: SyncReply): void {
    const { now } = this.#w;
    agent.unsent = agent.unsent.filter((r) => !reply.acks.includes(r.lease));
    for (const id of reply.renewed) {
      const held = agent.held.get(id);
      if (held) held.until = now + LEASE_TTL_MS;
    }
    for (const id of reply.revoked) agent.held.delete(id);
    for (const lease of reply.leases) {
      const { device } = lease.target;
      // L1, L2: whoever else has had this machine in its hands can be in no call any more.
      for (const other of this.#agents) {
        for (const held of other.held.values()) {
          if (other === agent || held.lease.target.device !== device) continue;
          if (held.until + longestCallMs(held.lease) > now)
            throw new Error(`${device} is in the hands of two agents: ${held.lease.name}, ${lease.name}`);
        }
      }
      for (const [id, held] of agent.held) if (held.lease.target.device === device) agent.held.delete(id);
      agent.held.set(lease.id, { lease, until: now + lease.ttlMs });
    }
  }

  #jobs = (): { id: string; state: JobState }[] => this.#w.sql.all("SELECT id, state FROM job");
  #attempts = (job: string): number =>
    this.#w.sql.get<{ n: number }>("SELECT sum(attempt) AS n FROM step WHERE job = ?", job)?.n ?? 0;
  ends(): string[] {
    return this.#w.sql.all<{ state: string }>("SELECT state FROM job_target").map((t) => t.state);
  }

  /** What must hold after every step. Jobs that have ended were looked at when they did, and are again at the end. */
  check(all = false): void {
    const { sql, core, now } = this.#w;
    const targets = sql.all<TargetFact>(
      all
        ? "SELECT job, device, state, started_at FROM job_target"
        : "SELECT t.job, t.device, t.state, t.started_at FROM job j JOIN job_target t ON t.job = j.id WHERE j.ended_at IS NULL",
    );
    const open = targets.filter((t) => !isFinal.target(t.state));
    this.#checkSteps(all);
    const same = (what: string, a: string[], b: string[]) => {
      if (a.sort().join() !== b.sort().join()) throw new Error(`${what}: ${a.join()} is not ${b.join()}`);
    };
    // L7: locks are exactly those of targets that have not ended.
    same(
      "locks and open targets",
      sql.all<{ job: string; device: string }>("SELECT job, device FROM lock").map((l) => `${l.job}/${l.device}`),
      open.map((t) => `${t.job}/${t.device}`),
    );
    same(
      "devices installing and targets begun",
      sql.all<{ id: string }>("SELECT id FROM device WHERE state = 'installing'").map((d) => d.id),
      open.filter((t) => t.started_at !== null).map((t) => t.device),
    );
    for (const job of this.#jobs()) {
      if (this.#ended.has(job.id) && !all) continue;
      if (isFinal.job(job.state)) this.#ended.add(job.id);
      this.#checkJob(job, all);
    }
    if (sql.get(`SELECT 1 FROM ${OPEN_STEPS} LIMIT 1`) && core.nextAlarm(now) === null)
      throw new Error("[J10] work is open and no alarm is wanted");
    this.#checkLedger();
  }

  #checkJob(job: { id: string; state: JobState }, all: boolean): void {
    const { sql } = this.#w;
    const states = sql
      .all<{ state: TargetState }>("SELECT state FROM job_target WHERE job = ?", job.id)
      .map((t) => t.state);
    if (jobStateOf(states) !== job.state) throw new Error(`${job.id} is ${job.state} with ${states.join()}`);
    const events = sql.get<{ n: number; last: number }>(
      "SELECT count(*) AS n, max(seq) AS last FROM event WHERE job = ?",
      job.id,
    );
    if (events?.n !== events?.last) throw new Error(`events of ${job.id} have a gap`);
    const before = this.#cancelled.get(job.id);
    if (before !== undefined && this.#attempts(job.id) !== before)
      throw new Error(`[J6] a new attempt in the cancelled ${job.id}`);
    if (isFinal.job(job.state) && !all) return;
    for (const target of this.#w.ask("job", { job: job.id }).targets)
      if ((target.waitingOn === null) !== isFinal.target(target.state))
        throw new Error(`[J3] ${target.name} is ${target.state} and waits for ${target.waitingOn}`);
  }

  #checkSteps(all: boolean): void {
    const { sql } = this.#w;
    if (
      sql.get(
        `SELECT 1 FROM ${OPEN_STEPS} AND NOT EXISTS (SELECT 1 FROM lock l WHERE l.device = step.device AND l.job = step.job)`,
      )
    )
      throw new Error("a step is open in an ended target");
    const steps = sql.all<StepFact>(
      all
        ? "SELECT job, n, device, state, lease, epoch, json_extract(body, '$.boot') AS boot FROM step"
        : "SELECT s.job, s.n, s.device, s.state, s.lease, s.epoch, json_extract(s.body, '$.boot') AS boot FROM lock l JOIN step s ON s.job = l.job AND s.device = l.device",
    );
    // A boot that ended, or whose agent is gone, takes what was done in it along.
    for (const { job, device } of sql.all<{ job: string; device: string }>(
      "SELECT job, device FROM event WHERE kind = 'target.retry' AND at = ?",
      this.#w.now,
    ))
      for (const step of steps.filter((s) => s.job === job && s.device === device && s.boot === 1))
        this.#succeeded.delete(`${job}/${step.n}`);
    const busy = new Set<string>();
    for (const { job, n, device, epoch, state, lease } of steps) {
      if (state === "succeeded") this.#succeeded.add(`${job}/${n}`);
      else if (this.#succeeded.has(`${job}/${n}`)) throw new Error(`step ${n} is ${state} after it had succeeded`);
      if (state !== "leased" && state !== "running" && state !== "unknown") continue;
      if (busy.has(device)) throw new Error(`[L1] two steps at work on ${device}`);
      busy.add(device);
      const name = `${device} ${lease}`;
      if (this.#epochs.has(name)) continue;
      const highest = this.#epochs.get(device) ?? 0;
      if ((epoch ?? 0) <= highest) throw new Error(`[L2] the epoch of ${device} fell from ${highest} to ${epoch}`);
      this.#epochs.set(device, epoch ?? 0).set(name, epoch ?? 0);
    }
  }

  #checkLedger(): void {
    const events: LedgerEvent[] = this.#w.ask("ledger", { after: this.#ledgerHead.seq, limit: 1000 });
    const broken = firstBreak(events, sha256, this.#ledgerHead.hash, this.#ledgerHead.seq + 1);
    if (broken) throw new Error(`[E1] ${broken.why}`);
    this.#ledgerHead = events.at(-1) ?? this.#ledgerHead;
  }

  /** Faults stop, though an agent may stay away for good while another is there. Everything must end, or wait for a person. */
  settle(): void {
    const w = this.#w;
    w.do("fleet.poke", { frozen: false });
    w.permit();
    const living = this.#agents.filter((a) => !a.revoked);
    const there = living.filter((_, i) => i === 0 || this.#chance(0.6));
    const unfinished = () => this.#jobs().filter((j) => !isFinal.job(j.state) && j.state !== "waiting");
    for (let round = 0; unfinished().length > 0; round++) {
      if (round === MAX_ROUNDS)
        throw new Error(
          `[J10] still open: ${JSON.stringify(this.#w.ask("job", { job: unfinished()[0]?.id ?? "" }).targets)}`,
        );
      for (const agent of there) {
        for (const { lease } of [...agent.held.values()]) this.#finish(agent, w.report(lease));
        this.#sync(agent, false);
      }
      this.check();
      this.#advance(1000);
      if (there.every((a) => a.held.size === 0)) this.#advance(Math.max(0, (w.core.nextAlarm(w.now) ?? w.now) - w.now));
    }
    for (let i = 0; i < 5; i++) {
      this.#advance(400_000);
      w.drain();
    }
    const left = w.sql.all<{ kind: string; id: string }>("SELECT kind, id FROM outbox");
    if (left.length > 0) throw new Error(`[C3] the outbox keeps ${JSON.stringify(left)}`);
    this.check(true);
    // Only people are waited for, and each of those has days.
    if ((w.core.nextAlarm(w.now) ?? Number.POSITIVE_INFINITY) < w.now + 86_400_000)
      throw new Error("a site at rest wants an alarm");
  }
}
