/**
 * An agent's own list of approvers (G4), and how it changes from afar: by a statement that two persons who are on the
 * list have signed. The control plane carries such a statement and can neither make nor alter nor repeat one.
 */
import { z } from "zod";
import { canonicalJson } from "../canonical.ts";
import type { Millis, Sha256 } from "../deps.ts";
import { type Outcome, ok, refuse } from "../errors.ts";
import { Approver, KeyX, Signature, type SigningKey, type VerifySignature } from "./approval.ts";

/** Approvers of one list, at most: a site has some dozen. */
const MAX_APPROVERS = 100;

export const ApproverList = z.object({
  /** Grows with every change, whoever made it, so that no list ever comes back and no old statement fits again. */
  revision: z.number().int().min(0),
  approvers: z.array(Approver).max(MAX_APPROVERS),
});
export type ApproverList = z.infer<typeof ApproverList>;

export const ApproversStatement = z.strictObject({
  v: z.literal(1),
  kind: z.literal("turnup/approvers"),
  site: z.string().min(1).max(128),
  /** Hash of the list that is changed (approverListHash). */
  base: z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in hexadecimal digits"),
  add: z.array(Approver).max(MAX_APPROVERS),
  remove: z.array(KeyX).max(MAX_APPROVERS),
  /** Unix ms from which on it may not be applied. */
  expiresAt: z.number().int().min(0),
});
export type ApproversStatement = z.infer<typeof ApproversStatement>;

export const ApproversChange = z.object({
  statement: ApproversStatement,
  signatures: z.array(z.object({ key: KeyX, signature: Signature })).max(10),
});
export type ApproversChange = z.infer<typeof ApproversChange>;

/** People who must sign a change, all of them on the list already. */
const SIGNERS = 2;

export function approverListHash({ revision, approvers }: ApproverList, sha256: Sha256): string {
  const sorted = approvers.map(({ key, person }) => `${key} ${person}`).sort();
  return sha256(canonicalJson({ revision, approvers: sorted }));
}

/** The change with one more signature; a key that has signed before signs anew. */
export function signApprovers({ statement, signatures }: ApproversChange, key: SigningKey): ApproversChange {
  const others = signatures.filter((s) => s.key !== key.x);
  return { statement, signatures: [...others, { key: key.x, signature: key.sign(canonicalJson(statement)) }] };
}

/**
 * The list after a signed change, or why it stays: `approval_invalid` (another site or list, a signature that is none),
 * `approval_expired`, `approver_unknown` (signed by somebody who is not on it), `approval_missing` (fewer than two
 * people), `conflict` (a key that is there already or is not there).
 */
export function changedBySignature(
  list: ApproverList,
  { statement, signatures }: ApproversChange,
  by: { site: string; now: Millis; verify: VerifySignature; sha256: Sha256 },
): Outcome<ApproverList> {
  if (statement.site !== by.site)
    return refuse("approval_invalid", `It changes the approvers of the site ${statement.site}.`);
  const base = approverListHash(list, by.sha256);
  if (statement.base !== base)
    return refuse("approval_invalid", `It changes the list ${statement.base}; this one is ${base}.`);
  if (statement.expiresAt <= by.now) return refuse("approval_expired", "The change has expired.");
  const people = new Set<string>();
  for (const { key, signature } of signatures) {
    if (!by.verify(canonicalJson(statement), signature, key))
      return refuse("approval_invalid", `The signature of the key ${key} is not over this change.`);
    const signer = list.approvers.find((a) => a.key === key);
    if (!signer) return refuse("approver_unknown", `The key ${key} is not on the list.`);
    people.add(signer.person);
  }
  if (people.size < SIGNERS)
    return refuse("approval_missing", `${people.size} of ${SIGNERS} people on the list have signed it.`);
  return changed(list, statement);
}

/** The list after a change by whoever may make one without a signature: a person at the agent's own machine. */
export function changed(
  { revision, approvers }: ApproverList,
  { add, remove }: Pick<ApproversStatement, "add" | "remove">,
): Outcome<ApproverList> {
  const absent = remove.find((key) => !approvers.some((a) => a.key === key));
  if (absent !== undefined) return refuse("conflict", `The key ${absent} is not on the list.`);
  const next = approvers.filter(({ key }) => !remove.includes(key));
  for (const approver of add) {
    const there = next.find(({ key }) => key === approver.key);
    if (there) return refuse("conflict", `The key ${there.key} is on the list as that of ${there.person}.`);
    next.push({ key: approver.key, person: approver.person });
  }
  if (next.length > MAX_APPROVERS) return refuse("conflict", `A list has at most ${MAX_APPROVERS} keys.`);
  return ok({ revision: revision + 1, approvers: next });
}
