/**
 * Every error that Turnup can say, in one table: a stable code, the HTTP status where one applies, a title, and what
 * to do next. Codes are part of the interface: scripts match on them, so they are added, never renamed.
 */
interface ErrorSpec {
  /** HTTP status of the refusal; 0 for what never is one: it appears on a step, finding or log, or in a client. */
  readonly status: number;
  readonly title: string;
  readonly next: string;
}

const spec = (status: number, title: string, next: string): ErrorSpec => ({ status, title, next });

export const errorCatalog = {
  // Requests
  bad_request: spec(400, "The request cannot be read", "Send JSON that fits the schema at /openapi.json."),
  validation_failed: spec(422, "The input has faults", "Mend every fault listed in `errors` and send it again."),
  body_too_large: spec(413, "The body is too large", "Send at most the size named in the detail."),
  unsupported_media_type: spec(
    415,
    "The body is not sent as plain JSON",
    "Send it unpacked, with `Content-Type: application/json`.",
  ),
  upgrade_required: spec(426, "This is a WebSocket", "Ask with `Connection: Upgrade` and `Upgrade: websocket`."),
  unauthenticated: spec(
    401,
    "No valid token",
    "Send `Authorization: Bearer TOKEN`. For people and scripts an admin makes one with `turnup token create`; an agent signs its own, with the key that it enrolled.",
  ),
  forbidden: spec(403, "The token may not do this", "Use a token with the role named in the detail."),
  site_forbidden: spec(403, "The token is not for this site", "Use a token whose scope includes this site."),
  not_found: spec(404, "There is no such thing", "Check the id or name; the list routes show what there is."),
  method_not_allowed: spec(405, "This method is not offered here", "See /openapi.json for the methods of this path."),
  conflict: spec(409, "It conflicts with what is there", "Read the current state and decide again."),
  idempotency_key_required: spec(
    400,
    "Idempotency-Key is missing",
    "Send an Idempotency-Key header: any text of 1 to 128 characters, new for each intent.",
  ),
  idempotency_key_reused: spec(
    409,
    "This Idempotency-Key was used with another body",
    "Use a new key for a new intent; the old key keeps its first answer.",
  ),
  internal: spec(500, "A defect in Turnup", "Report it with the request id in the detail; nothing was changed."),
  unavailable: spec(
    503,
    "Not reachable just now",
    "Try again in a few seconds; the request is safe to repeat with its Idempotency-Key.",
  ),

  // What a client finds by itself, before it asks
  usage: spec(0, "The command cannot be understood", "Correct the command; its --help shows what it takes."),
  file_unreadable: spec(0, "The file cannot be read", "Name a file that exists and that you may read."),
  no_control_plane: spec(
    0,
    "It is not known where the control plane is",
    "Set TURNUP_URL and TURNUP_TOKEN, or unset both and start one in this folder with `npm start`.",
  ),

  // Sites and files
  site_exists: spec(
    409,
    "A site of this name exists",
    "Use the existing site, or another name; only a restore takes its place, with `--replace`.",
  ),
  site_unknown: spec(
    404,
    "There is no such site",
    "`turnup site list` shows the sites; `turnup site import FILE` makes one.",
  ),
  site_frozen_field: spec(
    409,
    "This field was fixed when the site was created",
    "locationHint and jurisdiction decide where a site lives and cannot change; make a new site.",
  ),
  jurisdiction_unavailable: spec(
    501,
    "This control plane cannot bind data to a jurisdiction",
    "Only Cloudflare can. On your own machine use `npm run control-plane`, or `wrangler dev --var TURNUP_LOCAL:1`: the site then keeps its jurisdiction as a record.",
  ),
  site_fenced: spec(
    503,
    "This is an older generation of the site",
    "The restored site has taken over. Ask again; the request then reaches it.",
  ),
  site_on_hold: spec(
    409,
    "The site was restored and is on hold",
    "`turnup site show SITE` says what it waits for; an admin ends it with `turnup site release SITE`.",
  ),
  site_settling: spec(
    409,
    "The site was restored, and calls of before may still be under way",
    "Wait until the time that the guard says, three minutes at most; it goes on by itself.",
  ),
  agents_missing: spec(
    409,
    "Not every agent has told what it did since the export",
    "Those that run come by themselves within some seconds: say it again. Start the others, or go on without one by `--without AGENT`, which revokes it.",
  ),
  ledger_behind: spec(
    409,
    "The agents know of ledger events that the export does not have",
    "Restore a newer export; if there is none, release with `--accept-loss REASON`: the loss is then written into the ledger.",
  ),
  ledger_forked: spec(
    409,
    "The site's ledger and the one that its agents know are not the same history",
    "Restore an export of the true history; nothing is handed out on two histories.",
  ),
  export_broken: spec(
    422,
    "This is no whole export of a site",
    "Use the file as `turnup site export` wrote it; nothing was changed.",
  ),
  export_version: spec(
    422,
    "The export is of a version that is not known here",
    "Restore it with the version of Turnup that wrote it, or a newer one; nothing was changed.",
  ),
  export_moved: spec(
    409,
    "The site changed while it was exported",
    "Export again; a site that is never quiet is exported while `turnup fleet freeze` holds it still.",
  ),
  restore_unknown: spec(
    409,
    "This restore is not under way",
    "It was finished, or another one was begun; begin again with `turnup site restore FILE`.",
  ),
  policy_moved: spec(
    409,
    "The policy has changed since",
    "Read what has changed with `turnup policy diff FILE`, and apply to the version that is the newest now.",
  ),
  policy_unknown: spec(
    404,
    "There is no such policy",
    "`turnup policy history SITE` lists the versions; `turnup policy apply FILE` makes the first.",
  ),
  policy_unfit: spec(
    409,
    "The site's policy would no longer fit it",
    "Apply a policy that fits the site before and after the import, then import, then apply the one for the new site.",
  ),
  hold_would_end: spec(
    409,
    "The policy lacks a hold that is in force",
    "Put the hold into the file, end it with `turnup unhold`, or apply with `--end-holds` (G7).",
  ),
  hold_unknown: spec(404, "There is no such hold", "`turnup policy show SITE` shows the holds."),
  device_type_unknown: spec(
    422,
    "The device type is not in the catalog",
    "Import it with `turnup device-type import FILE`, or correct manufacturer and model.",
  ),

  // Plans and jobs
  targets_required: spec(422, "A plan names explicit targets", 'List the devices to act on; there is no "all" (T1).'),
  target_unknown: spec(422, "A target is not a device of this site", "Check the names with `turnup site show SITE`."),
  target_state: spec(
    409,
    "A target is not in a state this workflow starts from",
    "`turnup explain DEVICE` says its state and what would change it.",
  ),
  too_many_targets: spec(
    422,
    "The plan has too many targets",
    "Split it into plans of at most the number named in the detail.",
  ),
  plan_invalid: spec(
    422,
    "The plan does not hang together",
    "A workflow made a plan that breaks its rules; the detail says which. Report it: no input should cause this.",
  ),
  approval_missing: spec(
    409,
    "The plan is not approved",
    "The people named in the detail must approve it before it expires (G4).",
  ),
  cap_needs_approval: spec(
    409,
    "So many targets need one more approval",
    "A second person runs `turnup approve PLAN`; or plan for at most 5 targets (T5).",
  ),
  cap_exceeded: spec(
    422,
    "No approval allows so many targets in one destructive plan",
    "Split it into plans of at most 20 targets (T5).",
  ),
  approver_is_requester: spec(
    409,
    "Who asked for a plan does not approve it",
    "Another person approves, with a token and a key of their own: `turnup approve PLAN` (G4).",
  ),
  approver_repeated: spec(
    409,
    "This person has approved the plan already",
    "Each person counts once, whatever keys they have; another person approves (G4).",
  ),
  approver_unknown: spec(
    409,
    "The key is not one of an approver",
    "`turnup approver list` shows the keys that count; an admin adds one with `turnup approver add`.",
  ),
  approval_expired: spec(
    409,
    "The approval has expired",
    "The same person approves again with `turnup approve PLAN`, or plan again if the plan has expired too.",
  ),
  approval_invalid: spec(
    422,
    "This is no approval of this plan",
    "Sign this very plan with `turnup approve PLAN`; an approval counts for one plan and hash.",
  ),
  approval_refused: spec(
    409,
    "This approval does not count",
    "Another person must approve: not the requester, and each person once (G4).",
  ),
  retry_refused: spec(
    409,
    "Nothing of the job can be tried again",
    "See the detail; `turnup explain DEVICE` says what would change the device.",
  ),
  skip_refused: spec(
    409,
    "This step may not be skipped",
    "See the detail; `turnup jobs JOB` shows the steps. One that does more than read, or that a later step rests on, is never left out: mend its cause and `turnup retry JOB`, or `turnup cancel JOB`.",
  ),
  need_failed: spec(
    0,
    "A step that this one needs has not succeeded",
    "Mend the cause at the target named in the detail, then `turnup retry JOB`.",
  ),
  nobody_decided: spec(
    0,
    "Nobody decided in time",
    "The device is free again; plan again once the cause named before is mended.",
  ),
  workflow_unknown: spec(422, "There is no such workflow", "Use one of the workflows named in the detail."),
  plan_unknown: spec(404, "There is no such plan", "Make one with POST /v1/plans or `turnup plan`."),
  plan_stale: spec(
    409,
    "The plan's hash is not the one sent, or its world has changed",
    "Read the differences, plan again with `turnup plan`, and apply the new hash.",
  ),
  plan_used: spec(409, "The plan has run already", "A plan is used once; plan again."),
  plan_expired: spec(409, "The plan has expired", "Plan again."),
  locked: spec(409, "Another job holds a target", "Wait for the holder named in the detail, or cancel it."),
  job_unknown: spec(404, "There is no such job", "`turnup jobs` lists them."),
  job_final: spec(409, "The job has ended", "Nothing to do; plan again for a new try."),
  lifecycle_refused: spec(409, "This move is not in the lifecycle", "See the allowed moves in the detail."),
  cancelled: spec(0, "Cancelled by a person", "Plan again if it is still wanted."),
  deadline_exceeded: spec(
    0,
    "The step's deadline passed",
    "`turnup explain DEVICE` shows the last evidence; look at the machine, then plan again.",
  ),
  agent_silent: spec(
    0,
    "No agent of the site took the step in time",
    "Check the agent with `turnup agent list` and its /healthz.",
  ),
  frozen: spec(423, "The kill switch is on", "An admin turns it off with `turnup fleet thaw`; nothing starts before."),

  // Agents
  enrolment_refused: spec(
    401,
    "The enrolment token is not valid",
    "Make a new one with `turnup agent enrol-token SITE`; each works once and expires.",
  ),
  agent_revoked: spec(401, "The agent was revoked", "Enrol it again with a new token if it should work."),
  wrong_site: spec(403, "This belongs to another site", "Send it to the site that owns it (T3)."),
  step_unknown: spec(0, "The report is of a step that is not known here", "Nothing to do: it changed nothing."),
  epoch_unknown: spec(
    0,
    "The report carries a lease or epoch that was never given for this step",
    "Nothing to do: it changed nothing. If it goes on, the agent's journal is of another site object.",
  ),
  attempt_over: spec(
    0,
    "The step had ended before its agent told how",
    "It was called back or given up meanwhile; what the agent did is in the job's events. An audit tells how the machine is.",
  ),
  stale_epoch: spec(0, "An older lease than one already seen", "Nothing to do: the newer lease decides (L2, L4)."),
  lease_expired: spec(0, "The lease ran out before the call", "Nothing to do: the step is leased again (L3)."),
  version_unsupported: spec(
    426,
    "This protocol version is not spoken here",
    "Upgrade the agent, or the control plane first (docs/deploy.md).",
  ),

  // What happens at a machine
  identity_mismatch: spec(
    0,
    "The serial at the device is not the planned one",
    "Find out which machine stands there; correct the record or the rack. Nothing was touched (T2).",
  ),
  identity_unreadable: spec(0, "The serial could not be read", "Look at the BMC; nothing was touched (T2)."),
  machine_powered_on: spec(
    0,
    "The machine is on and this agent did not power it on",
    "A person checks what runs there and powers it off by hand, then `turnup retry JOB`; or cancels (T5).",
  ),
  asset_in_service: spec(
    0,
    "This asset reached service through this agent",
    "Cancel the job: a machine in service is acted on only by a plan that people have approved (T5).",
  ),
  plan_mismatch: spec(
    0,
    "The lease is no row of the plan that people approved",
    "Nothing was touched. The control plane and the approved plan differ: find out who changed which, before anything else (G4).",
  ),
  step_already_run: spec(
    0,
    "The approved step has run already",
    "Nothing was touched. An approval is good for one run; for another one plan again (G4).",
  ),
  bom_mismatch: spec(
    0,
    "The hardware is not what the hardware class says",
    "Compare the differences with the delivery; correct the class or the machine.",
  ),
  bmc_unreachable: spec(0, "The BMC does not answer", "Check its network and power."),
  bmc_unavailable: spec(0, "The BMC answers that it is busy", "It is tried again by itself."),
  bmc_auth_failed: spec(
    0,
    "The BMC refuses the credentials",
    "Check the vault entry on the agent; a breaker holds further tries (A3).",
  ),
  bmc_error: spec(0, "The BMC refused or answered nonsense", "See the evidence on the step."),
  secret_missing: spec(
    0,
    "The vault has no such reference",
    "Add it to the vault file on the site's agent; secrets never pass through the control plane (A7).",
  ),
  power_no_effect: spec(
    0,
    "The power command had no effect",
    "It is repeated within the power budget; else look at the machine.",
  ),
  power_budget_spent: spec(
    0,
    "Too many power actions within an hour",
    "Find out why it needed so many; the budget refills by itself (A4).",
  ),
  boot_not_seen: spec(
    0,
    "The machine did not ask for its boot script",
    "Boot override and power are set again; else check the boot port's cable and VLAN.",
  ),
  ramdisk_silent: spec(
    0,
    "The RAM environment stopped reporting",
    "The boot is repeated if nothing was written; else a person looks.",
  ),
  boot_closed: spec(0, "The boot this step belongs to has ended", "A new boot is opened by the step that arms it."),
  disk_missing: spec(
    0,
    "The planned drive is not in the machine",
    "Compare the drive serials in the evidence with the record.",
  ),
  disk_not_blank: spec(
    0,
    "The planned drive holds data",
    "A person decides: blank the drive by hand and `turnup retry JOB`, or cancel. Nothing was written (T5).",
  ),
  image_unavailable: spec(
    0,
    "The image is not on the agent or has another hash",
    "Put the image named in the plan into the agent's image folder.",
  ),
  write_failed: spec(
    0,
    "Writing the image failed",
    "See the drive's error in the evidence; the drive is not used further.",
  ),
  verify_failed: spec(0, "What was read back is not what was written", "Replace the drive: it lies or fails."),
  first_boot_silent: spec(
    0,
    "The installed system did not phone home",
    "Look at the console; the image may not boot on this hardware.",
  ),
  acceptance_failed: spec(0, "An acceptance check failed", "See the checks in the evidence."),
  action_unknown: spec(0, "The agent does not know this action", "Upgrade the agent (docs/deploy.md)."),
  agent_defect: spec(0, "A defect in the agent", "See the agent's log; the step can be tried again."),

  // Guards: why a step does not start now
  budget_unreachable: spec(
    0,
    "The fleet budget does not answer",
    "Nothing to do if it passes: it is asked again by itself, and without its answer nothing starts (G5). Else look at the control plane.",
  ),
  budget_refused: spec(
    0,
    "The fleet budget gives no permit now",
    "It is asked again by itself; the reason is in the text (G5).",
  ),
  held: spec(
    0,
    "A person holds it",
    "Ask the owner named in the text; `turnup policy show SITE` shows all holds (G7).",
  ),
  freeze_on: spec(
    0,
    "A freeze is on, or begins too soon",
    "It starts by itself after the freeze, unless the policy is changed.",
  ),
  window_closed: spec(
    0,
    "No window is open",
    "It starts by itself in the next window; `until` says when that opens (G3).",
  ),
  window_too_short: spec(
    0,
    "The steps do not fit before the window closes",
    "It starts by itself in the next window that is long enough; where there is none, set a longer one in the policy (G3).",
  ),
  below_floor: spec(
    0,
    "Too few would stay in service",
    "It starts when others are in service again: bring back what is out, or lower the floor in the policy (G1).",
  ),
  group_degraded: spec(
    0,
    "What stands in for it is out already",
    "It starts when the partner named in the text is in service again (G2).",
  ),
  partner_unknown: spec(
    0,
    "Nobody knows whether what stands in for it is in service",
    "Look at the partner, then take it out of the group in the policy for as long as the work lasts (G2).",
  ),
  cap_full: spec(
    0,
    "As much is at work as may be at once",
    "It starts when a place is free; the numbers are the `atOnce` of the site's file and the `caps` of its policy (G5).",
  ),

  // Budget
  no_permit: spec(
    0,
    "The cross-site budget gave no permit",
    "It is asked again by itself; without its answer nothing starts (G5).",
  ),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof errorCatalog;

/** One fault inside a larger input. */
export interface Fault {
  code: string;
  /** JSON pointer into the input. */
  pointer: string;
  text: string;
  /** What to write instead. */
  write?: string | undefined;
}

/** An expected failure, as data: returned, not thrown, across every seam. */
export interface Problem {
  code: ErrorCode;
  /** What happened, with names. Never holds a secret (A7). */
  detail: string;
  errors?: Fault[] | undefined;
}

export type Outcome<T> = { ok: true; value: T } | { ok: false; problem: Problem };
export const ok = <T>(value: T): Outcome<T> => ({ ok: true, value });
export const refuse = <T = never>(code: ErrorCode, detail: string, errors?: Fault[]): Outcome<T> => ({
  ok: false,
  problem: errors ? { code, detail, errors } : { code, detail },
});

/** Thrown where an expected failure must leave a transaction (which then rolls back) or a deep call. */
export class TurnupError extends Error {
  override readonly name = "TurnupError";
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(`${problem.code}: ${problem.detail}`, options);
    this.problem = problem;
  }
  get code(): ErrorCode {
    return this.problem.code;
  }
}
