import { expect, it } from "vitest";
import { World } from "./test-world.ts";

const read = (
  w: World,
  window: string,
  over: Record<string, { power?: string; serial?: string; failure?: { code: string; detail: string } }> = {},
) => {
  w.do("audit.start", { window, actor: "cron" });
  const { audit } = w.sync();
  const observations = (audit?.targets ?? []).map((t) => ({
    device: t.device,
    serial: t.serial,
    power: "Off",
    ...over[t.name],
  }));
  w.sync({ audit: { window, observations } });
  return w.ask("audits", { limit: 1 })[0];
};
const open = (w: World) =>
  w.ask("findings", { limit: 100, state: "open" }).items.map((f) => `${f.check} ${f.objectName}`);

it("opens a finding, ages it, and closes it after two clean reads", () => {
  const w = new World(2);
  expect(read(w, "w1", { srv00001: { power: "On" } })).toMatchObject({
    state: "done",
    expected: 2,
    read: 2,
    opened: 1,
  });
  expect(open(w)).toEqual(["power-drift srv00001"]);
  read(w, "w2", { srv00001: { power: "On" } });
  expect(w.ask("findings", { limit: 1 }).items[0]).toMatchObject({ times: 2, state: "open" });
  read(w, "w3");
  expect(open(w)).toHaveLength(1);
  expect(read(w, "w4")).toMatchObject({ closed: 1 });
  expect(open(w)).toEqual([]);
});

it("sees another serial than the recorded one, but not another spelling of it", () => {
  const w = new World(2);
  read(w, "w1", { srv00000: { serial: "sn0 " }, srv00001: { serial: "OTHER" } });
  expect(open(w)).toEqual(["serial-drift srv00001"]);
});

it("sees a machine in service that is off", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  w.work();
  read(w, "w1", { srv00000: { power: "Off" } });
  expect(w.ask("findings", { limit: 1 }).items[0]).toMatchObject({
    severity: "critical",
    text: "srv00000 is in service and powered off.",
  });
});

it("says no data when nothing could be read, and no finding closes by it", () => {
  const w = new World(1);
  read(w, "w1", { srv00000: { power: "On" } });
  const failure = { code: "bmc_unreachable", detail: "" };
  for (const window of ["w2", "w3", "w4"]) {
    w.do("audit.start", { window, actor: "cron" });
    const { audit } = w.sync();
    w.sync({ audit: { window, observations: (audit?.targets ?? []).map((t) => ({ device: t.device, failure })) } });
  }
  expect(w.ask("audits", { limit: 1 })[0]).toMatchObject({ window: "w4", state: "no-data", read: 0 });
  expect(open(w)).toHaveLength(1);
});

it("takes an agent that does not answer an audit for silent, and clears it after two audits answered", () => {
  const w = new World(1);
  w.do("audit.start", { window: "w1", actor: "cron" });
  for (let i = 0; i < 5 && w.ask("audits", { limit: 1 })[0]?.state === "running"; i++) w.alarm();
  expect(w.ask("audits", { limit: 1 })[0]).toMatchObject({ state: "no-data", opened: 1 });
  expect(open(w)).toEqual(["agent-silent a"]);
  read(w, "w2");
  read(w, "w3");
  expect(open(w)).toEqual([]);
});

it("does a window once, however often it is poked", () => {
  const w = new World(1);
  read(w, "w1");
  expect(w.do("audit.start", { window: "w1", actor: "cron" }).created).toBe(false);
  expect(w.sync().audit).toBeUndefined();
});

it("asks again for what was not answered when its memory is lost", () => {
  const w = new World(3);
  w.do("audit.start", { window: "w1", actor: "cron" });
  const all = w.sync().audit?.targets ?? [];
  const [first] = all;
  if (!first) throw new Error("no target");
  w.sync({ audit: { window: "w1", observations: [{ device: first.device, serial: first.serial, power: "Off" }] } });
  expect(w.sync().audit?.targets).toHaveLength(2);
  w.evict();
  expect(w.sync().audit?.targets).toHaveLength(3);
});

it.each([10, 1000])(
  "[C4] an unchanged window costs at most 8 rows with %i devices, and between windows nothing is written",
  (n) => {
    const w = new World(n);
    read(w, "w0");
    for (let i = 0; i < 20; i++) w.alarm();
    const before = w.sql.written();
    const window = "w1";
    w.do("audit.start", { window, actor: "cron" });
    for (let i = 0; i < n; i++) {
      const { audit } = w.sync();
      if (!audit) break;
      w.sync({
        audit: {
          window,
          observations: audit.targets.map((t) => ({ device: t.device, serial: t.serial, power: "Off" })),
        },
      });
    }
    expect(w.ask("audits", { limit: 1 })[0]).toMatchObject({ window, state: "done", read: n });
    for (let i = 0; i < 5; i++) w.alarm();
    // In the object an alarm set costs one row more.
    expect(w.sql.written() - before).toBeLessThanOrEqual(7);
    const quiet = w.sql.written();
    for (let i = 0; i < 100; i++) {
      w.now += 300_000;
      w.sync();
      w.alarm();
    }
    expect(w.sql.written()).toBe(quiet);
  },
);

it("[T6] records a MAC that nobody planned, once, and none of a device of the site", () => {
  const w = new World(1);
  const ask = (mac: string) => w.sync({ unknown: [{ mac, seen: "netboot", at: w.now }] });
  ask("02:00:00:00:00:00");
  expect(open(w)).toEqual([]);
  ask("02:00:00:00:ff:ff");
  const before = w.sql.written();
  ask("02:00:00:00:ff:ff");
  expect(w.sql.written()).toBe(before);
  expect(open(w)).toEqual(["unknown-hardware 02:00:00:00:ff:ff"]);
});

it("goes on as long as something is read, and ends when nothing more comes", () => {
  const w = new World(3);
  w.do("audit.start", { window: "w1", actor: "cron" });
  const [first, second] = w.sync().audit?.targets ?? [];
  if (!first || !second) throw new Error("no target");
  for (const target of [first, second]) {
    w.now += 100_000;
    w.do("tick", {});
    w.sync({ audit: { window: "w1", observations: [{ device: target.device, serial: target.serial, power: "Off" }] } });
  }
  expect(w.ask("audits", { limit: 1 })[0]).toMatchObject({ state: "running" });
  w.now += 120_000;
  w.do("tick", {});
  expect(w.ask("audits", { limit: 1 })[0]).toMatchObject({ state: "done", read: 2, expected: 3, opened: 0 });
});
