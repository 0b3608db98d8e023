/** What the API shows of a site's own tables. The Worker answers with these, the CLI reads them; the read model keeps them. */
import { z } from "zod";
import { ApproversChange } from "./approver-list.ts";
import { Verdict } from "./guard.ts";
import { assetStates, deviceStates, mediumStates } from "./lifecycle.ts";
import { Plan } from "./plan.ts";
import { AtOnce, Jurisdiction, LocationHint } from "./site.ts";

export const SiteView = z.object({
  id: z.string(),
  name: z.string(),
  locationHint: LocationHint,
  jurisdiction: Jurisdiction,
  createdAt: z.number(),
  /** Times a site file was imported into it; 0 while it is empty. */
  revision: z.number().int(),
  racks: z.number().int(),
  devices: z.number().int(),
  version: z.number().int(),
  /** How much may be at work at once: what its file says, else what the product does. */
  atOnce: AtOnce.default({}),
  /** Grows by each restore; a lower one than the newest is fenced (L2). */
  generation: z.number().int().default(1),
  /** Restored and not yet released: nothing starts. */
  hold: z.object({ since: z.number(), waitingOn: z.string() }).nullable().default(null),
});
export type SiteView = z.infer<typeof SiteView>;

export const DeviceView = z.object({
  id: z.string(),
  site: z.string(),
  name: z.string(),
  role: z.string(),
  rack: z.string(),
  u: z.number(),
  manufacturer: z.string(),
  model: z.string(),
  state: z.enum(deviceStates),
  /** Since when it is in this state. */
  since: z.number(),
  asset: z.string().nullable(),
  serial: z.string().nullable(),
  /** The job that holds it now. */
  job: z.string().nullable(),
  version: z.number().int(),
});
export type DeviceView = z.infer<typeof DeviceView>;

export const MediumView = z.object({
  id: z.string(),
  bay: z.string(),
  serial: z.string(),
  sizeBytes: z.number(),
  state: z.enum(mediumStates),
});
export type MediumView = z.infer<typeof MediumView>;

export const AssetView = z.object({
  id: z.string(),
  site: z.string(),
  manufacturer: z.string(),
  model: z.string(),
  serial: z.string(),
  assetTag: z.string().nullable(),
  state: z.enum(assetStates),
  device: z.string().nullable(),
  media: z.array(MediumView),
  version: z.number().int(),
});
export type AssetView = z.infer<typeof AssetView>;

export const AgentView = z.object({
  id: z.string(),
  site: z.string(),
  name: z.string(),
  version: z.string(),
  enrolledAt: z.number(),
  revokedAt: z.number().nullable(),
  /** When its last sync or heartbeat came in; kept in memory, so null just after the object woke. */
  lastSeenAt: z.number().nullable(),
  /** Whether its doorbell is connected; null: not known, its site did not answer. */
  doorbell: z.boolean().nullable(),
});
export type AgentView = z.infer<typeof AgentView>;

/** A key by which a person approves plans, on the fleet's list (G4). */
export const ApproverView = z.object({
  id: z.string(),
  person: z.string(),
  /** The x of the public key's JWK. */
  key: z.string(),
  createdAt: z.number(),
  revokedAt: z.number().nullable(),
});
export type ApproverView = z.infer<typeof ApproverView>;

/** What a plan takes out of service. */
export const Outage = z.object({
  machines: z.number().int(),
  /** How long one of them is expected to be out, seconds: what its steps typically take, from the first that disrupts. */
  seconds: z.number(),
  /** So many of them at once, at most. */
  atOnce: z.number().int(),
  /** Floors that come closer: how many machines are in service now, and while as many as may be are out. */
  floors: z.array(
    z.object({
      of: z.string(),
      machines: z.number().int(),
      inService: z.number().int(),
      after: z.number().int(),
      least: z.number().int(),
    }),
  ),
  /** What stands in for what, in words: from redundant groups, and from cables. */
  losesRedundancy: z.array(z.string()),
});
export type Outage = z.infer<typeof Outage>;

/** Signed changes of the agents' lists of approvers, on their way to the agents of a site (G4). */
export const ApproverChanges = z.object({
  waiting: z.array(z.object({ change: ApproversChange, at: z.number(), actor: z.string() })),
  agents: z.array(
    z.object({
      agent: z.string(),
      name: z.string(),
      /** Hash of the list that it has; null: it has not told yet. */
      list: z.string().nullable(),
      /** Why it did not take the last change. */
      refused: z.object({ code: z.string(), detail: z.string() }).nullable(),
    }),
  ),
});
export type ApproverChanges = z.infer<typeof ApproverChanges>;

/** A stored plan with its hash and what a reviewer needs. */
export const PlanView = z.object({
  plan: Plan,
  hash: z.string(),
  createdAt: z.number(),
  /** The job that used it. */
  job: z.string().nullable(),
  /** What it takes, counted. */
  impact: z.object({
    ...{ targets: z.number(), steps: z.number(), bytesToWrite: z.number(), racks: z.array(z.string()) },
    /** What leaves service; absent when nothing does, as in a first install. */
    outage: Outage.optional(),
  }),
  /** Who has approved it so far, and whether that counts: not once it has expired or its key was revoked. */
  approvals: z.array(
    z.object({
      person: z.string(),
      at: z.number(),
      expiresAt: z.number().nullable().default(null),
      counts: z.boolean().default(true),
    }),
  ),
  /** What it needs before it can be applied, each with the code by which it is refused until then (G4, T5). */
  approvalsNeeded: z
    .array(
      z.object({
        code: z.enum(["approval_missing", "cap_needs_approval"]),
        people: z.number(),
        given: z.number(),
        text: z.string(),
      }),
    )
    .default([]),
  /** Guards that were asked, and their answers now. */
  guards: z.array(Verdict),
  /** From when on windows, freezes and holds let all of its targets start; null: nobody knows; absent: now. */
  earliest: z.number().nullable().optional(),
});
export type PlanView = z.infer<typeof PlanView>;

/** One event of the site's ledger (E1). */
export const LedgerEvent = z.object({
  seq: z.number().int(),
  at: z.number(),
  /** asset, device or medium, and which. */
  subject: z.enum(["site", "asset", "device", "medium"]),
  id: z.string(),
  kind: z.string(),
  actor: z.string(),
  job: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
  prevHash: z.string(),
  hash: z.string(),
});
export type LedgerEvent = z.infer<typeof LedgerEvent>;

/** Why a device is where it is, in words. */
export const Explanation = z.object({
  device: DeviceView,
  /** "installing since 10:04:11" */
  state: z.string(),
  waitingOn: z.string().nullable(),
  /** The guard that keeps its next step from starting, and until when; absent when none does. */
  heldBy: Verdict.optional(),
  /** When what it is at must have ended (J3); null when nothing is open. */
  dueAt: z.number().nullable(),
  /** What would change it, most likely first. */
  wouldChange: z.array(z.string()),
  job: z.string().nullable(),
  step: z.string().nullable(),
  failure: z.object({ code: z.string(), detail: z.string(), next: z.string() }).nullable(),
  findings: z.array(z.string()),
  lastEvents: z.array(z.object({ at: z.number(), text: z.string() })),
});
export type Explanation = z.infer<typeof Explanation>;

/** A page of a list; `next` is an opaque cursor, null on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().nullable() });
export interface Page<T> {
  items: T[];
  next: string | null;
}

/** What of a site has not reached the read model. */
export const OutboxState = z.object({
  /** Grows with every change at the site that the read model may show. */
  changes: z.number().int(),
  waiting: z.number().int(),
  parked: z.number().int(),
  /** Parked ones first, each with why it was given up. */
  items: z.array(
    z.object({
      kind: z.string(),
      id: z.string(),
      version: z.number().int(),
      /** When it is sent next, if it is not parked. */
      at: z.number(),
      fails: z.number().int(),
      parked: z.string().nullable(),
    }),
  ),
});
export type OutboxState = z.infer<typeof OutboxState>;

/** A site's rows in the read model: how many, a hash over them, and how many have not reached it. */
export const ReadModelState = z.object({
  rows: z.number().int(),
  hash: z.string(),
  /** Grows with every change at the site that a row may show. */
  changes: z.number().int(),
  waiting: z.number().int(),
  parked: z.number().int(),
});
export type ReadModelState = z.infer<typeof ReadModelState>;

/** What a site has cost so far in rows written, by itself and by what it sent to D1 (C4). */
export const Meter = z.object({ object: z.number().int(), d1: z.number().int(), installs: z.number().int() });
export type Meter = z.infer<typeof Meter>;
