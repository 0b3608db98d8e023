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
  expect(w.ask("findings", { limit: 10, state: "open" }).items.map((f) => f.check)).toContain("outbox-parked");
  expect(w.ask("outbox.next", { limit: 100 }).filter((e) => e.kind === "job")).toEqual([]);
  w.work();
  w.now += 10_000;
  expect(w.drain().some((e) => e.kind === "job")).toBe(true);
});

it("[C3] parks nothing for an outage, however long, and sends all after it", () => {
  const w = new World(1);
  for (let i = 0; i < 30; i++) {
    w.now += 400_000;
    const entries = w.ask("outbox.next", { limit: 100 });
    expect(entries.length).toBeGreaterThan(0);
    w.do("outbox.failed", { entries, reason: "Network connection lost.", outage: true });
  }
  expect(w.ask("findings", { limit: 10, state: "open" }).items).toEqual([]);
  w.now += 400_000;
  expect(w.drain().map((e) => e.kind)).toContain("device");
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
