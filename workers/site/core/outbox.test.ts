import { expect, it } from "vitest";
import { World } from "./test-world.ts";

it("[C3] sends the newest state of a row that changed several times, once", () => {
  const w = new World(1);
  w.alarm();
  w.install(["srv00000"]);
  w.work();
  w.now += 10_000;
  const sent = w.drain();
  expect(sent.map((e) => e.kind).sort()).toEqual(["device", "job"]);
  expect(sent.find((e) => e.kind === "device")?.row).toMatchObject({ state: "active" });
  expect(w.drain()).toEqual([]);
});

it("keeps a row that changed while it was on its way", () => {
  const w = new World(1);
  w.now += 10_000;
  const entries = w.ask("outbox.next", { limit: 100 });
  w.install(["srv00000"]);
  w.work();
  w.do("outbox.delivered", { entries, rows: entries.length });
  w.now += 10_000;
  expect(w.drain().find((e) => e.kind === "device")?.row).toMatchObject({ state: "active" });
});

it("[C3] parks a row that cannot be delivered, with a finding; the next change brings it back", () => {
  const w = new World(1);
  w.now += 10_000;
  w.drain();
  w.install(["srv00000"]);
  for (let i = 0; i < 12; i++) {
    w.now += 400_000;
    const entries = w.ask("outbox.next", { limit: 100 }).filter((e) => e.kind !== "finding");
    if (entries.length > 0) w.do("outbox.failed", { entries, reason: "too big" });
  }
  expect(open(w).map((f) => f.check)).toContain("outbox-parked");
  expect(w.ask("outbox.next", { limit: 100 }).filter((e) => e.kind === "job")).toEqual([]);
  w.work();
  w.now += 10_000;
  expect(w.drain().some((e) => e.kind === "job")).toBe(true);
});

/** A site whose row of this kind was refused until it was parked; all others were sent. */
function parked(kind: string): { w: World; id: string } {
  const w = new World(2);
  w.now += 10_000;
  const id = w.ask("outbox.next", { limit: 100 }).find((entry) => entry.kind === kind)?.id ?? "";
  for (let i = 0; i < 12; i++) {
    const entries = w.ask("outbox.next", { limit: 100 });
    const refused = entries.filter((entry) => entry.id === id);
    w.do("outbox.delivered", { entries: entries.filter((entry) => entry.id !== id), rows: 0 });
    if (refused.length > 0) w.do("outbox.failed", { entries: refused, reason: "too big" });
    w.now += 400_000;
  }
  expect(w.ask("outbox", { limit: 10 })).toMatchObject({ waiting: 0, parked: 1, items: [{ id, parked: "too big" }] });
  return { w, id };
}
const open = (w: World) => w.ask("findings", { limit: 10, state: "open" }).items;

it("[C3][E3] sends what was parked once more with a rebuild, and closes its finding when it was taken", () => {
  const { w, id } = parked("asset");
  expect(open(w)).toMatchObject([{ check: "outbox-parked", object: `asset:${id}` }]);
  w.do("outbox.rebuild", { actor: "t" });
  w.do("outbox.dropped", {});
  w.now += 10_000;
  expect(w.drain().map((entry) => entry.id)).toContain(id);
  expect(open(w)).toEqual([]);
  expect(w.ask("outbox", { limit: 10 })).toMatchObject({ parked: 0 });
});

it("[C3] gives what was parked all its tries again", () => {
  const { w, id } = parked("asset");
  w.do("outbox.rebuild", { actor: "t" });
  w.now += 10_000;
  const again = () => w.ask("outbox.next", { limit: 100 }).filter((entry) => entry.id === id);
  w.do("outbox.failed", { entries: again(), reason: "too big" });
  expect(w.ask("outbox", { limit: 10 })).toMatchObject({ parked: 0 });
  w.now += 400_000;
  expect(again()).toHaveLength(1);
});

it("[C3] parks nothing for an outage, however long, and sends all after it", () => {
  const w = new World(1);
  for (let i = 0; i < 30; i++) {
    w.now += 400_000;
    const entries = w.ask("outbox.next", { limit: 100 });
    expect(entries.length).toBeGreaterThan(0);
    w.do("outbox.failed", { entries, reason: "Network connection lost.", outage: true });
  }
  expect(open(w)).toEqual([]);
  w.now += 400_000;
  expect(w.drain().map((e) => e.kind)).toContain("device");
});

it("[C3][C4] waits longer after each try of an outage, for one row written, and not at all once a person asks", () => {
  const w = new World(500);
  w.now += 10_000;
  w.do("outbox.rebuild", { actor: "t" });
  const fail = () => w.do("outbox.failed", { entries: [], reason: "Network connection lost.", outage: true });
  const before = w.sql.written();
  const waits = Array.from({ length: 10 }, () => {
    fail();
    const at = w.core.nextAlarm(w.now) ?? 0;
    expect(w.ask("outbox.drop", {})).toBe(false);
    expect(w.ask("outbox.next", { limit: 1 })).toEqual([]);
    expect(w.ask("outbox", { limit: 1 }).items[0]?.at).toBe(at);
    const wait = at - w.now;
    w.now = at;
    return wait / 1_000;
  });
  expect(waits).toEqual([4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
  expect(w.sql.written() - before).toBe(10);
  expect(w.ask("outbox.drop", {})).toBe(true);
  fail();
  w.do("outbox.rebuild", { actor: "t" });
  expect(w.ask("outbox.drop", {})).toBe(true);
  fail();
  w.do("outbox.dropped", {});
  expect(w.ask("outbox.next", { limit: 1_000 }).length).toBeGreaterThan(500);
});

it("[E3] rebuilds every row of the read model", () => {
  const w = new World(2);
  w.install(["srv00000"]);
  w.work();
  w.now += 10_000;
  w.drain();
  const { rows } = w.do("outbox.rebuild", { actor: "t" });
  w.now += 10_000;
  const kinds = w.drain().map((e) => e.kind);
  expect(kinds).toHaveLength(rows);
  expect(new Set(kinds)).toEqual(new Set(["site", "device", "asset", "job", "agent"]));
});

it("[E3] tells who holds a device while its job waits, and that nobody does when it was cancelled", () => {
  const w = new World(1, { permit: false });
  w.now += 10_000;
  w.drain();
  const job = w.install(["srv00000"]);
  const sent = () => {
    w.now += 10_000;
    return w.drain().find((e) => e.kind === "device");
  };
  const held = sent();
  expect(held?.row).toMatchObject({ job });
  w.do("job.cancel", { job, actor: "token:t", reason: "" });
  const free = sent();
  expect(free?.row).toMatchObject({ job: null });
  expect(free?.version).toBeGreaterThan(held?.version ?? 0);
});

it("[C3] does not park a row that was never tried for what the one before it could not", () => {
  const w = new World(1);
  const pass = () => {
    w.now += 400_000;
  };
  pass();
  w.drain();
  pass();
  w.drain();
  w.install(["srv00000"]);
  const tried = () => {
    pass();
    return w
      .ask("outbox.next", { limit: 100 })
      .flatMap(({ kind, id, version }) => (kind === "device" ? [{ kind, id, version }] : []));
  };
  for (let n = 0; n < 9; n++) w.do("outbox.failed", { entries: tried(), reason: "constraint" });
  const tenth = tried();
  // While the tenth try is under way the device changes.
  w.sync();
  w.do("outbox.failed", { entries: tenth, reason: "constraint" });
  const parked = () => w.ask("outbox", { limit: 100 }).items.filter((row) => row.parked !== null);
  expect(parked()).toEqual([]);
  w.do("outbox.failed", { entries: tried(), reason: "constraint" });
  expect(parked()).toMatchObject([{ kind: "device", parked: "constraint" }]);
});
