import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import {
  type ApproverList,
  type ApproversChange,
  type ApproversStatement,
  approverListHash,
  changed,
  changedBySignature,
  signApprovers,
} from "./approver-list.ts";
import { newTestKey, verifyEd25519 } from "./test-keys.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const [ann, ann2, bob, cem, thief] = [newTestKey(), newTestKey(), newTestKey(), newTestKey(), newTestKey()];
const list: ApproverList = {
  revision: 3,
  approvers: [
    { key: ann.x, person: "ann" },
    { key: ann2.x, person: "ann" },
    { key: bob.x, person: "bob" },
  ],
};
const statement = (change: Partial<ApproversStatement> = {}, of = list): ApproversStatement => ({
  v: 1,
  kind: "turnup/approvers",
  site: "st_0123456789",
  base: approverListHash(of, sha256),
  add: [{ key: cem.x, person: "cem" }],
  remove: [],
  expiresAt: 2_000,
  ...change,
});
const signed = (what: ApproversStatement, ...keys: (typeof ann)[]): ApproversChange =>
  keys.reduce(signApprovers, { statement: what, signatures: [] } as ApproversChange);
const by = { site: "st_0123456789", now: 1_000, verify: verifyEd25519, sha256 };
const applied = (change: ApproversChange, of = list, more: Partial<typeof by> = {}) => {
  const out = changedBySignature(of, change, { ...by, ...more });
  return out.ok ? out.value.approvers.map((a) => a.person) : out.problem.code;
};

it("[G4] two people on the list change it; one alone, with as many keys as they like, does not", () => {
  expect(applied(signed(statement(), ann, bob))).toEqual(["ann", "ann", "bob", "cem"]);
  expect(applied(signed(statement(), ann))).toBe("approval_missing");
  expect(applied(signed(statement(), ann, ann2))).toBe("approval_missing");
  expect(applied(signed(statement()))).toBe("approval_missing");
});

it("[G4] nobody gets in by signing for themselves", () => {
  const self = statement({ add: [{ key: thief.x, person: "ann" }] });
  expect(applied(signed(self, ann, thief))).toBe("approver_unknown");
  const forged = { key: bob.x, signature: thief.sign("") };
  expect(applied({ statement: self, signatures: [...signed(self, ann).signatures, forged] })).toBe("approval_invalid");
});

it("[G4] a change counts once, for one list of one site, until it expires", () => {
  const change = signed(statement(), ann, bob);
  expect(applied(change, list, { site: "st_9999999999" })).toBe("approval_invalid");
  expect(applied(change, list, { now: 2_000 })).toBe("approval_expired");
  const more = signed(statement({ add: [{ key: thief.x, person: "eve" }] }), ann, bob);
  expect(applied({ ...more, signatures: change.signatures })).toBe("approval_invalid");
});

it("[G4] a key that was lost and taken off does not come back by the statement that had put it on", () => {
  const put = signed(statement(), ann, bob);
  const on = changedBySignature(list, put, by);
  if (!on.ok) throw new Error(on.problem.detail);
  const off = signed(statement({ add: [], remove: [cem.x] }, on.value), ann, bob);
  const after = changedBySignature(on.value, off, by);
  if (!after.ok) throw new Error(after.problem.detail);
  expect(after.value).toEqual({ revision: 5, approvers: list.approvers });
  expect(applied(put, after.value)).toBe("approval_invalid");
});

it("[G4] a person rolls over to a new key in one change; what is not as it says changes nothing", () => {
  const next = newTestKey();
  const roll = statement({ add: [{ key: next.x, person: "bob" }], remove: [bob.x] });
  expect(applied(signed(roll, ann, bob))).toEqual(["ann", "ann", "bob"]);
  const code = (add: ApproverList["approvers"], remove: string[]) => {
    const out = changed(list, { add, remove });
    return out.ok ? out.value.revision : out.problem.code;
  };
  expect(code([{ key: bob.x, person: "cem" }], [])).toBe("conflict");
  expect(code([], [cem.x])).toBe("conflict");
  expect(code([], [bob.x])).toBe(4);
});

it("the hash of a list tells nothing of the order in which people came", () => {
  const turned = { ...list, approvers: [...list.approvers].reverse() };
  expect(approverListHash(turned, sha256)).toBe(approverListHash(list, sha256));
});
