import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { type Approval, type ApprovalStatement, approvedBy, KeyX, leastApprovals, signApproval } from "./approval.ts";
import { type Plan, planHash } from "./plan.ts";
import { newTestKey, verifyEd25519 } from "./test-keys.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const plan: Plan = {
  v: 1,
  id: "pln_0123456789_aaaaaaaaaaaaaaaa",
  site: "st_0123456789",
  siteName: "ams01",
  workflow: "test.write",
  mode: "reinstall",
  requester: "token:ops",
  requesterPerson: "olga",
  approvals: 1,
  expiresAt: 2_000,
  targets: [],
  steps: [],
};
const hash = planHash(plan, sha256);
const [ann, bob, olga] = [newTestKey(), newTestKey(), newTestKey()];
const approvers = [
  { key: ann.x, person: "ann" },
  { key: bob.x, person: "bob" },
  { key: olga.x, person: "olga" },
];
const statement: ApprovalStatement = {
  v: 1,
  kind: "turnup/approval",
  plan: plan.id,
  hash,
  site: plan.site,
  person: "ann",
  at: 1_000,
  expiresAt: 1_500,
};
const by = { plan, hash, approvers, now: 1_200, verify: verifyEd25519 };
const judged = (approval: Approval, more: Partial<typeof by> = {}) => {
  const out = approvedBy(approval, { ...by, ...more });
  return out.ok ? out.value : out.problem.code;
};
const signed = (change: Partial<ApprovalStatement> = {}, key = ann) => signApproval({ ...statement, ...change }, key);

it("[G4] an approval counts for its person, its plan, its hash and its site, and for nothing else", () => {
  expect(judged(signed())).toBe("ann");
  expect(judged(signed({ plan: "pln_0123456789_bbbbbbbbbbbbbbbb" }))).toBe("approval_invalid");
  expect(judged(signed({ hash: "0".repeat(64) }))).toBe("approval_invalid");
  expect(judged(signed({ site: "st_9999999999" }))).toBe("approval_invalid");
  const other = { ...plan, approvals: 0 };
  expect(judged(signed(), { plan: other, hash: planHash(other, sha256) })).toBe("approval_invalid");
});

it("[G4] every word of the statement is signed", () => {
  const approval = signed();
  for (const change of [{ person: "bob" }, { at: 1_001 }, { expiresAt: 9_999 }])
    expect(judged({ ...approval, statement: { ...statement, ...change } })).toBe("approval_invalid");
  expect(judged({ ...approval, key: bob.x })).toBe("approval_invalid");
});

it("[G4] a key that is on no list, or another person's, approves nothing", () => {
  expect(judged(signed({}, newTestKey()))).toBe("approver_unknown");
  expect(judged(signed({ person: "bob" }, ann))).toBe("approver_unknown");
  expect(judged(signed(), { approvers: approvers.slice(1) })).toBe("approver_unknown");
});

it("[G4] who asked for the plan is no approver of it", () => {
  expect(judged(signed({ person: "olga" }, olga))).toBe("approver_is_requester");
});

it("[G4] an approval ends at its time by the clock of whoever judges", () => {
  expect([1_499, 1_500].map((now) => judged(signed(), { now }))).toEqual(["ann", "approval_expired"]);
});

it("[G4] who the requester is belongs to what is hashed; where nobody is known the hash is as it was", () => {
  const { requesterPerson: _, ...nobody } = plan;
  expect(planHash({ ...plan, requesterPerson: "ann" }, sha256)).not.toBe(hash);
  expect(planHash({ ...nobody, requesterPerson: undefined }, sha256)).toBe(planHash(nobody, sha256));
});

it("takes a key in one spelling only: 43 characters have two bits more than 32 bytes", () => {
  expect(KeyX.safeParse("A".repeat(43)).success).toBe(true);
  expect(KeyX.safeParse(`${"A".repeat(42)}B`).success).toBe(false);
});

it("[T5] destroying needs one person, two for a wipe or for more than five targets; a first install needs none", () => {
  const step = { n: 0, target: "", name: "", action: "ramdisk.writeImage", params: {}, needs: [] };
  const words = { touches: "", waitingOn: "" };
  const target = {} as Plan["targets"][number];
  const needs = (mode: Plan["mode"], destructive: boolean, targets: number) =>
    leastApprovals({
      mode,
      steps: [{ ...step, ...words, destructive }],
      targets: Array.from({ length: targets }, () => target),
    });
  expect(needs("first-install", false, 500)).toBe(0);
  expect([1, 5, 6, 20].map((n) => needs("keep-data", true, n))).toEqual([1, 1, 2, 2]);
  expect([needs("wipe", true, 1), needs("keep-data", false, 50)]).toEqual([2, 0]);
});
