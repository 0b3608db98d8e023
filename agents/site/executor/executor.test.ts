import { expect, it } from "vitest";
import { actions } from "../../../shared/actions/index.ts";
import { ok } from "../../../shared/errors.ts";
import { fakeBmc } from "../testing/fake-bmc.ts";
import { type FakeWorld, fakeWorld } from "../testing/fake-world.ts";
import { lease, SERIAL, target } from "../testing/fixtures.ts";
import { handlers } from "./handlers.ts";
import type { Handlers } from "./step.ts";

const reports = (w: FakeWorld) => w.world.journal.attempts.reports(100);
const writes = (w: FakeWorld) => w.bmc.state.log.filter((l) => !l.startsWith("GET") && !l.includes("/Sessions"));

async function run(w: FakeWorld, l: ReturnType<typeof lease>, ms = 0) {
  w.executor.take([l], w.time.clock.monotonic());
  // The link renews what is held, well before it runs out.
  for (let left = ms; left > 0; left -= 10_000) {
    await w.time.advance(Math.min(left, 10_000));
    w.executor.renewed(w.executor.holding(), w.time.clock.monotonic());
  }
  await w.time.settle();
  return reports(w).find((r) => r.lease === l.id);
}

it("has a handler for every action of the agent", () => {
  const wanted = Object.entries(actions).filter(([, spec]) => spec.executor === "agent");
  expect(Object.keys(handlers).sort()).toEqual(wanted.map(([name]) => name).sort());
});

it("[T2] reads the serial as the vendor gives it and compares without case", async () => {
  const w = fakeWorld({
    bmc: fakeBmc("sn-0001", { manufacturer: "Dell Inc.", systemPath: "/redfish/v1/Systems/System.Embedded.1" }),
  });
  expect(await run(w, lease("bmc.identify"))).toMatchObject({
    outcome: "succeeded",
    result: { serial: "sn-0001", power: "Off" },
  });
});

it("[T2] takes a recorded alias", async () => {
  const w = fakeWorld({ bmc: fakeBmc("OLD-BOARD") });
  const l = lease("bmc.identify", { target: { ...target(), aliases: ["old-board"] } });
  expect((await run(w, l))?.outcome).toBe("succeeded");
});

it("[T2] touches nothing on a machine with another serial, whatever it is asked", async () => {
  for (const action of ["bmc.identify", "bmc.bootOverride", "bmc.power"] as const) {
    const w = fakeWorld({ bmc: fakeBmc("OTHER") });
    expect(await run(w, lease(action))).toMatchObject({ outcome: "failed", failure: { code: "identity_mismatch" } });
    expect(writes(w)).toEqual([]);
  }
});

/** Before the first write comes in, its session ends, and perhaps another machine answers at the address. */
function beforeTheWrite(w: FakeWorld, what: () => void): void {
  const { handle } = w.bmc;
  let met = false;
  w.bmc.handle = (request) => {
    if (!met && (request.method === "PATCH" || request.url.endsWith("ComputerSystem.Reset"))) {
      met = true;
      w.bmc.state.sessions.clear();
      what();
    }
    return handle(request);
  };
}

it("[T2] sends no write to a machine that took the place of the one whose serial it had read", async () => {
  for (const action of ["bmc.bootOverride", "bmc.power"] as const) {
    const w = fakeWorld();
    beforeTheWrite(w, () => {
      w.bmc.state.serial = "OTHER";
    });
    expect(await run(w, lease(action))).toMatchObject({ failure: { code: "identity_mismatch" } });
    expect(writes(w)).toEqual([expect.stringMatching(/ 401$/)]);
  }
});

it("[T2] reads the serial again where the session ended between that and the write", async () => {
  for (const action of ["bmc.bootOverride", "bmc.power"] as const) {
    const w = fakeWorld();
    beforeTheWrite(w, () => {});
    expect((await run(w, lease(action)))?.outcome).toBe("succeeded");
    expect(writes(w)).toEqual([expect.stringMatching(/ 401$/), expect.stringMatching(/ 204$/)]);
    const { log } = w.bmc.state;
    const between = log.slice(log.indexOf(writes(w)[0] ?? "") + 1, log.indexOf(writes(w)[1] ?? ""));
    expect(between).toContain("GET /redfish/v1/Systems/1 200");
  }
});

it("gives up a write whose session ends each time", async () => {
  const w = fakeWorld();
  const { handle } = w.bmc;
  w.bmc.handle = (request) => {
    if (request.method === "PATCH") w.bmc.state.sessions.clear();
    return handle(request);
  };
  expect(await run(w, lease("bmc.bootOverride"))).toMatchObject({ failure: { code: "bmc_unavailable" } });
});

it("[T2] touches nothing when the serial cannot be read", async () => {
  const w = fakeWorld({ bmc: fakeBmc("To be filled by O.E.M.") });
  expect(await run(w, lease("bmc.power"))).toMatchObject({ failure: { code: "identity_unreadable" } });
  expect(writes(w)).toEqual([]);
});

it("[T3] refuses a lease of another site", async () => {
  const w = fakeWorld();
  expect(await run(w, lease("bmc.power", { site: "st_bbbbbbbbbb" }))).toMatchObject({
    failure: { code: "wrong_site" },
  });
  expect(w.bmc.state.log).toEqual([]);
});

it("[T5] leaves a machine alone that is on without our doing", async () => {
  for (const action of ["bmc.bootOverride", "bmc.power"] as const) {
    const w = fakeWorld();
    w.bmc.state.power = "On";
    expect(await run(w, lease(action))).toMatchObject({ failure: { code: "machine_powered_on" } });
    expect(writes(w)).toEqual([]);
  }
});

it("[T5] forgets that it powered a machine on once it was seen off", async () => {
  const w = fakeWorld();
  expect((await run(w, lease("bmc.power")))?.outcome).toBe("succeeded");
  expect((await run(w, lease("bmc.bootOverride")))?.outcome).toBe("succeeded");
  w.bmc.state.power = "Off";
  w.bmc.state.boot.BootSourceOverrideEnabled = "Disabled";
  expect((await run(w, lease("bmc.bootOverride")))?.outcome).toBe("succeeded");
  // Somebody else switches it on.
  w.bmc.state.power = "On";
  expect(await run(w, lease("bmc.bootOverride"))).toMatchObject({ failure: { code: "machine_powered_on" } });
});

it("[T5] leaves an asset alone that reached service through this agent", async () => {
  const w = fakeWorld();
  w.world.journal.machines.markInService(target(), 1);
  for (const action of ["netboot.arm", "bmc.bootOverride", "bmc.power", "ramdisk.writeImage"] as const)
    expect(await run(w, lease(action))).toMatchObject({ failure: { code: "asset_in_service" } });
  expect(writes(w)).toEqual([]);
});

it("sends a lost power command again and says how often", async () => {
  const w = fakeWorld();
  w.bmc.faults.lostPower = 1;
  expect(await run(w, lease("bmc.power"), 200_000)).toMatchObject({
    outcome: "succeeded",
    result: { before: "Off", after: "On", commands: 2 },
    evidence: { repeats: { power: 1 } },
  });
});

it("ends with power_no_effect when no command has an effect", async () => {
  const w = fakeWorld();
  w.bmc.faults.lostPower = 99;
  expect(await run(w, lease("bmc.power"), 400_000)).toMatchObject({
    failure: { code: "power_no_effect" },
    evidence: { repeats: { power: 2 } },
  });
  expect(writes(w)).toHaveLength(3);
});

it("[A4] keeps a budget of power commands over the hour, on disk", async () => {
  const w = fakeWorld({ config: { powerBudgetPerHour: 4 } });
  w.bmc.faults.lostPower = 99;
  await run(w, lease("bmc.power"), 400_000);
  expect(await run(w, lease("bmc.power"), 400_000)).toMatchObject({ failure: { code: "power_budget_spent" } });
  expect(writes(w)).toHaveLength(4);
  await w.time.advance(3_600_000);
  w.bmc.faults.lostPower = 0;
  expect((await run(w, lease("bmc.power"), 400_000))?.outcome).toBe("succeeded");
});

it("takes a power command for done when its answer was lost but the state shows it", async () => {
  const w = fakeWorld();
  w.bmc.faults.mute = 1;
  expect(await run(w, lease("bmc.power"), 10_000)).toMatchObject({ outcome: "succeeded", result: { commands: 1 } });
});

it("writes the boot override again where the BMC dropped it in silence", async () => {
  const w = fakeWorld();
  w.bmc.faults.ignoredBoot = 2;
  expect(await run(w, lease("bmc.bootOverride"), 30_000)).toMatchObject({
    outcome: "succeeded",
    result: { after: "Pxe Once UEFI" },
    evidence: { repeats: { bootOverride: 2 } },
  });
  w.bmc.state.boot.BootSourceOverrideEnabled = "Disabled";
  w.bmc.faults.ignoredBoot = 99;
  expect(await run(w, lease("bmc.bootOverride"), 30_000)).toMatchObject({ failure: { code: "bmc_error" } });
});

it("writes nothing where the override is in force already", async () => {
  const w = fakeWorld();
  await run(w, lease("bmc.bootOverride"));
  const before = writes(w).length;
  expect((await run(w, lease("bmc.bootOverride")))?.outcome).toBe("succeeded");
  expect(writes(w)).toHaveLength(before);
});

it("[L2] refuses a lease with a lower epoch than one seen before", async () => {
  const w = fakeWorld();
  const old = lease("bmc.power");
  await run(w, lease("bmc.identify"));
  expect(await run(w, old)).toMatchObject({ outcome: "failed", failure: { code: "stale_epoch" } });
  expect(writes(w)).toEqual([]);
});

it("[L2] makes no further call for an attempt that a newer epoch has overtaken", async () => {
  const w = fakeWorld();
  w.bmc.faults.lostPower = 99;
  const old = lease("bmc.power");
  w.executor.take([old], w.time.clock.monotonic());
  await w.time.advance(5000);
  const sent = writes(w).length;
  const fresh = await run(w, lease("bmc.identify"), 1000);
  expect(fresh?.outcome).toBe("succeeded");
  await w.time.advance(300_000);
  expect(writes(w)).toHaveLength(sent);
  // The coordinator gave the newer one: of the older there is nothing to say.
  expect(reports(w).map((r) => r.lease)).not.toContain(old.id);
});

it("[L3] starts no call whose time-out does not fit into the lease, and goes on once it is renewed", async () => {
  const w = fakeWorld();
  const l = lease("bmc.identify", { ttlMs: 60_000 });
  // The sync was sent 41 s ago: 19 s are left, a call may take 20.
  await w.time.advance(41_000);
  w.executor.take([l], 0);
  await w.time.settle();
  expect(w.bmc.state.log).toEqual([]);
  expect(w.renewals).toBeGreaterThan(0);
  w.executor.renewed([l.id], w.time.clock.monotonic());
  await w.time.settle();
  expect(reports(w)[0]?.outcome).toBe("succeeded");
});

it("[L3] counts on the monotonic clock: a jump of the wall clock changes nothing", async () => {
  const w = fakeWorld();
  w.time.jump(86_400_000);
  expect((await run(w, lease("bmc.identify")))?.outcome).toBe("succeeded");
});

it("[A1] holds without a renewal, and drops the attempt when the lease is taken back", async () => {
  const w = fakeWorld();
  w.bmc.faults.lostPower = 99;
  const l = lease("bmc.power");
  w.executor.take([l], w.time.clock.monotonic());
  await w.time.advance(600_000);
  // 60 s of lease: one command; the second would have been due later.
  expect(writes(w)).toHaveLength(1);
  expect(w.executor.holding()).toEqual([l.id]);
  w.executor.revoked([l.id]);
  await w.time.settle();
  expect(w.executor.holding()).toEqual([]);
  expect(reports(w)).toEqual([]);
});

it("fails an attempt at its deadline", async () => {
  const w = fakeWorld();
  const l = lease("bmc.power", { deadlineMs: 30_000 });
  w.bmc.faults.lostPower = 99;
  expect(await run(w, l, 40_000)).toMatchObject({ failure: { code: "deadline_exceeded" } });
});

it("[L6] runs a lease that is delivered twice once", async () => {
  const w = fakeWorld();
  const l = lease("bmc.identify");
  await run(w, l);
  const calls = w.bmc.state.log.length;
  await run(w, l);
  expect(w.bmc.state.log).toHaveLength(calls);
  expect(reports(w)).toHaveLength(1);
});

it("[A2] has the attempt in the journal before its handler starts", async () => {
  let seen = 0;
  const spy: Handlers = {
    ...handlers,
    "netboot.arm": async (_step, world) => {
      seen = world.journal.attempts.recover(1);
      return ok({ boot: "b", mac: "m" });
    },
  };
  await run(fakeWorld({ handlers: spy }), lease("netboot.arm"));
  expect(seen).toBe(1);
});

it("[S4] fails a step whose result is larger than any report may be, and says how large it was", async () => {
  const endless: Handlers = { ...handlers, "netboot.arm": async () => ok({ boot: "b".repeat(200_000), mac: "m" }) };
  const report = await run(fakeWorld({ handlers: endless }), lease("netboot.arm"));
  expect(report).toMatchObject({ outcome: "failed", failure: { code: "agent_defect" } });
  expect(report?.failure?.detail).toContain("200021 characters");
  expect(report).not.toHaveProperty("result");
});

it("[S4] takes a serial of endless length for none", async () => {
  const w = fakeWorld({ bmc: fakeBmc("S".repeat(5_000)) });
  expect(await run(w, lease("bmc.identify"))).toMatchObject({ failure: { code: "identity_unreadable" } });
});

it("[A7] reports a defect without its text", async () => {
  const broken: Handlers = {
    ...handlers,
    "netboot.arm": async () => {
      throw new Error("password hunter2");
    },
  };
  const report = await run(fakeWorld({ handlers: broken }), lease("netboot.arm"));
  expect(report).toMatchObject({ outcome: "failed", failure: { code: "agent_defect" } });
  expect(JSON.stringify(report)).not.toContain("hunter2");
});

it("refuses an action that it does not know and parameters that do not fit", async () => {
  const w = fakeWorld();
  expect(await run(w, lease("no.such"))).toMatchObject({ failure: { code: "action_unknown" } });
  expect(await run(w, lease("bmc.power", { params: { state: "Sideways" } }))).toMatchObject({
    failure: { code: "agent_defect" },
  });
});

it("reports a drained attempt as unknown and takes nothing more", async () => {
  const w = fakeWorld();
  w.bmc.faults.lostPower = 99;
  const l = lease("bmc.power");
  w.executor.take([l], 0);
  await w.time.advance(3000);
  const drained = w.executor.drain();
  await w.time.settle();
  await drained;
  expect(reports(w)).toMatchObject([{ lease: l.id, outcome: "unknown" }]);
  expect(w.executor.free()).toBe(0);
});

it("compares the parts that the BMC tells with the bill of materials", async () => {
  const w = fakeWorld();
  expect((await run(w, lease("bmc.inventory")))?.outcome).toBe("succeeded");
  expect(SERIAL).toBe(w.bmc.state.serial);
});
