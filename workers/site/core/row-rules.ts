/**
 * What a row of an export may hold, told from the row alone: every column of every table that goes out. A row that no
 * version of the core could have written would only show itself long after the restore, as a defect. Whether the rows
 * agree with each other is told when all are in (agreement.ts).
 */
import { z } from "zod";
import { ApprovalStatement, KeyX, Signature } from "../../../shared/model/approval.ts";
import { checks, Finding } from "../../../shared/model/finding.ts";
import { eventKinds, Failure, isFinal, JobState, Priority, StepState, TargetState } from "../../../shared/model/job.ts";
import { assetStates, deviceStates, mediumStates } from "../../../shared/model/lifecycle.ts";
import { Plan, PlanStep, PlanTarget } from "../../../shared/model/plan.ts";
import {
  AtOnce,
  Jurisdiction,
  LocationHint,
  ResolvedDevice,
  ResolvedMedium,
  ResolvedSite,
  SiteName,
} from "../../../shared/model/site.ts";
import { LedgerEvent } from "../../../shared/model/views.ts";
import { EnrollRequest } from "../../../shared/protocol/agent.ts";
import type { SqlRow } from "../../../shared/sql.ts";
import { serialKey } from "./import.ts";

/** The latest moment that a date can name, Unix ms. */
const END_OF_TIME = 8.64e15;
const moment = z.number().int().min(0).max(END_OF_TIME);
const count = z.number().int().min(0);
const flag = z.union([z.literal(0), z.literal(1)]);
const hash = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal digits");
const text = z.string();

/** A text that is JSON of this shape. */
const json = <T extends z.ZodType>(shape: T) =>
  z
    .string()
    .transform((value, at): unknown => {
      try {
        return JSON.parse(value) as unknown;
      } catch {
        at.addIssue({ code: "custom", message: "it is no JSON" });
        return z.NEVER;
      }
    })
    .pipe(shape);

/** Of an older version of the tables a row lacks columns: a rule over several says nothing of those. */
type Checked<C extends z.ZodRawShape> = Partial<z.infer<z.ZodObject<C>>>;
interface Rules {
  columns: z.ZodObject;
  /** What is wrong with the columns taken together. */
  together?: (row: Checked<z.ZodRawShape>) => string | undefined;
}
const table = <C extends z.ZodRawShape>(columns: C, together?: (row: Checked<C>) => string | undefined): Rules => ({
  columns: z.object(columns).partial(),
  ...(together && { together: together as Rules["together"] & object }),
});

const meta: Readonly<Record<string, z.ZodType>> = {
  site: z.looseObject({
    id: text,
    name: SiteName,
    locationHint: LocationHint,
    jurisdiction: Jurisdiction,
    createdAt: moment,
    revision: count,
    version: count,
    generation: z.number().int().min(1).optional(),
  }),
  epoch: count,
  caps: AtOnce,
};

export const rowRules: Readonly<Record<string, Rules>> = {
  agent: table({
    id: text,
    name: text,
    key: json(EnrollRequest.shape.publicKey),
    version: text,
    enrolled_at: moment,
    revoked_at: moment.nullable(),
    lease_until: moment,
    row_version: count,
    quiet_since: moment.nullable(),
    process: json(z.object({ instance: text, uptimeMs: count, at: moment })).nullable(),
  }),
  approval: table(
    {
      plan: text,
      person: text,
      at: moment,
      statement: json(ApprovalStatement).nullable(),
      key: KeyX.nullable(),
      signature: Signature.nullable(),
    },
    (r) => {
      if (r.statement === undefined) return undefined;
      if ((r.statement === null) !== (r.key === null) || (r.key === null) !== (r.signature === null))
        return "it lacks a part of what was signed";
      if (r.statement && (r.statement.plan !== r.plan || r.statement.person !== r.person))
        return `its statement is of ${r.statement.person} over ${r.statement.plan}`;
      return undefined;
    },
  ),
  asset: table(
    {
      id: text,
      serial_key: text,
      serial: text,
      aliases: json(z.array(text)),
      tag: text.nullable(),
      manufacturer: text,
      model: text,
      state: z.enum(assetStates),
      version: count,
    },
    // T2, T4: by it one article is told from another.
    (r) => keyFault(r.serial_key, r.serial),
  ),
  audit: table({
    key: text,
    state: z.enum(["running", "done", "no-data"]),
    started_at: moment,
    due: moment,
    ended_at: moment.nullable(),
    expected: count,
    read: count,
    opened: count,
    closed: count,
    answered: json(z.array(text)),
  }),
  device: table(
    {
      id: text,
      name: text,
      state: z.enum(deviceStates),
      since: moment,
      asset: text.nullable(),
      doc: json(ResolvedDevice),
      cables: json(ResolvedSite.shape.cables),
      version: count,
      held: json(z.object({ agent: text, until: moment })).nullable(),
    },
    (r) => (r.doc && r.doc.name !== r.name ? `its doc is of ${r.doc.name}` : undefined),
  ),
  event: table({
    job: text,
    seq: count,
    at: moment,
    kind: z.enum(eventKinds),
    device: text.nullable(),
    step: text.nullable(),
    data: json(z.record(z.string(), z.unknown())),
  }),
  finding: table(
    {
      check: z.enum(checks),
      object: text,
      name: text,
      severity: Finding.shape.severity,
      state: Finding.shape.state,
      text,
      next: text,
      opened_at: moment,
      last_seen_at: moment,
      closed_at: moment.nullable(),
      times: count,
      clean: count,
      version: count,
    },
    (r) => endFault(r.state, r.state === "closed", "closed_at", r.closed_at),
  ),
  idempotency: table({ actor: text, key: text, body_hash: hash, job: text }),
  job: table(
    {
      id: text,
      plan: text,
      plan_hash: hash,
      workflow: text,
      requester: text,
      state: JobState,
      created_at: moment,
      ended_at: moment.nullable(),
      cancelled_by: text.nullable(),
      mode: Plan.shape.mode,
      priority: Priority,
      paused: json(z.object({ by: text, at: moment, reason: text.optional() })).nullable(),
      due_at: moment.nullable(),
      seq: count,
    },
    (r) => r.state && endFault(r.state, isFinal.job(r.state), "ended_at", r.ended_at),
  ),
  job_target: table(
    {
      job: text,
      device: text,
      ord: count,
      state: TargetState,
      waiting_on: text.nullable(),
      failure: json(Failure).nullable(),
      agent: text.nullable(),
      wrote: flag,
      from_n: count,
      to_n: count,
      started_at: moment.nullable(),
      ended_at: moment.nullable(),
      body: json(PlanTarget),
      due_at: moment.nullable(),
    },
    (r) => {
      if (r.body && r.body.device !== r.device) return `its body is of ${r.body.device}`;
      // J3: who is to decide must be said, and until when.
      if (r.waiting_on !== undefined && (r.state === "waiting") !== (r.waiting_on !== null))
        return `it is ${r.state} and waits for ${r.waiting_on ?? "nobody"}`;
      if (r.due_at !== undefined && (r.state === "waiting") !== (r.due_at !== null))
        return `it is ${r.state} and its due_at is ${r.due_at}`;
      return r.state && endFault(r.state, isFinal.target(r.state), "ended_at", r.ended_at);
    },
  ),
  // The chain over all of it is told as the lines come in (restore.ts).
  ledger: table({
    seq: count,
    at: moment,
    subject: LedgerEvent.shape.subject,
    id: text,
    kind: text,
    actor: text,
    job: text.nullable(),
    data: json(z.record(z.string(), z.unknown())),
    prev_hash: hash,
    hash,
  }),
  lock: table({ device: text, job: text, since: moment }),
  medium: table(
    { id: text, asset: text, serial_key: text, doc: json(ResolvedMedium), state: z.enum(mediumStates) },
    (r) => keyFault(r.serial_key, r.doc?.serial),
  ),
  meta: table({ key: text, value: json(z.unknown()) }, (r) => {
    const known = Object.hasOwn(meta, r.key ?? "") ? meta[r.key ?? ""]?.safeParse(r.value) : undefined;
    if (!known) return "no site keeps this";
    return known.success ? undefined : wordsOf(known.error);
  }),
  plan: table({
    id: text,
    hash,
    created_at: moment,
    expires_at: moment,
    job: text.nullable(),
    approvals: Plan.shape.approvals,
    outlived: flag,
  }),
  policy: table({ version: z.number().int().min(1), at: moment, actor: text, reason: text, text, sha: hash }),
  step: table(
    {
      job: text,
      n: count,
      device: text,
      state: StepState,
      at: moment.nullable(),
      attempt: count,
      failures: count,
      resolve: flag,
      lease: text.nullable(),
      epoch: count.nullable(),
      agent: text.nullable(),
      ready_at: moment.nullable(),
      leased_at: moment.nullable(),
      started_at: z.number().nullable(),
      finished_at: z.number().nullable(),
      ended_at: moment.nullable(),
      failure: json(Failure).nullable(),
      result: json(z.unknown()).nullable(),
      evidence: json(z.unknown()).nullable(),
      body: json(PlanStep),
      action: text,
      disruptive: z.union([flag, z.literal(2)]),
      rank: z.number().int(),
    },
    (r) => {
      if (r.body && (r.body.n !== r.n || r.body.target !== r.device))
        return `its body is of step ${r.body.n} of ${r.body.target}`;
      if (r.action && r.body && r.action !== r.body.action)
        return `its action is ${r.action}, its body's ${r.body.action}`;
      if (r.state === undefined) return undefined;
      // J3: what is at work or waits for an agent has a time; by its agent and epoch an attempt is known (L2, L4).
      if (timed.has(r.state) !== (r.at !== null)) return `it is ${r.state} and its at is ${r.at}`;
      const held = r.state === "leased" || r.state === "running";
      const lacks = held && (["lease", "epoch", "agent", "leased_at"] as const).find((name) => r[name] === null);
      if (lacks) return `it is ${r.state} and has no ${lacks}`;
      return endFault(r.state, isFinal.step(r.state), "ended_at", r.ended_at);
    },
  ),
  step_need: table({ job: text, need: count, n: count }),
  text_part: table({ key: text, n: count, text }),
  unread: table({ device: text, why: text, since: moment }),
};

const timed: ReadonlySet<StepState> = new Set(["ready", "leased", "running", "unknown"]);

const keyFault = (key: string | undefined, serial: string | undefined): string | undefined =>
  key === undefined || serial === undefined || key === serialKey(serial)
    ? undefined
    : `its serial_key ${key} is not that of its serial ${serial}`;

function endFault(state: string | undefined, over: boolean, column: string, at: number | null | undefined) {
  return at === undefined || over === (at !== null) ? undefined : `it is ${state} and its ${column} is ${at}`;
}

/** What is wrong with a row of this table, or undefined. `epoch`: the highest that the export says was ever given. */
export function rowFault(name: string, row: SqlRow, epoch: number): string | undefined {
  const rules = rowRules[name];
  if (!rules) return `there is no rule for the table ${name}`;
  const read = rules.columns.safeParse(row);
  const fault = read.success ? rules.together?.(read.data) : wordsOf(read.error);
  if (fault !== undefined) return `${keyOf(name, row)}: ${fault}`;
  // L2: epochs only grow; with one beyond the site's own none of its later attempts would be the newest.
  const own = name === "step" ? row.epoch : name === "meta" && row.key === "epoch" ? Number(row.value) : null;
  return typeof own === "number" && own > epoch
    ? `${keyOf(name, row)}: its epoch ${own} is above ${epoch}, the highest that was given`
    : undefined;
}

/** How people find the row: `step job_… 3`. */
const keyOf = (name: string, row: SqlRow): string =>
  [name, row.job ?? row.id ?? row.key ?? row.plan ?? row.device ?? row.seq, row.n ?? (row.job && row.device)]
    .filter((part) => part !== undefined && part !== null)
    .join(" ");

function wordsOf(error: z.ZodError): string {
  const [issue] = error.issues;
  const path = issue?.path.join(".");
  return `${path ? `${path}: ` : ""}${issue?.message ?? "it does not fit"}`;
}
