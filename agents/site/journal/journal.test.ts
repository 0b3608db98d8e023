import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { openSql } from "../../sql/node-sqlite.ts";
import { lease, reportOf, target } from "../testing/fixtures.ts";
import { openJournal } from "./journal.ts";
import { migrate } from "./schema.ts";

const fresh = () => openJournal(openSql(":memory:"), async () => {});
it("[L2] keeps the highest epoch, whatever order leases come in", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }), (epochs) => {
      const { attempts } = fresh();
      let highest = -1;
      for (const [i, epoch] of epochs.entries()) {
        const admission = attempts.begin([lease("bmc.identify", { id: `l${i}`, epoch })], 1);
        expect(admission[0]).toBe(epoch < highest ? "stale" : "fresh");
        highest = Math.max(highest, epoch);
        expect(attempts.current(target().device, epoch)).toBe(epoch === highest);
      }
    }),
  );
});

it("[A2] [L6] survives a crash: the attempt becomes unknown, reports stay until acknowledged", () => {
  const path = join(mkdtempSync(join(tmpdir(), "turnup-journal-")), "journal.sqlite");
  const first = openSql(path, { exclusive: true });
  const before = openJournal(first, async () => {});
  const [done, under] = [lease("bmc.identify"), lease("bmc.power")];
  before.attempts.begin([done], 1);
  before.attempts.finish(reportOf(done));
  before.attempts.begin([under], 5);
  expect(before.attempts.unsent()).toEqual([done.id]);
  first.close();

  const second = openSql(path, { exclusive: true });
  const after = openJournal(second, async () => {});
  expect(after.attempts.recover(9)).toBe(1);
  expect(after.attempts.recover(9)).toBe(0);
  expect(
    after.attempts
      .reports(10)
      .map((r) => [r.lease, r.outcome])
      .sort(),
  ).toEqual(
    [
      [done.id, "succeeded"],
      [under.id, "unknown"],
    ].sort(),
  );
  // The same lease once more (its reply was lost) does not start anew.
  expect(after.attempts.begin([under], 10)).toEqual(["known"]);
  after.attempts.acknowledge([done.id]);
  expect(after.attempts.unsent()).toEqual([under.id]);
  expect(statSync(path).mode & 0o077).toBe(0);
  second.close();
});

it("[A5] knows a device's newest boot although the clock was set back, also of a journal from before boots were counted", () => {
  const sql = openSql(":memory:");
  const { boots } = openJournal(sql, async () => {});
  const open = (id: string, openedAt: number) =>
    boots.open({ id, nonce: id, job: "j", device: "d", mac: "m", serial: "s", openedAt, endsAt: openedAt + 1 });
  open("first", 2_000);
  boots.close("first", 2_001, "given up");
  open("second", 1_000);
  expect(boots.last("j", "d")?.id).toBe("second");

  const past = openSql(":memory:");
  migrate(past, 2);
  for (const [id, at] of [
    ["first", 2_000],
    ["second", 1_000],
  ] as const)
    past.run(
      "INSERT INTO boot (id, nonce, job, device, mac, serial, opened_at, ends_at) VALUES (?1, ?1, 'j', 'd', 'm', 's', ?2, ?2)",
      id,
      at,
    );
  const { boots: older } = openJournal(past, async () => {});
  expect(older.last("j", "d")?.id).toBe("first");
  const third = { id: "third", nonce: "third", job: "j", device: "d", mac: "m", serial: "s" };
  older.open({ ...third, openedAt: 500, endsAt: 501 });
  expect(older.last("j", "d")?.id).toBe("third");
});

it("[T5] knows what is in service also from a journal of before approvals", () => {
  const past = openSql(":memory:");
  migrate(past, 3);
  const { asset, serial, device } = target();
  past.run("INSERT INTO in_service VALUES (?, ?, ?, 1)", asset, serial.toLowerCase(), device);
  const { machines } = openJournal(past, async () => {});
  expect(machines.inService(target())).toBe(true);
  expect(machines.inService(target(2))).toBe(false);
  // Another serial of the same article counts beside the first.
  machines.markInService({ asset, device, serial: "BOARD-2" }, 2);
  expect(machines.inService({ asset: "other", device, serial: "board-2" })).toBe(true);
  expect(machines.inService(target())).toBe(true);
});

it("[G4] keeps which steps of a plan were begun and done, over a restart, and ends it with the asset's acceptance", () => {
  const sql = openSql(":memory:");
  const first = openJournal(sql, async () => {});
  first.plans.begin("h", 3, { asset: "a", destructive: false }, 1);
  first.plans.begin("h", 3, { asset: "a", destructive: true }, 1);
  expect(first.plans.past("h", 3, "a")).toEqual({ done: undefined, begun: true, destroyed: true, over: false });
  first.plans.succeed("h", 3, { ok: 1 }, 2);
  first.plans.succeed("h", 4, { never: "begun" }, 2);
  first.flush();
  const again = openJournal(sql, async () => {}).plans;
  expect(again.past("h", 3, "a").done).toEqual({ result: { ok: 1 } });
  expect(again.past("h", 4, "a").done).toBeUndefined();
  expect(again.past("h", 3, "b")).toEqual({ done: undefined, begun: false, destroyed: false, over: false });
  again.end("a");
  expect(again.past("h", 5, "a").over).toBe(true);
});

it("does not let two agents work on one journal", () => {
  const path = join(mkdtempSync(join(tmpdir(), "turnup-journal-")), "journal.sqlite");
  const first = openSql(path, { exclusive: true });
  openJournal(first, async () => {});
  expect(() => openSql(path, { exclusive: true, waitMs: 0 })).toThrow(/locked/);
  first.close();
  openSql(path, { exclusive: true }).close();
});

it("rolls a transaction back whole, an inner one with it", () => {
  const sql = openSql(":memory:");
  sql.run("CREATE TABLE t (n INTEGER)");
  expect(() =>
    sql.transact(() => {
      sql.run("INSERT INTO t VALUES (1)");
      sql.transact(() => {
        sql.run("INSERT INTO t VALUES (2)");
        return null;
      });
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(sql.all("SELECT * FROM t")).toEqual([]);
});

it("keeps an audit's questions until they are answered and told", () => {
  const { audits } = fresh();
  const { device, name, serial, aliases, bmc } = target();
  const asked = { device, name, serial, aliases, bmc };
  audits.ask("w1", [asked]);
  audits.ask("w1", [asked]);
  expect(audits.pending()).toHaveLength(1);
  audits.observed("w1", { device, power: "On" });
  expect(audits.pending()).toEqual([]);
  expect(audits.untold(10)).toEqual({ window: "w1", observations: [{ device, power: "On" }] });
  audits.told("w1", [device]);
  expect(audits.untold(10)).toBeUndefined();
  audits.ask("w1", [asked]);
  audits.ask("w2", [asked]);
  expect(audits.pending().map((p) => p.window)).toEqual(["w2"]);
});

it("makes commits durable for all who wait, and refuses once closed", async () => {
  const sql = openSql(join(mkdtempSync(join(tmpdir(), "turnup-journal-")), "journal.sqlite"), { exclusive: true });
  sql.run("CREATE TABLE t (n INTEGER)");
  await Promise.all(Array.from({ length: 50 }, () => sql.durable()));
  await sql.durable();
  sql.close();
  await expect(sql.durable()).rejects.toThrow("closed");
});

it("tells its attempts from an epoch on in pages: ended, dropped and in flight", () => {
  const { attempts, past } = fresh();
  const all = Array.from({ length: 1_203 }, (_, i) => lease("bmc.identify", { id: `p${i}`, epoch: 10 + (i >> 1) }));
  attempts.begin(all, 1);
  for (const l of all.slice(0, 1_200)) attempts.finish(reportOf(l, { outcome: "failed" }));
  attempts.drop("p1200");
  attempts.acknowledge(all.slice(0, 600).map((l) => l.id));
  const ask = { generation: 2, from: 11 };
  const told: { lease: string; outcome: string }[] = [];
  const pages: number[] = [];
  for (let page = past.page(ask); ; ) {
    told.push(...page.attempts);
    pages.push(page.attempts.length);
    expect(page).toMatchObject({ ...ask, epoch: 611 });
    const last = page.attempts.at(-1);
    if (page.complete || !last) break;
    page = past.page({ ...ask, after: { epoch: last.epoch, lease: last.lease } });
  }
  expect(pages).toEqual([500, 500, 201]);
  expect(new Set(told.map((t) => t.lease))).toEqual(new Set(all.slice(2).map((l) => l.id)));
  const outcomes = Map.groupBy(told, (t) => t.outcome);
  expect(outcomes.get("failed")).toHaveLength(1_198);
  expect(outcomes.get("dropped")).toMatchObject([{ lease: "p1200" }]);
  expect(outcomes.get("in flight")).toHaveLength(2);
});

it("forgets past attempts after a month, when a new one begins", () => {
  const { attempts, past } = fresh();
  const [old, young] = [lease("bmc.identify"), lease("bmc.identify")];
  attempts.begin([old], 0);
  attempts.finish(reportOf(old));
  attempts.begin([young], 31 * 86_400_000);
  expect(past.page({ generation: 2, from: 0 }).attempts).toMatchObject([{ lease: young.id }]);
});
