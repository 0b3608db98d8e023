/**
 * Agent ⇄ control plane, version 1. The agent dials out; the control plane never calls in.
 *
 *   POST /agent/v1/enroll    one-time token + public key → agent id (public route; the token is the proof, S2)
 *   POST /agent/v1/sync      bearer agent token (JWT) → the one exchange for any number of machines
 *   GET  /agent/v1/doorbell  WebSocket: the text "sync" means "sync now"; the agent sends "hb", the platform answers "ok"
 *
 * Sync is idempotent. A lost reply costs nothing: reports are kept by the agent until acknowledged, and a lease that
 * the agent does not list under `holding` is delivered again with the same id and epoch.
 * Unknown fields are ignored by both sides (C5), so every object here is a plain `z.object`.
 */
import { z } from "zod";
import { ApproversChange } from "../model/approver-list.ts";
import { Failure } from "../model/job.ts";
import { PlanTarget } from "../model/plan.ts";

export const AGENT_PROTOCOL = 1;

/** Time to live of a lease, ms. A dead agent's work is taken up again after this. */
export const LEASE_TTL_MS = 60_000;
/** The agent asks for renewal at this age; half the time to live, as no renewal writes before (C4). */
export const LEASE_RENEW_MS = LEASE_TTL_MS / 2;
/** Heartbeat on the doorbell and how long its answer may take: a dead socket is found within 40 s. */
export const HEARTBEAT_MS = 30_000;
export const HEARTBEAT_TIMEOUT_MS = 10_000;
/** Poll interval without a doorbell, idle and with work open; and the safety poll with it. */
export const POLL_IDLE_MS = 10_000;
export const POLL_BUSY_MS = 1_000;
export const POLL_SAFETY_MS = 300_000;

/** A sync's body in bytes, at most: a larger one is refused (413 `body_too_large`) before anything of it is read (S4). */
export const SYNC_MAX_BYTES = 8 * 2 ** 20;
/**
 * Reports in one sync, bytes of JSON: the agent sends the rest in the next one. What else a sync may carry at most
 * (10,000 leases and boots, a page of the journal, audit readings) has room beside it.
 */
export const SYNC_REPORT_BYTES = 4 * 2 ** 20;
/** A step's result, JSON characters: ten times the inventory of a full machine. A larger one does not fit its contract. */
export const RESULT_MAX_CHARS = 128 * 1024;
/** Evidence of one report, JSON characters. */
export const EVIDENCE_MAX_CHARS = 8 * 1024;
/** The words of a failure. */
export const DETAIL_MAX_CHARS = 1_000;
/** Serials and power states as a BMC tells them. */
export const SEEN_MAX_CHARS = 200;

/** Ids are ours, and some 30 characters long. */
const Id = z.string().max(128);
const ToldFailure = Failure.extend({ code: z.string().max(64), detail: z.string().max(DETAIL_MAX_CHARS) });

export const EnrollRequest = z.object({
  v: z.number().int(),
  token: z.string().min(1).max(200),
  /** A name for people; unique among the site's live agents. */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
  /** Ed25519 public key as JWK (kty OKP, crv Ed25519, x). The private key never leaves the agent. */
  publicKey: z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string().min(40).max(60) }),
  version: z.string().max(64),
});
export type EnrollRequest = z.infer<typeof EnrollRequest>;

export const EnrollReply = z.object({
  v: z.number().int(),
  agent: z.string(),
  site: z.string(),
  siteName: z.string(),
  now: z.number(),
});
export type EnrollReply = z.infer<typeof EnrollReply>;

/**
 * The agent's bearer token: a JWT, alg EdDSA, header kid = agent id; claims iss = agent id, sub = site id,
 * aud = "turnup", iat and exp at most 5 minutes apart, jti random. Times follow the coordinator's clock: the agent
 * adds the offset learnt from `now` in replies (S2).
 */
export const AGENT_TOKEN_TTL_S = 300;

export const Lease = z.object({
  id: z.string(),
  /** Per device, only grows (L2). */
  epoch: z.number().int(),
  /** Counted by the agent on its monotonic clock from the moment it sent the sync (L3). */
  ttlMs: z.number().int(),
  /** For people to read; no decision compares it with a clock. */
  notAfter: z.number(),
  site: z.string(),
  job: z.string(),
  step: z.number().int(),
  name: z.string(),
  attempt: z.number().int(),
  /** An earlier attempt ended unknown: read the state before doing anything (J4). */
  resolve: z.boolean(),
  action: z.string(),
  params: z.record(z.string(), z.unknown()),
  target: PlanTarget,
  mode: z.string(),
  plan: z.object({ id: z.string(), hash: z.string() }),
  /** Time left for this attempt before its deadline, ms. */
  deadlineMs: z.number().int(),
  /** What one attempt may take in all, ms; a lease said again has less of it left. Absent from a coordinator of before. */
  attemptMs: z.number().int().optional(),
});
export type Lease = z.infer<typeof Lease>;

export const Report = z.object({
  lease: Id,
  epoch: z.number().int(),
  job: Id,
  step: z.number().int(),
  outcome: z.enum(["succeeded", "failed", "unknown"]),
  /** By the action's result schema, when succeeded; at most RESULT_MAX_CHARS. */
  result: z.unknown().optional(),
  failure: ToldFailure.optional(),
  /** What was seen before and after (E4); no secret (A7). Of more than EVIDENCE_MAX_CHARS only the beginning is kept. */
  evidence: z.record(z.string(), z.unknown()).optional(),
  /** Agent's clock, for the record only. */
  startedAt: z.number().int(),
  finishedAt: z.number().int(),
});
export type Report = z.infer<typeof Report>;

export const Progress = z.object({
  lease: Id,
  epoch: z.number().int(),
  job: Id,
  step: z.number().int(),
  percent: z.number().min(0).max(100),
  text: z.string().max(200).optional(),
});
export type Progress = z.infer<typeof Progress>;

/** What an audit read at one device; `serial` and `power` absent and `failure` set when it could not. */
export const Observation = z.object({
  device: Id,
  serial: z.string().max(SEEN_MAX_CHARS).optional(),
  power: z.string().max(SEEN_MAX_CHARS).optional(),
  failure: ToldFailure.optional(),
});
export type Observation = z.infer<typeof Observation>;

/** A MAC or serial that nobody planned (T6). */
export const Unknown = z.object({ mac: z.string().max(64), seen: z.string().max(200), at: z.number() });

/** A boot, named by what it serves: a job has one open boot per device. */
export const BootRef = z.object({ job: Id, device: Id });
export type BootRef = z.infer<typeof BootRef>;

/** A place in the site's ledger: the event's sequence and hash. */
export const LedgerHead = z.object({ seq: z.number().int().min(1), hash: z.string().max(64) });
export type LedgerHead = z.infer<typeof LedgerHead>;

/** A place in an agent's journal, which is told in the order of epoch and lease. */
const JournalPlace = z.object({ epoch: z.number().int(), lease: Id });

/** An attempt as the agent's journal knows it: how it ended, or that it is in flight. */
export const ToldAttempt = JournalPlace.extend({
  job: Id,
  step: z.number().int(),
  device: Id,
  outcome: z.enum(["succeeded", "failed", "unknown", "dropped", "in flight"]),
});
export type ToldAttempt = z.infer<typeof ToldAttempt>;

/** What a restored site on hold asks of each agent: the attempts from an epoch on, after a place, page by page. */
export const JournalAsk = z.object({
  generation: z.number().int(),
  from: z.number().int(),
  after: JournalPlace.optional(),
});
export type JournalAsk = z.infer<typeof JournalAsk>;

export const JournalPage = JournalAsk.extend({
  /** The highest epoch that the agent has ever seen, of any device. */
  epoch: z.number().int(),
  attempts: z.array(ToldAttempt).max(500),
  /** Nothing comes after this page. */
  complete: z.boolean(),
});
export type JournalPage = z.infer<typeof JournalPage>;

/** The agent's own list of approvers (G4): which it is, and the last signed change of it that it did not take. */
export const ApproversTold = z.object({
  hash: z.string().max(64),
  refused: z
    .object({
      /** SHA-256 over the change's canonical JSON. */
      change: z.string().max(64),
      code: z.string().max(64),
      detail: z.string().max(DETAIL_MAX_CHARS),
    })
    .optional(),
});
export type ApproversTold = z.infer<typeof ApproversTold>;

export const SyncRequest = z.object({
  v: z.number().int(),
  /** Random per process start: a restart shows. */
  instance: z.string().max(64),
  version: z.string().max(64),
  /**
   * How long this process has run by its own monotonic clock when it sent this, ms: by it a jump of the coordinator's
   * clock shows (C7). Absent from an agent of before, to whose syncs the coordinator's clock alone applies.
   */
  uptimeMs: z.number().int().min(0).optional(),
  /** How many more leases it can take now. */
  free: z.number().int().min(0).max(10_000),
  /** Ids of the leases it is working on or has a finished report for. */
  holding: z.array(Id).max(10_000),
  reports: z.array(Report).max(500),
  progress: z.array(Progress).max(500),
  audit: z.object({ window: Id, observations: z.array(Observation).max(500) }).optional(),
  unknown: z.array(Unknown).max(100).optional(),
  /** Boots open in the agent's journal, each by the job and device that it serves. */
  boots: z.array(BootRef).max(10_000).optional(),
  /** The highest generation of the site that the agent has seen; absent: 1. */
  generation: z.number().int().optional(),
  /** The newest ledger head that the agent keeps of a generation; absent before the first. */
  head: LedgerHead.extend({ generation: z.number().int() }).optional(),
  /** The answer to the last reply's `journal`. */
  journal: JournalPage.optional(),
  approvers: ApproversTold.optional(),
});
export type SyncRequest = z.infer<typeof SyncRequest>;

export const AuditTarget = PlanTarget.pick({ device: true, name: true, serial: true, aliases: true, bmc: true });
export type AuditTarget = z.infer<typeof AuditTarget>;

export const SyncReply = z.object({
  v: z.number().int(),
  /** Coordinator's clock, Unix ms. */
  now: z.number(),
  /** Lease ids of reports that are stored, applied or refused for good: the agent may forget them (L6). */
  acks: z.array(z.string()),
  /** Those of the acks whose report changed nothing, and why: a stale or unknown epoch, an unknown step, another site. */
  refused: z.array(z.object({ lease: z.string(), code: z.string(), detail: z.string() })).optional(),
  /** New leases, and held ones that the agent did not list. */
  leases: z.array(Lease),
  /** Lease ids whose time to live starts anew, counted from when the sync was sent. */
  renewed: z.array(z.string()),
  /** Lease ids that are no longer this agent's: stop before the next call; report nothing. */
  revoked: z.array(z.string()),
  /** Those of the request's boots whose job has ended or was cancelled: close them. */
  ended: z.array(BootRef).optional(),
  /** Devices to read for an audit window; answered in a later sync, in parts. */
  audit: z.object({ window: z.string(), targets: z.array(AuditTarget) }).optional(),
  /** Grows by each restore of the site. A reply of a lower one than the agent has seen is refused (L2). Absent: 1. */
  generation: z.number().int().optional(),
  /** The newest event of the site's ledger. One that does not extend what the agent keeps of this generation is refused. */
  ledger: LedgerHead.optional(),
  /** True: the site gives and renews nothing just now; what the agent tells is taken. */
  hold: z.boolean().optional(),
  /** With `hold`: what the agent is asked to tell of its journal in its next sync. */
  journal: JournalAsk.optional(),
  /** A signed change of the list of approvers that the request told; the agent judges it by that list (G4). */
  approvers: ApproversChange.optional(),
  /** More work is waiting than fitted: sync again at once. */
  more: z.boolean(),
  /** When to sync next if nothing else wakes the agent and the doorbell is down. */
  nextPollMs: z.number().int(),
});
export type SyncReply = z.infer<typeof SyncReply>;
