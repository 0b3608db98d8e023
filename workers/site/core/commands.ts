/**
 * Everything that can be asked of a site's core, as data. `SiteCore.apply({ now, random }, command)` runs one in one
 * transaction and returns the reply and the effects; the shell (workers/site/object.ts), a simulation and the tests call
 * nothing else. Replies are outcomes: an expected refusal is returned and has changed nothing.
 */
import type { Millis, Random } from "../../../shared/deps.ts";
import type { Outcome } from "../../../shared/errors.ts";
import type { Approval, ApprovedPlan, Approver } from "../../../shared/model/approval.ts";
import type { ApproversChange } from "../../../shared/model/approver-list.ts";
import type { AuditRun, Finding } from "../../../shared/model/finding.ts";
import type { JobEvent, JobState, JobSummary, JobView, StepView } from "../../../shared/model/job.ts";
import type { PlanStep } from "../../../shared/model/plan.ts";
import type { PolicyDiff, PolicyVersion, PolicyView } from "../../../shared/model/policy.ts";
import type { ResolvedSite } from "../../../shared/model/site.ts";
import type { ExportHeader } from "../../../shared/model/site-export.ts";
import type {
  AgentView,
  ApproverChanges,
  AssetView,
  DeviceView,
  Explanation,
  LedgerEvent,
  Meter,
  OutboxState,
  Page,
  PlanView,
  SiteView,
} from "../../../shared/model/views.ts";
import type { EnrollReply, EnrollRequest, SyncReply, SyncRequest } from "../../../shared/protocol/agent.ts";
import type { SqlValue } from "../../../shared/sql.ts";

/** Who asks, for the record: `token:ci` or `agent:ams01-a`. */
export type Actor = string;
/** The human being whose token it is, where it is one person's. */
type Person = string | undefined;

export interface PageIn {
  limit: number;
  cursor?: string | undefined;
}

/** Commands that may write. */
export interface Commands {
  /** First call on a new object. Refuses `site_exists` if it is another site; the same one again is fine. */
  "site.create": {
    in: {
      id: string;
      name: string;
      locationHint: SiteView["locationHint"];
      jurisdiction: SiteView["jurisdiction"];
      actor: Actor;
    };
    out: SiteView;
  };
  /** Adds what is new, updates what may change, refuses what may not (a serial that moved, a removed device in use). */
  "site.import": {
    in: { site: ResolvedSite; actor: Actor };
    out: { site: SiteView; added: number; changed: number; unchanged: number };
  };
  /** A new version of the site's policy; `base` is the one that it was compared with, 0 if there was none. */
  "policy.apply": {
    in: { base: number; text: string; reason: string; endHolds?: boolean | undefined; actor: Actor };
    out: { policy: PolicyView; created: boolean };
  };
  /** G7: sets something aside, as a new version of the policy; `until` as the policy has it. */
  "policy.hold": {
    in: { on: string; owner: string; reason: string; until?: string | undefined; actor: Actor };
    out: PolicyView;
  };
  "policy.unhold": { in: { on: string; owner?: string | undefined; reason: string; actor: Actor }; out: PolicyView };
  "plan.create": {
    in: { workflow: string; targets: string[]; params: Record<string, unknown>; actor: Actor; person?: Person };
    out: PlanView;
  };
  /** J1: durable when it returns. `created` is false when the key had been used with this body. */
  "job.create": {
    in: { key: string; body: string; actor: Actor; person?: Person; priority?: number | undefined } & (
      | { plan: string; hash: string; approvers?: readonly Approver[] | undefined }
      | { workflow: string; targets: string[]; params: Record<string, unknown> }
    );
    out: { job: JobView; created: boolean };
  };
  /** One person's signed approval of this very plan, judged by the fleet's list of approvers (G4). */
  "plan.approve": {
    in: { plan: string; approval: Approval; actor: Actor; person?: Person; approvers: readonly Approver[] };
    out: PlanView;
  };
  /** Takes a person's approval back, until the plan is used. */
  "plan.unapprove": {
    in: { plan: string; person: string; actor: Actor; approvers: readonly Approver[] };
    out: PlanView;
  };
  /** A signed change of the agents' lists of approvers is to be carried to them. */
  "approvers.offer": { in: { change: ApproversChange; actor: Actor }; out: ApproverChanges };
  /** Nothing new starts; what is at work is let to its end (J6). Again while it is paused: changes nothing. */
  "job.pause": { in: { job: string; actor: Actor; reason: string }; out: JobView };
  "job.resume": { in: { job: string; actor: Actor }; out: JobView };
  /**
   * Tries again what failed or waits for a person, from the first incomplete step (J8): one device of the job, by id or
   * name, or all of them.
   */
  "job.retry": { in: { job: string; device?: string | undefined; actor: Actor }; out: JobView };
  /** Leaves one step out, with a reason; never one whose proof or effect a later step rests on. By name or number. */
  "job.skip": { in: { job: string; device: string; step: string; reason: string; actor: Actor }; out: JobView };
  "job.cancel": { in: { job: string; actor: Actor; reason: string }; out: JobView };
  /** The hash of a one-time token that the Worker made; the token itself is shown once and stored nowhere. */
  "agent.invite": { in: { tokenHash: string; expiresAt: Millis; actor: Actor }; out: { expiresAt: Millis } };
  "agent.enroll": { in: { request: EnrollRequest; tokenHash: string }; out: EnrollReply };
  "agent.revoke": { in: { agent: string; actor: Actor }; out: AgentView };
  /** `agent` is the authenticated agent's id. */
  "agent.sync": { in: { agent: string; request: SyncRequest }; out: SyncReply };
  /** Cron and `turnup audit run`; a window already seen changes nothing (dedupe). */
  "audit.start": { in: { window: string; actor: Actor }; out: { run: AuditRun; created: boolean } };
  /** Time has passed: fires every due timer. The shell calls it from `alarm()`. */
  tick: { in: Record<never, never>; out: null };
  /** What the budget object answered, or null when it did not; and when it was asked, by the coordinator's clock. */
  "permit.set": { in: { permit: Permit | null; askedAt?: Millis | undefined }; out: null };
  /** An admin turned the fleet's kill switch; takes effect at once, before the next permit. */
  "fleet.poke": { in: { frozen: boolean }; out: null };
  /** Rows that D1 took; `rows` is what D1 says it wrote. */
  "outbox.delivered": { in: { entries: { kind: OutboxKind; id: string; version: number }[]; rows: number }; out: null };
  /** Rows that D1 refused; parked after the tenth failure, which is a finding (C3). */
  "outbox.failed": {
    in: {
      entries: { kind: OutboxKind; id: string; version: number }[];
      reason: string;
      /** D1 as a whole was away: all rows wait, and are tried again for as long as it takes; none is parked for it. */
      outage?: boolean | undefined;
    };
    out: null;
  };
  /** Has the site's rows thrown out of the read model and sent anew (E3); what was parked is tried again. */
  "outbox.rebuild": { in: { actor: Actor }; out: { rows: number } };
  /** The read model holds no row of this site any more: all are marked to be sent. */
  "outbox.dropped": { in: Record<never, never>; out: null };
  /** An export is to be loaded into this object, which is empty or holds what another restore left half done. */
  "restore.begin": {
    in: { restore: string; header: ExportHeader; generation: number; sha256: string; lines: number };
    out: { loaded: number };
  };
  /** Lines of the export as they stand there; `from` of them, the header among them, came before. */
  "restore.load": { in: { restore: string; from: number; lines: string[] }; out: { loaded: number } };
  /** Refuses `export_broken` unless all lines have come: then they can be compared with the export. */
  "restore.check": { in: { restore: string }; out: null };
  /** What was loaded has been compared with the export: the site is there, on hold. */
  "restore.finish": { in: { restore: string }; out: SiteView };
  /** Ends the hold of a restored site, once its agents have told what they did since the export. */
  "site.release": {
    in: { actor: Actor; acceptLoss?: string | undefined; without: string[] };
    out: {
      site: SiteView;
      /** Steps that are read before anything else is done. */
      resolved: number;
      /** Names of devices that start nothing before an audit has read them. */
      unread: string[];
      /** Agents that knew of later ledger events than the export. */
      lost: { agent: string; name: string; seq: number; hash: string }[];
    };
  };
  /** A newer generation has taken over: this object does nothing any more (L2). */
  "site.fence": { in: { generation: number }; out: null };
}
export type CommandKind = keyof Commands;

/** Questions; they write nothing. */
export interface Queries {
  site: { in: Record<never, never>; out: SiteView };
  /** The resolved site as imported, or not_found before the first import. */
  "site.document": { in: Record<never, never>; out: ResolvedSite };
  /** The newest version, or the one that is named. */
  policy: { in: { version?: number | undefined }; out: PolicyView };
  /** What applying a text would change. */
  "policy.diff": { in: { text: string }; out: PolicyDiff };
  /** Newest first. */
  "policy.history": { in: PageIn; out: Page<PolicyVersion> };
  devices: { in: PageIn; out: Page<DeviceView> };
  /** By id or name. */
  device: { in: { device: string }; out: DeviceView };
  assets: { in: PageIn; out: Page<AssetView> };
  asset: { in: { asset: string }; out: AssetView };
  /** With its first steps only, if there are very many: `plan.steps` tells the others. */
  plan: { in: { plan: string; approvers?: readonly Approver[] | undefined }; out: PlanView };
  /** The whole plan and all that was signed for it, for an agent to judge by itself (G4). */
  "plan.approved": { in: { plan: string }; out: ApprovedPlan };
  /** Steps of the plan with n > after. */
  "plan.steps": { in: { plan: string; after: number; limit: number }; out: PlanStep[] };
  "approvers.changes": { in: Record<never, never>; out: ApproverChanges };
  jobs: { in: PageIn & { state?: JobState | undefined }; out: Page<JobSummary> };
  job: { in: { job: string } & Presence; out: JobView };
  /** The ETag's source alone, for a 304 without building the view. */
  "job.version": { in: { job: string }; out: { version: number } };
  /** In order; those with n > after, at most `limit` where one is given. */
  steps: {
    in: { job: string; after?: number | undefined; limit?: number | undefined } & Presence;
    out: StepView[];
  };
  /** Events with seq > after. */
  events: { in: { job: string; after: number; limit: number }; out: JobEvent[] };
  ledger: { in: { after: number; limit: number; subject?: string | undefined }; out: LedgerEvent[] };
  /** By id or name of a device. */
  explain: { in: { device: string; agents: AgentPresence[] }; out: Explanation };
  findings: { in: PageIn & { state?: "open" | "closed" | undefined }; out: Page<Finding> };
  audits: { in: { limit: number }; out: AuditRun[] };
  agents: { in: { presence: AgentPresence[] }; out: AgentView[] };
  /** For the shell to check an agent's token: its public key, unless revoked. */
  "agent.key": { in: { agent: string }; out: { publicKey: EnrollRequest["publicKey"]; site: string } };
  meter: { in: Record<never, never>; out: Meter };
  /** The next rows to send to D1, at most `limit`; payloads are read now, so a row changed ten times is sent once. */
  "outbox.next": { in: { limit: number }; out: OutboxEntry[] };
  /** Whether work is open for which a permit is of use; if not, the place goes to other sites. */
  "permit.wanted": { in: Record<never, never>; out: boolean };
  /** Whether work waits that needs a permit which is missing or past half its life. */
  "permit.due": { in: { now: Millis }; out: boolean };
  /** Whether the read model is to forget this site's rows before more are sent. */
  "outbox.drop": { in: Record<never, never>; out: boolean };
  /** Rows that wait to be sent, and those that were given up with the reason; parked first. */
  outbox: { in: { limit: number }; out: OutboxState };
  /**
   * Lines of the site's export after a place: about so many characters, read at one moment. `token` is the reader's own:
   * while it has pages to come the site stands still for some seconds; if it changed nevertheless, `export_moved`.
   */
  "export.page": {
    in: { token: string; after?: ExportPlace | undefined; maxChars: number };
    out: { lines: string[]; rows: Record<string, number>; next: ExportPlace | null };
  };
}
export type QueryKind = keyof Queries;

/** Who is there, where the caller knows: then a wait for an agent says that all are silent. */
interface Presence {
  agents?: AgentPresence[] | undefined;
}
/** What the shell knows of agents from its sockets and memory. */
export interface AgentPresence {
  agent: string;
  lastSeenAt: Millis | null;
  doorbell: boolean;
}

export const outboxKinds = ["site", "device", "asset", "job", "finding", "agent"] as const;
export type OutboxKind = (typeof outboxKinds)[number];
/** A row for the read model: the view by kind (SiteView, DeviceView, AssetView, JobSummary, Finding, AgentView), or null: gone. */
export interface OutboxEntry {
  kind: OutboxKind;
  id: string;
  version: number;
  row: Record<string, unknown> | null;
}

/** The row after which an export goes on. */
export interface ExportPlace {
  table: string;
  key: SqlValue[];
}

export interface Permit {
  /** Counted on the coordinator's clock. */
  expiresAt: Millis;
  /** False: not now; the site asks again. */
  granted: boolean;
  frozen: boolean;
  reason: string;
}

/** What the shell must do after the transaction. All are hints: losing one costs time, never truth. */
export type Effect =
  /** Tell agents to sync now. */
  | { kind: "ring" }
  /** Set the alarm to this time if it is earlier than the one set. */
  | { kind: "alarm"; at: Millis }
  /** Send to the watchers of these jobs. */
  | { kind: "events"; events: JobEvent[] }
  /** Close this agent's socket, or all there are, also those who watch. */
  | { kind: "hang-up"; agent: string | "all" };

export interface Now {
  now: Millis;
  random: Random;
}
export interface Applied<T> {
  reply: Outcome<T>;
  effects: Effect[];
}
