import { expect, it } from "vitest";
import { canonicalJson } from "../../../shared/canonical.ts";
import { type ApproversChange, type ApproversStatement, signApprovers } from "../../../shared/model/approver-list.ts";
import { newTestKey } from "../../../shared/model/test-keys.ts";
import { exported } from "./test-export.ts";
import { SITE, sha256, World } from "./test-world.ts";

const [ann, bob, cem] = [newTestKey(), newTestKey(), newTestKey()];
const [one, other] = ["a".repeat(64), "b".repeat(64)];
const actor = "token:ann";

function signed(w: World, over: Partial<ApproversStatement> = {}, ...keys: (typeof ann)[]): ApproversChange {
  const expiresAt = w.now + 60_000;
  const add = [{ key: cem.x, person: "cem" }];
  const said = { v: 1, kind: "turnup/approvers", site: SITE.id, base: one, add, remove: [], expiresAt } as const;
  return keys.reduce(signApprovers, { statement: { ...said, ...over }, signatures: [] } as ApproversChange);
}

it("[G4] carries a signed change to the agents that have the list it begins at, until they have it or it expires", () => {
  const w = new World();
  const change = signed(w, {}, ann, bob);
  const { waiting } = w.do("approvers.offer", { change, actor });
  expect(waiting).toEqual([{ change, at: w.now, actor }]);
  expect(w.effects.some((effect) => effect.kind === "ring")).toBe(true);
  expect(w.sync().approvers).toBeUndefined();
  expect(w.sync({ approvers: { hash: other } }).approvers).toBeUndefined();
  // Lost on the way: it comes again.
  expect(w.sync({ approvers: { hash: one } }).approvers).toEqual(change);
  expect(w.sync({ approvers: { hash: one } }).approvers).toEqual(change);
  w.now += 60_000;
  expect(w.sync({ approvers: { hash: one } }).approvers).toBeUndefined();
  expect(w.ask("approvers.changes", {}).waiting).toEqual([]);
  const [event] = w.ask("ledger", { after: 0, limit: 1_000 }).filter((e) => e.kind === "approvers.offered");
  expect(event).toMatchObject({ actor, data: { base: one, signers: [ann.x, bob.x] } });
  expect(exported(w).some((line) => line.includes("approver-changes"))).toBe(false);
});

it("[G4] sends no change again to an agent that refused it, and says why", () => {
  const w = new World();
  const change = signed(w, {}, ann, bob);
  w.do("approvers.offer", { change, actor });
  const refused = { change: sha256(canonicalJson(change)), code: "approver_unknown", detail: "not on the list" };
  expect(w.sync({ approvers: { hash: one, refused } }).approvers).toBeUndefined();
  expect(w.ask("approvers.changes", {}).agents).toEqual([
    { agent: w.agent, name: "a", list: one, refused: { code: "approver_unknown", detail: "not on the list" } },
  ]);
  // A better one of the same list takes its place.
  const better = signed(w, { remove: [bob.x] }, ann, bob);
  expect(w.do("approvers.offer", { change: better, actor }).waiting).toHaveLength(1);
  expect(w.sync({ approvers: { hash: one, refused } }).approvers).toEqual(better);
});

it("[G4][T3] takes along nothing that no agent could take", () => {
  const w = new World();
  const code = (change: ApproversChange) => w.refusal("approvers.offer", { change, actor });
  expect(code(signed(w, { site: "st_9999999999" }, ann, bob))).toBe("wrong_site");
  expect(code(signed(w, { expiresAt: w.now }, ann, bob))).toBe("approval_expired");
  expect(code(signed(w, {}, ann))).toBe("approval_missing");
  const change = signed(w, {}, ann, bob);
  expect(code({ ...change, statement: { ...change.statement, base: other } })).toBe("approval_invalid");
  for (let n = 0; n < 10; n++) expect(code(signed(w, { base: sha256(`${n}`) }, ann, bob))).toBeUndefined();
  expect(code(change)).toBe("conflict");
});
