import { beforeEach, expect, it } from "vitest";
import {
  type ApproversChange,
  type ApproversStatement,
  approverListHash,
  signApprovers,
} from "../../../shared/model/approver-list.ts";
import { newTestKey } from "../../../shared/model/test-keys.ts";
import { openSql } from "../../sql/node-sqlite.ts";
import { openJournal } from "../journal/journal.ts";
import { silentLog } from "../log.ts";
import { makeMetrics } from "../metrics.ts";
import { SITE } from "../testing/fixtures.ts";
import { sha256 } from "./ed25519.ts";
import { listChanges } from "./list-changes.ts";

const [ann, bob, cem, thief] = [newTestKey(), newTestKey(), newTestKey(), newTestKey()];
const list = {
  revision: 1,
  approvers: [
    { key: ann.x, person: "ann" },
    { key: bob.x, person: "bob" },
  ],
};
let journal: ReturnType<typeof openJournal>;
let metrics: ReturnType<typeof makeMetrics>;
let changes: ReturnType<typeof listChanges>;
const clock = { now: () => 1_000 };
beforeEach(() => {
  journal = openJournal(openSql(":memory:"), async () => {});
  journal.meta.set("site", SITE);
  journal.approvers.set(list, "on site", 0);
  metrics = makeMetrics();
  changes = listChanges({ journal, clock, log: silentLog, metrics });
});

function signed(over: Partial<ApproversStatement>, ...keys: (typeof ann)[]): ApproversChange {
  const base = approverListHash(journal.approvers.get(), sha256);
  const statement = {
    v: 1,
    kind: "turnup/approvers",
    site: SITE,
    base,
    add: [],
    remove: [],
    expiresAt: 2_000,
  } as const;
  return keys.reduce(signApprovers, { statement: { ...statement, ...over }, signatures: [] } as ApproversChange);
}
const people = () => journal.approvers.get().approvers.map(({ person }) => person);
const counted = async () => (await metrics.listRefused.get()).values.map(({ labels, value }) => [labels.code, value]);

it("[G4] takes a change that two people on the list have signed, and tells which list it has then", () => {
  const before = changes.told().hash;
  const change = signed({ add: [{ key: cem.x, person: "cem" }] }, ann, bob);
  expect(changes.take(change)).toBe(true);
  expect(people()).toEqual(["ann", "bob", "cem"]);
  expect(changes.told()).toEqual({ hash: approverListHash(journal.approvers.get(), sha256) });
  expect(changes.told().hash).not.toBe(before);
});

it("[G4] takes none that somebody slipped in: signed by one, by a stranger, for another site, of an old list, too late", async () => {
  const slipped = { add: [{ key: thief.x, person: "ann" }] };
  const old = signed({ add: [{ key: cem.x, person: "cem" }], remove: [bob.x] }, ann, bob);
  for (const change of [
    signed(slipped, ann),
    signed(slipped, ann, thief),
    signed({ ...slipped, site: "st_9999999999" }, ann, bob),
    signed({ ...slipped, base: "0".repeat(64) }, ann, bob),
    signed({ ...slipped, expiresAt: 1_000 }, ann, bob),
    { ...old, statement: { ...old.statement, ...slipped } },
  ])
    expect(changes.take(change)).toBe(true);
  expect(journal.approvers.get()).toEqual(list);
  expect(changes.told().refused?.code).toBe("approval_invalid");
  expect(await counted()).toEqual([
    ["approval_missing", 1],
    ["approver_unknown", 1],
    ["approval_invalid", 3],
    ["approval_expired", 1],
  ]);
});

it("says once why it did not take a change, however often that comes", async () => {
  const change = signed({ remove: [bob.x] }, ann);
  expect([changes.take(change), changes.take(change)]).toEqual([true, false]);
  expect(await counted()).toEqual([["approval_missing", 1]]);
});
