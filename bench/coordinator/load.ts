/**
 * The load whose cost is measured: a whole site installs all its machines at once, in plans of at most 500, with an agent
 * whose every step takes the same time. The site's core and its shell are the real ones, on `node:sqlite`; what is faked
 * is the platform: its clock turns only here, the read model takes all, the fleet's budget says yes.
 */
import type { Outcome } from "../../shared/errors.ts";
import type { ResolvedSite } from "../../shared/model/site.ts";
import {
  AGENT_PROTOCOL,
  type Lease,
  type Report,
  type SyncReply,
  type SyncRequest,
} from "../../shared/protocol/agent.ts";
import { seeded } from "../../shared/seeded.ts";
import type { CommandKind, Commands } from "../../workers/site/core/commands.ts";
import { SiteCore } from "../../workers/site/core/core.ts";
import { resultOf } from "../../workers/site/core/test-results.ts";
import { SITE, siteOf } from "../../workers/site/core/test-world.ts";
import { NodeSql } from "../../workers/site/node-sql.ts";
import { sha256, verifyEd25519 } from "../../workers/site/platform.ts";
import { SiteShell } from "../../workers/site/shell.ts";
import { workflows } from "../../workers/workflows/index.ts";

/** Machines in one plan, at most. */
const PLAN = 500;
/** Reports in one sync, at most. */
export const BATCH = 200;
/** Steps that the agent has at work at once: as many as a site allows while its file says nothing. */
const PARALLEL = 2_000;
/** How long each step takes, on the site's clock: shorter, and changes of one machine would go out as one. */
const STEP_MS = 30_000;
/** Far more rounds than the slowest site here needs: a load that hangs ends with an error. */
const MAX_ROUNDS = 5_000;

/** What all installs of one site took, from the first job until the last machine is in service and everything is sent. */
export interface Cost {
  machines: number;
  /** Processor time of the whole process, ms. */
  cpuMs: number;
  /** Rows written by the site, an alarm counted as one, and rows sent to the read model. */
  rows: number;
  syncs: number;
}

/** Counts an alarm as a row, as the object does. */
class AlarmSql extends NodeSql {
  alarms = 0;
  override written(): number {
    return super.written() + this.alarms;
  }
}

export class LoadedSite {
  readonly #machines: number;
  readonly #sql = new AlarmSql();
  readonly #shell: SiteShell;
  readonly #agent: string;
  #now = 1_800_000_000_000;
  #alarmAt: number | undefined;
  #syncs = 0;

  private constructor(machines: number, atOnce: ResolvedSite["atOnce"]) {
    this.#machines = machines;
    const random = seeded(7);
    this.#shell = new SiteShell(new SiteCore(this.#sql, { sha256, verify: verifyEd25519, workflows }), {
      now: () => this.#now,
      random,
      setAlarm: (at) => {
        this.#sql.alarms += 1;
        this.#alarmAt = at;
      },
      ring: () => {},
      broadcast: () => {},
      hangUp: () => {},
      budget: () => ({
        permit: async () => ({ granted: true, frozen: false, expiresAt: this.#now + 300_000, reason: "" }),
        release: async () => {},
      }),
      deliver: async (_, entries) => entries.length,
      forget: async () => 0,
      defect: (cause) => {
        throw cause;
      },
    });
    const actor = "token:bench";
    this.#do("site.create", { ...SITE, locationHint: "weur", jurisdiction: "eu", actor });
    this.#do("site.import", { site: { ...siteOf(machines), ...(atOnce && { atOnce }) }, actor });
    this.#do("agent.invite", { tokenHash: "hash", expiresAt: this.#now + 60_000, actor });
    const publicKey = { kty: "OKP" as const, crv: "Ed25519" as const, x: "x".repeat(43) };
    const request = { v: AGENT_PROTOCOL, token: "-", name: "a", publicKey, version: "1" };
    this.#agent = this.#do("agent.enroll", { tokenHash: "hash", request }).agent;
  }

  /** A site with so many machines, imported and sent to the read model. `atOnce`: other caps than the product's. */
  static async make(machines: number, atOnce?: ResolvedSite["atOnce"]): Promise<LoadedSite> {
    const site = new LoadedSite(machines, atOnce);
    await site.#turn(STEP_MS);
    return site;
  }

  /** Installs everything; to be called once. */
  async install(): Promise<Cost> {
    const rows = this.#rows();
    const cpu = process.cpuUsage();
    for (let from = 0; from < this.#machines; from += PLAN) this.#accept(from, Math.min(from + PLAN, this.#machines));
    // The first permit is fetched by the alarm.
    await this.#turn(0);
    let atWork: Lease[] = [];
    for (let round = 0; round === 0 || atWork.length > 0; round++) {
      if (round === MAX_ROUNDS) throw new Error("The work does not end.");
      atWork = this.#exchange(atWork);
      await this.#turn(STEP_MS);
    }
    const { user, system } = process.cpuUsage(cpu);
    const installed = taken(this.#shell.query("meter", {})).installs;
    if (installed !== this.#machines) throw new Error(`${installed} of ${this.#machines} machines were installed.`);
    return {
      machines: this.#machines,
      cpuMs: (user + system) / 1000,
      rows: this.#rows() - rows,
      syncs: this.#syncs,
    };
  }

  close(): void {
    this.#sql.close();
  }

  #accept(from: number, to: number): void {
    const targets: string[] = [];
    for (let n = from; n < to; n++) targets.push(`srv${String(n).padStart(5, "0")}`);
    const key = `key-${from}`;
    this.#do("job.create", {
      key,
      body: key,
      actor: "token:bench",
      workflow: "server.install",
      targets,
      params: {},
    });
    this.#now += 50;
  }

  /** Reports all that has ended and takes new work, in as many syncs as that needs. */
  #exchange(ended: Lease[]): Lease[] {
    const held = new Map(ended.map((lease) => [lease.id, lease]));
    const fresh: Lease[] = [];
    let more = true;
    for (let from = 0; from < ended.length || more; from += BATCH) {
      const batch = ended.slice(from, from + BATCH);
      const reply = this.#sync({
        free: Math.min(BATCH, PARALLEL - held.size + batch.length),
        holding: [...held.keys()],
        reports: batch.map((lease) => this.#report(lease)),
      });
      for (const { id } of batch) held.delete(id);
      for (const lease of reply.leases) held.set(lease.id, lease);
      fresh.push(...reply.leases);
      more = reply.more;
    }
    return fresh;
  }

  #sync(request: Pick<SyncRequest, "free" | "holding" | "reports">): SyncReply {
    this.#syncs += 1;
    const full = { v: AGENT_PROTOCOL, instance: "i", version: "1", progress: [], ...request };
    return this.#do("agent.sync", { agent: this.#agent, request: full });
  }

  #report(lease: Lease): Report {
    const { id, epoch, job, step } = lease;
    const times = { startedAt: this.#now - STEP_MS, finishedAt: this.#now };
    return { lease: id, epoch, job, step, outcome: "succeeded", result: resultOf(lease), ...times };
  }

  /** Lets time pass, with every alarm that falls into it. */
  async #turn(ms: number): Promise<void> {
    const until = this.#now + ms;
    while (this.#alarmAt !== undefined && this.#alarmAt <= until) {
      this.#now = Math.max(this.#now, this.#alarmAt);
      this.#alarmAt = undefined;
      await this.#shell.alarm();
    }
    this.#now = until;
  }

  #rows(): number {
    const { object, d1 } = taken(this.#shell.query("meter", {}));
    return object + d1;
  }

  #do<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Commands[K]["out"] {
    return taken(this.#shell.apply(kind, input));
  }
}

function taken<T>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(`${outcome.problem.code}: ${outcome.problem.detail}`);
  return outcome.value;
}
