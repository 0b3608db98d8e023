/**
 * Approvals (G4): what a person signs to approve one plan, how a signature is judged, and how many people a plan needs.
 * The coordinator and the agent judge by this same file, each with its own list of approvers and its own clock; so a
 * control plane that is taken over cannot approve anything by itself.
 *
 * What is signed is the canonical JSON of a statement (shared/canonical.ts) as UTF-8, by Ed25519. `kind` stands in it, so
 * a signature over one kind of statement is none over another.
 */
import { z } from "zod";
import { actionSpec, isActionName } from "../actions/index.ts";
import { canonicalJson } from "../canonical.ts";
import type { Millis } from "../deps.ts";
import { type Outcome, ok, refuse } from "../errors.ts";
import { Plan, type PlanStep } from "./plan.ts";

/** A name for one human being, the same in tokens, keys and approvals. One spelling only, so nobody counts twice. */
export const Person = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "a name of lower-case letters, digits, dots, underscores, hyphens");
/** An Ed25519 public key: the `x` of its JWK, in the one spelling that 32 bytes have. */
export const KeyX = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, "the x of an Ed25519 key's JWK");
export const Signature = z.string().regex(/^[A-Za-z0-9_-]{85}[AQgw]$/, "64 bytes in base64url");
const Moment = z.number().int().min(0);

/** Strict: what is judged is all that was signed. */
export const ApprovalStatement = z.strictObject({
  v: z.literal(1),
  kind: z.literal("turnup/approval"),
  plan: z.string().min(1).max(128),
  /** Of the plan as the person was shown it (planHash). */
  hash: z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal digits"),
  site: z.string().min(1).max(128),
  person: Person,
  /** Unix ms by the person's clock. */
  at: Moment,
  /** Unix ms from which on it counts no more. */
  expiresAt: Moment,
});
export type ApprovalStatement = z.infer<typeof ApprovalStatement>;

export const Approval = z.object({ statement: ApprovalStatement, key: KeyX, signature: Signature });
export type Approval = z.infer<typeof Approval>;

/** One key of one person. A person may have several keys; a key belongs to one person. */
export const Approver = z.object({ key: KeyX, person: Person });
export type Approver = z.infer<typeof Approver>;

/** What an agent is answered to `GET /agent/v1/plans/{plan}`: all that it needs to judge the plan by itself. */
export const ApprovedPlan = z.object({ plan: Plan, approvals: z.array(Approval) });
export type ApprovedPlan = z.infer<typeof ApprovedPlan>;

/** Ed25519 of the platform, synchronous (docs/decisions/0011). Must not throw: a key that is none has signed nothing. */
export type VerifySignature = (text: string, signature: string, keyX: string) => boolean;

/** A private key that signs, and the public half of it. */
export interface SigningKey {
  x: string;
  /** Ed25519 over the text as UTF-8, in base64url. */
  sign(text: string): string;
}

export function signApproval(statement: ApprovalStatement, key: SigningKey): Approval {
  return { statement, key: key.x, signature: key.sign(canonicalJson(statement)) };
}

/** What an approval is judged against. */
export interface JudgedBy {
  plan: Pick<Plan, "id" | "site" | "requesterPerson">;
  /** Recomputed from the plan by whoever judges, never taken from a message. */
  hash: string;
  approvers: readonly Approver[];
  now: Millis;
  verify: VerifySignature;
}

/**
 * The person whom an approval counts for, or why it counts for nobody: `approval_invalid` (another plan, hash or site, or
 * no signature by this key), `approver_unknown`, `approver_is_requester`, `approval_expired`.
 */
export function approvedBy({ statement, key, signature }: Approval, by: JudgedBy): Outcome<string> {
  const { plan, hash, site, person, expiresAt } = statement;
  if (plan !== by.plan.id) return refuse("approval_invalid", `It approves the plan ${plan}, not ${by.plan.id}.`);
  if (hash !== by.hash) return refuse("approval_invalid", `It approves the hash ${hash}; the plan has ${by.hash}.`);
  if (site !== by.plan.site) return refuse("approval_invalid", `It approves a plan of the site ${site}.`);
  if (!by.verify(canonicalJson(statement), signature, key))
    return refuse("approval_invalid", "Its signature is not over this statement by this key.");
  if (!by.approvers.some((a) => a.key === key && a.person === person))
    return refuse("approver_unknown", `The key ${key} is not one of ${person} on the list of approvers.`);
  if (person === by.plan.requesterPerson) return refuse("approver_is_requester", `${person} asked for this plan.`);
  if (expiresAt <= by.now) return refuse("approval_expired", `The approval of ${person} has expired.`);
  return ok(person);
}

/** Destructive steps are those that the plan or the action calls so. */
export const isDestructive = (step: Pick<PlanStep, "action" | "destructive">): boolean =>
  step.destructive === true || (isActionName(step.action) && actionSpec(step.action).flags.destructive === true);

/** T5: a destructive plan with more targets than this needs a second person. */
export const TARGETS_BY_ONE = 5;
/** T5: nobody can approve more than this in one destructive plan. */
export const TARGETS_EVER = 20;

/** How many people the rules ask for at least, whatever the plan says: none, one or two (T5, G4). */
export function leastApprovals(plan: Pick<Plan, "mode" | "targets" | "steps">): 0 | 1 | 2 {
  if (plan.mode === "wipe") return 2;
  if (!plan.steps.some(isDestructive)) return 0;
  return plan.targets.length > TARGETS_BY_ONE ? 2 : 1;
}
