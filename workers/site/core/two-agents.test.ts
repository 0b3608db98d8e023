import { expect, it } from "vitest";
import { ok } from "../../../shared/errors.ts";
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { serverInstall } from "../../workflows/server-install.ts";
import type { Workflow } from "../../workflows/workflow.ts";
import { TAKEOVER_MS } from "./handover.ts";
import { MAX_ATTEMPTS } from "./steps.ts";
import { World } from "./test-world.ts";

/** The longest call, and what clocks may differ by unseen. */
const LONGEST_CALL_MS = TAKEOVER_MS - LEASE_TTL_MS;

/** A world with a second agent, where the first one works up to this action and is silent from then on. */
function worldAt(action: string): { w: World; b: string; job: string; held: Lease } {
  const w = new World(1);
  const b = w.enroll("b", "y".repeat(43));
  return { w, b, job: w.install(["srv00000"]), held: w.workUpTo(action) };
}

it("[L2] a target is not taken from an agent that is there, however long its step waits", () => {
  const { w, b, held: first } = worldAt("bmc.identify");
  // The first agent is full: the next step waits for it, not for whoever comes.
  w.sync({ reports: [w.report(first)], free: 0 });
  for (let i = 0; i < 20; i++) {
    w.now += 30_000;
    expect(w.sync({}, b).leases).toEqual([]);
    w.sync({ free: 0 });
  }
  expect(w.sync().leases).toHaveLength(1);
});

it("[L2] nor after the site's memory was lost and all was frozen for long", () => {
  const { w, b, held: first } = worldAt("bmc.identify");
  w.do("fleet.poke", { frozen: true });
  w.sync({ reports: [w.report(first)] });
  w.now += 3_600_000;
  w.evict();
  w.do("fleet.poke", { frozen: false });
  w.permit();
  expect(w.sync({}, b).leases).toEqual([]);
  expect(w.sync().leases).toHaveLength(1);
});

it("[L2] another agent takes over a target between two steps once the first was silent for its lease and a call", () => {
  const { w, b, held: first } = worldAt("bmc.identify");
  w.sync({ reports: [w.report(first)], free: 0 });
  w.now += LEASE_TTL_MS;
  expect(w.sync({}, b).leases).toEqual([]);
  const due = w.core.nextAlarm(w.now);
  expect(due).toBeLessThanOrEqual(w.now + LEASE_TTL_MS + LONGEST_CALL_MS);
  w.now += LEASE_TTL_MS + LONGEST_CALL_MS;
  expect(w.sync({}, b).leases[0]).toMatchObject({ name: "inventory", resolve: true });
});

it.each(["cancel", "revoke and cancel"])(
  "[L1][L2] after a %s no other agent begins on the machine while the first may still be in a call",
  (how) => {
    const { w, b, job } = worldAt("ramdisk.await");
    if (how === "revoke and cancel") w.do("agent.revoke", { agent: w.agent, actor: "token:t" });
    w.do("job.cancel", { job, actor: "token:t", reason: "" });
    expect(w.ask("job", { job }).state).toBe("cancelled");
    w.install(["srv00000"], "k2");
    expect(w.sync({}, b).leases).toEqual([]);
    w.now += LEASE_TTL_MS + LONGEST_CALL_MS - 100;
    expect(w.sync({}, b).leases).toEqual([]);
    w.now += 200;
    expect(w.sync({}, b).leases).toHaveLength(1);
  },
);

it("[L1][L2] nor after a deadline that passed without a word", () => {
  const { w, b, job, held } = worldAt("bmc.bootOverride");
  const { dueAt } = w.ask("steps", { job }).find((s) => s.state === "leased") ?? {};
  while (w.now < (dueAt ?? 0)) {
    w.now += 30_000;
    w.sync({ holding: [held.id], free: 0 });
  }
  w.do("tick", {});
  expect(w.ask("job", { job }).targets[0]?.failure?.code).toBe("deadline_exceeded");
  w.install(["srv00000"], "k2");
  expect(w.sync({}, b).leases).toEqual([]);
  // The first one is told to stop in the very sync that brings it the new job.
  expect(w.sync({ holding: [held.id] })).toMatchObject({ revoked: [held.id], leases: [{ name: "identify" }] });
});

it("an agent that ended its attempt leaves the machine to others at once", () => {
  const { w, b, job, held } = worldAt("bmc.power");
  w.sync({ reports: [w.report(held, { outcome: "failed", failure: { code: "bmc_auth_failed", detail: "" } })] });
  expect(w.ask("job", { job }).state).toBe("failed");
  w.install(["srv00000"], "k2");
  expect(w.sync({}, b).leases).toHaveLength(1);
});

it("[A5] the boot of an agent that lost the target is closed", () => {
  const { w, b, job, held } = worldAt("ramdisk.await");
  const device = held.target.device;
  w.now += LEASE_TTL_MS + 1;
  w.do("tick", {});
  w.sync({}, b);
  w.now += LEASE_TTL_MS + LONGEST_CALL_MS;
  expect(w.sync({}, b).leases).toHaveLength(1);
  expect(w.sync({ boots: [{ job, device }] })).toMatchObject({ ended: [{ job, device }] });
  expect(w.sync({ boots: [{ job, device }] }, b)).toMatchObject({ ended: [] });
});

it("an agent's own work is found behind any number of steps that wait for another one", () => {
  const w = new World(6);
  const b = w.enroll("b", "y".repeat(43));
  w.install(["srv00000", "srv00001", "srv00002", "srv00003"]);
  const { leases } = w.sync();
  w.sync({ reports: leases.map((l) => w.report(l)), free: 0 });
  w.now += 1000;
  w.install(["srv00004", "srv00005"], "k2");
  expect(w.sync({ free: 1 }, b).leases.map((l) => l.target.name)).toEqual(["srv00004"]);
});

/** Reads the whole site as this agent, for a window. */
function readAll(w: World, window: string, agent: string): void {
  w.do("audit.start", { window, actor: "cron" });
  const { audit } = w.sync({}, agent);
  const observations = (audit?.targets ?? []).map((t) => ({ device: t.device, serial: t.serial, power: "Off" }));
  w.sync({ audit: { window, observations } }, agent);
}
const silent = (w: World) =>
  w.ask("findings", { limit: 10, state: "open" }).items.map((f) => `${f.check} ${f.objectName}`);

it("an audit that one agent answers does not vouch for another one", () => {
  const w = new World(2);
  w.enroll("b", "y".repeat(43));
  for (const window of ["w1", "w2", "w3"]) {
    readAll(w, window, w.agent);
    for (let i = 0; i < 5; i++) w.alarm();
    expect(w.ask("audits", { limit: 1 })[0]).toMatchObject({ window, state: "done", read: 2 });
    expect(silent(w)).toEqual(["agent-silent b"]);
    w.now += 900_000;
  }
});

it("an audit finds nobody silent who came, whether or not there was anything left to read", () => {
  const w = new World(2);
  const b = w.enroll("b", "y".repeat(43));
  w.do("audit.start", { window: "w1", actor: "cron" });
  w.sync({}, b);
  readAll(w, "w1", w.agent);
  expect(w.ask("audits", { limit: 1 })[0]).toMatchObject({ state: "done" });
  expect(silent(w)).toEqual([]);
});

it("an agent that answered a part before the site forgot it is not called silent", () => {
  const w = new World(2);
  w.do("audit.start", { window: "w1", actor: "cron" });
  const [first] = w.sync().audit?.targets ?? [];
  if (!first) throw new Error("no target");
  w.sync({ audit: { window: "w1", observations: [{ device: first.device, serial: first.serial, power: "Off" }] } });
  w.evict();
  for (let i = 0; i < 5; i++) w.alarm();
  expect(silent(w)).toEqual([]);
});

/** Lets the first agent die at this step, and the second one take over; what that one then does, and how it ends. */
function takenOver(action: string, answer: Parameters<World["work"]>[0] = () => ({})) {
  const { w, b, job } = worldAt(action);
  w.now += LEASE_TTL_MS + 1;
  w.do("tick", {});
  w.sync({}, b);
  w.now += LEASE_TTL_MS + LONGEST_CALL_MS;
  const names: string[] = [];
  w.work((lease) => {
    names.push(lease.resolve ? `${lease.name}, reads first` : lease.name);
    return answer(lease);
  }, b);
  return { w, job, names };
}

it("before the boot is armed, what the first agent has found out stays, and the other one goes on", () => {
  const { w, job, names } = takenOver("bmc.inventory");
  expect(names.slice(0, 2)).toEqual(["inventory, reads first", "arm-netboot"]);
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[A5][L5] from then on the boot is with the agent that armed it: the other one arms its own and goes on from there", () => {
  const { w, job, names } = takenOver("bmc.power");
  expect(names.slice(0, 4)).toEqual([
    "arm-netboot, reads first",
    "boot-override, reads first",
    "power-on, reads first",
    "in-ram",
  ]);
  expect(w.ask("job", { job }).state).toBe("succeeded");
  const retry = w.ask("events", { job, after: 0, limit: 200 }).find((e) => e.kind === "target.retry");
  expect(retry?.data).toMatchObject({ why: "its boot was with an agent that is gone" });
});

it("[T5] a machine that the first agent had powered on is touched by no other: a person powers it off and retries", () => {
  const { w, job, names } = takenOver("ramdisk.writeImage", ({ name }) =>
    name === "power-on" ? { outcome: "failed", failure: { code: "machine_powered_on", detail: "" } } : {},
  );
  expect(names).toEqual(["arm-netboot, reads first", "boot-override, reads first", "power-on, reads first"]);
  expect(w.ask("job", { job })).toMatchObject({ state: "waiting", targets: [{ step: "power-on" }] });
});

it("[A5][L5] the boot begins anew whichever branch the other agent takes up first", () => {
  /** The boot is armed beside the inventory, and waits for it before the power goes on. */
  const branched: Workflow = {
    ...serverInstall,
    name: "test.branched",
    plan(input) {
      const made = serverInstall.plan(input);
      if (!made.ok) return made;
      const steps = made.value.steps.map((s) => ({ ...s }));
      const at = (name: string) => steps.find((s) => s.name === name) ?? steps[0];
      const needs = (name: string, ...of: string[]) =>
        Object.assign(at(name) ?? {}, { needs: of.map((o) => at(o)?.n) });
      needs("arm-netboot", "identify");
      needs("boot-override", "arm-netboot");
      needs("power-on", "boot-override", "inventory");
      return ok({ ...made.value, workflow: "test.branched", steps });
    },
  };
  const w = new World(1, { workflows: [branched] });
  const b = w.enroll("b", "y".repeat(43));
  const job = w.start("test.branched", ["srv00000"]);
  const unreachable = {
    outcome: "failed" as const,
    result: undefined,
    failure: { code: "bmc_unreachable", detail: "" },
  };
  w.work((l) => (l.name === "inventory" ? unreachable : {}));
  // The first agent has armed the boot and set the override; the inventory waits for its next try.
  w.now += LEASE_TTL_MS + 1;
  w.sync({}, b);
  w.now += TAKEOVER_MS + 1;
  const got: string[] = [];
  w.work((l) => {
    got.push(l.name);
    return {};
  }, b);
  expect(got.slice(0, 4)).toEqual(["inventory", "arm-netboot", "boot-override", "power-on"]);
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[J10] two agents that take a boot from each other come to an end within the bound of attempts", () => {
  const w = new World(1);
  const agents = [w.agent, w.enroll("b", "y".repeat(43))] as const;
  const job = w.install(["srv00000"]);
  let overrides = 0;
  // Each does the boot's first step and is silent in the second.
  for (let round = 0; round < 100 && w.ask("job", { job }).endedAt === null; round++) {
    const [mine, other] = round % 2 === 0 ? agents : [agents[1], agents[0]];
    w.work(({ name }) => {
      if (name === "boot-override") overrides += 1;
      return name === "boot-override" ? undefined : {};
    }, mine);
    w.now += LEASE_TTL_MS + 1;
    w.do("tick", {});
    w.sync({ free: 0 }, other);
    w.sync({}, other);
    w.now += TAKEOVER_MS + 1;
    w.do("tick", {});
  }
  expect(w.ask("job", { job })).toMatchObject({ state: "failed", targets: [{ failure: { code: "agent_silent" } }] });
  expect(overrides).toBe(MAX_ATTEMPTS);
});

it("[L2] the last attempt that ended unknown leaves the machine closed, as the first one does", () => {
  const { w, b, job, held } = worldAt("bmc.power");
  let lease = held;
  for (let n = 1; n <= MAX_ATTEMPTS; n++) {
    // The agent was restarted within its call.
    const report = w.report(lease, { outcome: "unknown", result: undefined });
    lease = w.sync({ reports: [report], free: n < MAX_ATTEMPTS ? 1 : 0 }).leases[0] ?? lease;
  }
  expect(w.ask("job", { job }).state).toBe("failed");
  w.install(["srv00000"], "k2");
  expect(w.sync({}, b).leases).toEqual([]);
  w.now += TAKEOVER_MS;
  expect(w.sync({}, b).leases).toHaveLength(1);
});

it("[L2] what keeps a machine closed is not made shorter by a later attempt of the same agent", () => {
  const arm: Workflow = {
    name: "test.arm",
    title: "arm",
    startsFrom: ["planned"],
    maxTargets: 1,
    params: [],
    plan(input) {
      const made = serverInstall.plan(input);
      if (!made.ok) return made;
      const step = made.value.steps.find((s) => s.name === "arm-netboot");
      if (!step) throw new Error("no such step");
      return ok({ ...made.value, workflow: "test.arm", steps: [{ ...step, n: 0, needs: [] }] });
    },
  };
  const w = new World(1, { workflows: [arm] });
  const job = w.install(["srv00000"]);
  const held = w.workUpTo("ramdisk.await");
  w.now += 30_000;
  w.sync({ holding: [held.id], free: 0 });
  w.do("job.cancel", { job, actor: "t", reason: "" });
  const until = () => JSON.parse(w.sql.get<{ held: string }>("SELECT held FROM device")?.held ?? "{}").until as number;
  const before = until();
  const second = w.start("test.arm", ["srv00000"]);
  expect(w.sync().leases).toHaveLength(1);
  w.do("job.cancel", { job: second, actor: "t", reason: "" });
  expect(until()).toBeGreaterThanOrEqual(before);
});
