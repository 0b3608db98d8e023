/** A site's core on `node:sqlite` with a clock that tests turn and an agent that answers as they say. */
import { createHash } from "node:crypto";
import { TurnupError } from "../../../shared/errors.ts";
import {
  type ApprovalStatement,
  type Approver,
  type SigningKey,
  signApproval,
} from "../../../shared/model/approval.ts";
import type { ResolvedDevice, ResolvedSite } from "../../../shared/model/site.ts";
import { newTestKey } from "../../../shared/model/test-keys.ts";
import type { PlanView } from "../../../shared/model/views.ts";
import {
  AGENT_PROTOCOL,
  type Lease,
  type Report,
  type SyncReply,
  type SyncRequest,
} from "../../../shared/protocol/agent.ts";
import { seeded } from "../../../shared/seeded.ts";
import { workflows as shipped } from "../../workflows/index.ts";
import type { Workflow } from "../../workflows/workflow.ts";
import { NodeSql } from "../node-sql.ts";
import { verifyEd25519 } from "../platform.ts";
import type { CommandKind, Commands, Effect, OutboxEntry, Queries, QueryKind } from "./commands.ts";
import { SiteCore } from "./core.ts";
import { resultOf } from "./test-results.ts";

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export const SITE = { id: "st_0123456789", name: "ams01" };
const image = { name: "demo.img", sha256: "ab".repeat(32), sizeBytes: 64 << 20 };

export function server(n: number): ResolvedDevice {
  const mac = (k: number) =>
    `02:00:00:00:${(n >> 8).toString(16).padStart(2, "0")}:${((n & 255) ^ (k << 7)).toString(16).padStart(2, "0")}`;
  const media = ["Bay 0", "Bay 1"].map((bay, i) => ({
    bay,
    serial: `DRV${n}-${i}`,
    sizeBytes: 480e9,
    protocol: "SATA" as const,
    mediaType: "SSD" as const,
  }));
  return {
    name: `srv${String(n).padStart(5, "0")}`,
    role: "compute",
    rack: `r${1 + Math.floor(n / 40)}`,
    u: 1 + (n % 40),
    uHeight: 1,
    deviceType: { manufacturer: "Example", model: "One" },
    hardwareClass: "one",
    asset: { serial: `SN${n}`, aliases: [], media },
    interfaces: [{ name: "eth0", mac: mac(0), mgmtOnly: false, addresses: [] }],
    install: {
      bmc: { address: `10.0.${n >> 8}.${n & 255}`, port: 80, scheme: "http", secret: `vault:ams01/${n}` },
      boot: { interface: "eth0", mac: mac(0) },
      systemDrive: `DRV${n}-1`,
      image: image.name,
      bom: {
        manufacturer: "Example",
        model: "One",
        cpus: { count: 2 },
        memory: { modules: 2, sizeMiBEach: 16384 },
        drives: media,
        macs: [mac(0)],
      },
    },
  };
}

export function siteOf(servers: number): ResolvedSite {
  return {
    name: SITE.name,
    locationHint: "weur",
    jurisdiction: "eu",
    racks: [{ name: "r1", heightU: 42 }],
    vlans: [],
    prefixes: [],
    images: [image],
    devices: Array.from({ length: servers }, (_, n) => server(n)),
    cables: [],
  };
}

const keys = new Map<string, SigningKey>();
/** The key that this person has in all tests of a file. */
function testKeyOf(person: string): SigningKey {
  const key = keys.get(person) ?? newTestKey();
  keys.set(person, key);
  return key;
}

const START = 1_800_000_000_000;

export type Answer = (lease: Lease) => Partial<Report> | undefined;

export class World {
  readonly sql: NodeSql;
  core: SiteCore;
  now = START;
  /** How far the site's clock has been set ahead of the time that agents count. */
  ahead = 0;
  random = seeded(7);
  readonly effects: Effect[] = [];
  agent = "";

  readonly #workflows: ReadonlyMap<string, Workflow>;

  constructor(
    servers = 2,
    options: {
      permit?: boolean;
      path?: string;
      workflows?: readonly Workflow[];
      empty?: boolean;
      /** A database that holds a site already. */
      sql?: NodeSql;
    } = {},
  ) {
    this.#workflows = new Map([...shipped, ...(options.workflows ?? []).map((w) => [w.name, w] as const)]);
    this.sql = options.sql ?? new NodeSql(options.path);
    this.core = this.#open();
    if (options.empty || options.sql) return;
    this.do("site.create", { ...SITE, locationHint: "weur", jurisdiction: "eu", actor: "token:t" });
    this.do("site.import", { site: siteOf(servers), actor: "token:t" });
    this.agent = this.enroll("a", "x".repeat(43));
    if (options.permit !== false) this.permit();
  }

  #open(): SiteCore {
    return new SiteCore(this.sql, { sha256, verify: verifyEd25519, workflows: this.#workflows });
  }
  /** Forgets everything that is in memory only, as an eviction does. */
  evict(): void {
    this.core = this.#open();
  }

  /** Runs `body` in this world, and sets all back to what it is now: much cheaper than a new world for each of many. */
  undone(body: () => void): void {
    const { core, now, agent } = this;
    const effects = this.effects.length;
    const undo = new Error("undo");
    try {
      this.sql.transact(() => {
        // Not the numbers that this world was made with: ids would come twice.
        this.random = seeded(8);
        this.evict();
        body();
        throw undo;
      });
    } catch (error) {
      if (error !== undo) throw error;
    } finally {
      Object.assign(this, { core, now, agent });
      this.effects.length = effects;
    }
  }

  /** The site's clock is set ahead, or back, while no time passes. */
  jump(ms: number): void {
    this.now += ms;
    this.ahead += ms;
  }

  /** Runs a command that must be taken. */
  do<K extends CommandKind>(kind: K, input: Commands[K]["in"]): Commands[K]["out"] {
    const { reply, effects } = this.core.apply({ now: this.now, random: this.random }, kind, input);
    this.effects.push(...effects);
    if (!reply.ok) throw new TurnupError(reply.problem);
    return reply.value;
  }
  /** The code with which a command is refused, or undefined if it was taken. */
  refusal<K extends CommandKind>(kind: K, input: Commands[K]["in"]): string | undefined {
    const { reply } = this.core.apply({ now: this.now, random: this.random }, kind, input);
    return reply.ok ? undefined : reply.problem.code;
  }
  ask<K extends QueryKind>(kind: K, input: Queries[K]["in"]): Queries[K]["out"] {
    const reply = this.core.query(this.now, kind, input);
    if (!reply.ok) throw new TurnupError(reply.problem);
    return reply.value;
  }

  permit(): void {
    this.do("permit.set", {
      permit: { granted: true, frozen: false, expiresAt: this.now + 10 * 365 * 86_400_000, reason: "" },
    });
  }

  enroll(name: string, x: string): string {
    this.do("agent.invite", { tokenHash: `hash-${name}`, expiresAt: this.now + 60_000, actor: "token:t" });
    return this.do("agent.enroll", {
      tokenHash: `hash-${name}`,
      request: { v: AGENT_PROTOCOL, token: "-", name, publicKey: { kty: "OKP", crv: "Ed25519", x }, version: "1" },
    }).agent;
  }

  /** The fleet's approvers: whoever signs in a test, each with a key of their own. */
  readonly approvers: Approver[] = [];
  /** What this person signs of a plan; `over` changes what is said before it is signed. */
  signed(
    { plan, hash }: Pick<PlanView, "plan" | "hash">,
    person: string,
    over: Partial<ApprovalStatement> = {},
    key = testKeyOf(person),
  ) {
    if (!this.approvers.some((a) => a.key === key.x)) this.approvers.push({ key: key.x, person });
    const { id, site, expiresAt } = plan;
    const said = { v: 1, kind: "turnup/approval", plan: id, hash, site, person, at: this.now, expiresAt } as const;
    return signApproval({ ...said, ...over }, key);
  }
  /** The input of an approval by these people's tokens. */
  approval(view: Pick<PlanView, "plan" | "hash">, person: string, over: Partial<ApprovalStatement> = {}) {
    const approval = this.signed(view, person, over);
    return { plan: view.plan.id, approval, actor: `token:${person}`, approvers: this.approvers };
  }
  /** A job of a plan that was made and approved by so many people as it asks for; its id. */
  startApproved(workflow: string, targets: string[]): string {
    const actor = "token:t";
    const view = this.do("plan.create", { workflow, targets, params: {}, actor });
    for (const person of ["ann", "bob"].slice(0, view.plan.approvals))
      this.do("plan.approve", this.approval(view, person));
    const { hash } = view;
    const key = `${workflow} ${hash}`;
    const made = { key, body: hash, actor, plan: view.plan.id, hash, approvers: this.approvers };
    return this.do("job.create", made).job.id;
  }

  /** Reinstalls servers that are in service, approved by two people. */
  reinstall(targets: string[], mode: "keep-data" | "wipe", key = `reinstall ${mode}`): string {
    const actor = "token:op";
    const view = this.do("plan.create", { workflow: "server.reinstall", targets, params: { mode }, actor });
    for (const person of ["ann", "bob"]) this.do("plan.approve", this.approval(view, person));
    const { plan, hash } = view;
    const { approvers } = this;
    return this.do("job.create", { key, body: key, actor, plan: plan.id, hash, approvers }).job.id;
  }
  install(targets: string[], key = "k1"): string {
    return this.start("server.install", targets, { key });
  }
  start(workflow: string, targets: string[], more: { key?: string; priority?: number } = {}): string {
    const { key = `${workflow} ${targets.join()}`, priority } = more;
    const body = JSON.stringify(targets);
    return this.do("job.create", { key, body, actor: "token:t", workflow, targets, params: {}, priority }).job.id;
  }

  sync(request: Partial<SyncRequest> = {}, agent = this.agent): SyncReply {
    const full: SyncRequest = {
      v: AGENT_PROTOCOL,
      instance: "i",
      version: "1",
      uptimeMs: this.now - this.ahead - START,
      free: 100,
      holding: [],
      reports: [],
      progress: [],
      ...request,
    };
    return this.do("agent.sync", { agent, request: full });
  }

  report(lease: Lease, over: Partial<Report> = {}): Report {
    return {
      lease: lease.id,
      epoch: lease.epoch,
      job: lease.job,
      step: lease.step,
      outcome: "succeeded",
      result: resultOf(lease),
      startedAt: this.now,
      finishedAt: this.now,
      ...over,
    };
  }

  /** Syncs and answers until no more leases come; `answer` may change a report, or withhold it by returning undefined. */
  work(answer: Answer = () => ({}), agent = this.agent): void {
    let reports: Report[] = [];
    let holding: string[] = [];
    for (let round = 0; round < 500; round++) {
      const reply = this.sync({ reports, holding }, agent);
      reports = [];
      holding = [];
      for (const lease of reply.leases) {
        holding.push(lease.id);
        const over = answer(lease);
        if (over) reports.push(this.report(lease, over));
      }
      if (reports.length === 0) return;
      this.now += 5;
    }
    throw new Error("the work does not end");
  }

  /** Works up to the first lease of this action, and leaves it at work, silent from then on. */
  workUpTo(action: string): Lease {
    let held: Lease | undefined;
    this.work((lease) => {
      if (lease.action !== action) return {};
      held ??= lease;
      return undefined;
    });
    if (!held) throw new Error(`no lease of ${action}`);
    return held;
  }

  /** Plays the read model: takes all that is due, and returns it. */
  drain(): OutboxEntry[] {
    const entries = this.ask("outbox.next", { limit: 10_000 });
    if (entries.length > 0) this.do("outbox.delivered", { entries, rows: entries.length });
    return entries;
  }
  /** Turns the clock to the next alarm and does what the object does then. */
  alarm(): void {
    this.now = Math.max(this.now, this.core.nextAlarm(this.now) ?? this.now);
    this.do("tick", {});
    this.drain();
  }

  /** These machines, else all, are in service, as after an install. */
  serve(names = this.sql.all<{ name: string }>("SELECT name FROM device").map((d) => d.name)): void {
    for (const name of names) this.sql.run("UPDATE device SET state = 'active' WHERE name = ?", name);
  }

  steps(job: string): Record<string, string> {
    return Object.fromEntries(this.ask("steps", { job }).map((s) => [`${s.n}:${s.name}`, s.state]));
  }
  state(device: string): string {
    return this.ask("device", { device }).state;
  }
}
