import { expect, it } from "vitest";
import { World } from "./test-world.ts";

const DAY_MS = 86_400_000;

it("[J3][G6] time under the kill switch does not count against a step, whether it waits or was lost", () => {
  const w = new World(2);
  const job = w.install(["srv00000", "srv00001"]);
  // One is lost in the middle, the other has not begun.
  w.sync({ free: 1 });
  w.do("fleet.poke", { frozen: true });
  for (let t = 0; t < DAY_MS; t += 600_000) {
    w.now += 600_000;
    w.do("tick", {});
  }
  expect(Object.values(w.steps(job)).filter((s) => s === "unknown")).toHaveLength(1);
  for (const target of w.ask("job", { job }).targets) expect(target.waitingOn).toContain("kill switch");
  w.do("fleet.poke", { frozen: false });
  w.permit();
  // The agent is full for a while; the steps have waited for it since the thaw only.
  for (let t = 0; t < 3_600_000; t += 600_000) {
    w.now += 600_000;
    w.do("tick", {});
    w.sync({ free: 0 });
  }
  expect(w.ask("job", { job }).state).toBe("running");
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[G6] a permit that was asked for before the kill switch does not undo it", () => {
  const w = new World(1, { permit: false });
  w.install(["srv00000"]);
  const askedAt = w.now;
  const permit = { granted: true, frozen: false, expiresAt: w.now + 300_000, reason: "" };
  w.do("fleet.poke", { frozen: true });
  w.now += 5;
  w.do("permit.set", { permit, askedAt });
  expect(w.sync().leases).toEqual([]);
  // It is asked again, and then the answer counts.
  w.now += 2_000;
  expect(w.ask("permit.due", { now: w.now })).toBe(true);
  w.do("permit.set", { permit, askedAt: w.now });
  expect(w.sync().leases).toHaveLength(1);
});

it("[G5][L3] a permit lives no longer than by the coordinator's own clock, whatever the budget's shows", () => {
  const w = new World(1, { permit: false });
  w.install(["srv00000"]);
  const askedAt = w.now;
  w.do("permit.set", { permit: { granted: true, frozen: false, expiresAt: w.now + DAY_MS, reason: "" }, askedAt });
  w.now += 300_000;
  expect(w.sync().leases).toEqual([]);
});

it("[G5][G6] a permit does not outlive its five minutes because the clock was set back", () => {
  const w = new World(1, { permit: false });
  w.install(["srv00000"]);
  const permit = { granted: true, frozen: false, expiresAt: w.now + 240_000, reason: "" };
  w.do("permit.set", { permit, askedAt: w.now });
  w.now -= 3_600_000;
  expect(w.ask("permit.due", { now: w.now })).toBe(true);
  expect(w.sync().leases).toEqual([]);
  w.do("permit.set", { permit: null, askedAt: w.now });
  expect(w.ask("permit.due", { now: w.now })).toBe(false);
  w.do("permit.set", { permit: { ...permit, expiresAt: w.now + 240_000 }, askedAt: w.now });
  expect(w.sync().leases).toHaveLength(1);
});

it("[J10] after the thaw the limit counts again", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.do("fleet.poke", { frozen: true });
  w.now += DAY_MS;
  w.do("fleet.poke", { frozen: false });
  w.permit();
  for (let i = 0; i < 10 && w.ask("job", { job }).state !== "failed"; i++) w.alarm();
  expect(w.ask("job", { job }).targets[0]?.failure?.code).toBe("agent_silent");
});

it("[G6] a lease whose answer was lost does not start under the kill switch, and is not lost by it", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.sync();
  w.do("fleet.poke", { frozen: true });
  for (let t = 0; t < DAY_MS; t += 3_600_000) {
    expect(w.sync().leases).toEqual([]);
    w.now += 3_600_000;
    w.do("tick", {});
  }
  expect(w.ask("job", { job }).targets[0]).toMatchObject({ waitingOn: expect.stringContaining("kill switch") });
  w.do("fleet.poke", { frozen: false });
  w.permit();
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[C7][G6] a kill switch that was turned by a clock that was ahead holds, and stops nothing once it is off", () => {
  const w = new World(1);
  w.install(["srv00000"]);
  const answered = (askedAt: number) => {
    const permit = { granted: true, frozen: false, expiresAt: w.now + 300_000, reason: "" };
    w.do("permit.set", { permit, askedAt });
    return w.sync().leases.length;
  };
  w.now += 86_400_000;
  const before = w.now - 1;
  w.do("fleet.poke", { frozen: true });
  w.now -= 86_400_000;
  w.do("tick", {});
  // Asked for before the switch was turned, by the clock of that time.
  expect(answered(before)).toBe(0);
  w.do("fleet.poke", { frozen: false });
  expect(answered(before)).toBe(0);
  w.now += 1_000;
  expect(answered(w.now)).toBe(1);
});
