import { beforeEach, expect, it } from "vitest";
import type { Approval } from "../../../shared/model/approval.ts";
import type { Plan } from "../../../shared/model/plan.ts";
import { newTestKey } from "../../../shared/model/test-keys.ts";
import { approve, approvedBy, leaseOf, plannedWipe } from "../testing/approved.ts";
import { fakeBmc } from "../testing/fake-bmc.ts";
import { type FakeWorld, type FakeWorldOptions, fakeWorld, testConfig } from "../testing/fake-world.ts";
import { lease, MAC, SERIAL, target } from "../testing/fixtures.ts";

const [ann, bob, olga, eve] = [newTestKey(), newTestKey(), newTestKey(), newTestKey()];
const plan = plannedWipe();
const both = [approve(plan, "ann", ann), approve(plan, "bob", bob)];

let w: FakeWorld;
/** A machine in service, on, that reached it through this agent. */
function inService(options: FakeWorldOptions = {}): void {
  w = fakeWorld({ bmc: fakeBmc(SERIAL, { resetTypes: ["On", "ForceOff", "GracefulShutdown"] }), ...options });
  w.bmc.state.power = "On";
  const { machines, approvers } = w.world.journal;
  machines.markInService(target(), 1);
  const list = Object.entries({ ann, bob, olga }).map(([person, key]) => ({ person, key: key.x }));
  approvers.set({ revision: 1, approvers: list }, "test", 1);
  told(plan, both);
}
const told = (of: Plan, approvals: Approval[]) => w.plans.set(of.id, approvedBy(of, ...approvals));
beforeEach(() => inService());

async function run(l: ReturnType<typeof lease>, ms = 0) {
  w.executor.take([l], w.time.clock.monotonic());
  for (let left = ms; left > 0; left -= 10_000) {
    await w.time.advance(Math.min(left, 10_000));
    w.executor.renewed(w.executor.holding(), w.time.clock.monotonic());
  }
  await w.time.settle();
  return w.world.journal.attempts.reports(100).find((r) => r.lease === l.id);
}
const code = async (l: ReturnType<typeof lease>) => (await run(l))?.failure?.code ?? "let through";
const writes = () => w.bmc.state.log.filter((l) => !l.startsWith("GET") && !l.includes("/Sessions"));
const powerOff = (of = plan, more = {}) => leaseOf(of, 0, more);

it("[T5][G4] powers a machine in service off by a plan that two of its list have approved, and says by whom", async () => {
  const report = await run(powerOff());
  expect(report).toMatchObject({ outcome: "succeeded", evidence: { approvedBy: ["ann", "bob"] } });
  expect(w.bmc.state.power).toBe("Off");
});

it("[T5] a first install touches nothing that is in service, whatever else is approved", async () => {
  for (const action of ["netboot.arm", "bmc.bootOverride", "bmc.power", "ramdisk.writeImage"] as const)
    expect(await code(lease(action, { plan: { id: plan.id, hash: leaseOf(plan, 0).plan.hash } }))).toBe(
      "asset_in_service",
    );
  expect(writes()).toEqual([]);
});

it("[G4] refuses an approval that is forged, of nobody on its list, of the requester, or of one person twice", async () => {
  const forged = { ...approve(plan, "bob", eve), key: bob.x };
  const cases: [string, Approval[]][] = [
    ["approval_missing", []],
    ["approval_missing", [both[0] as Approval]],
    ["approval_invalid", [both[0] as Approval, forged]],
    ["approver_unknown", [both[0] as Approval, approve(plan, "bob", eve)]],
    ["approver_unknown", [both[0] as Approval, approve(plan, "eve", eve)]],
    ["approver_is_requester", [both[0] as Approval, approve(plan, "olga", olga)]],
    ["approver_repeated", [both[0] as Approval, approve(plan, "ann", ann, { at: 2 })]],
    ["approval_expired", [both[0] as Approval, approve(plan, "bob", bob, { expiresAt: 1 })]],
  ];
  for (const [wanted, approvals] of cases) {
    inService();
    told(plan, approvals);
    expect([wanted, await code(powerOff())]).toEqual([wanted, wanted]);
    expect(writes()).toEqual([]);
  }
  const counted = await w.world.metrics.registry.metrics();
  expect(counted).toContain('turnup_agent_acts_refused_total{code="approval_expired"} 1');
});

it("[G4] refuses approvals of another plan, and a lease that is no row of the plan", async () => {
  const other = plannedWipe({ id: "pln_aaaaaaaaaa_0000000000000002" });
  told(other, both);
  expect(await code(powerOff(other))).toBe("approval_invalid");
  const spoils = [
    powerOff(plan, { params: { state: "On" } }),
    powerOff(plan, { name: "another" }),
    powerOff(plan, { step: 2 }),
    powerOff(plan, { step: 99 }),
    powerOff(plan, { target: { ...target(), aliases: ["x"] } }),
    powerOff(plan, { mode: "keep-data" }),
    powerOff(plan, { plan: { id: other.id, hash: leaseOf(plan, 0).plan.hash } }),
    powerOff(plan, { plan: { id: plan.id, hash: "0".repeat(64) } }),
    leaseOf(plan, 2, { params: { state: "Off" } }),
  ];
  for (const spoilt of spoils) expect(await code(spoilt)).toBe("plan_mismatch");
  expect(writes()).toEqual([]);
});

it("[T5] refuses more than 5 targets by one person, and more than 20 by anybody", async () => {
  const many = (n: number, approvals: number) =>
    plannedWipe({
      mode: "keep-data",
      approvals,
      targets: [target(), ...Array.from({ length: n - 1 }, (_, i) => target(i + 2))],
    });
  const asked: [number, number, number, string][] = [
    [5, 1, 1, "let through"],
    [6, 1, 1, "cap_needs_approval"],
    [20, 2, 2, "let through"],
    [21, 2, 2, "cap_exceeded"],
  ];
  for (const [n, approvals, persons, wanted] of asked) {
    inService();
    const large = many(n, approvals);
    told(large, [approve(large, "ann", ann), approve(large, "bob", bob)].slice(0, persons));
    expect([n, await code(powerOff(large))]).toEqual([n, wanted]);
  }
});

it("[G4] asks for as many people as its own file says, and for two where data is wiped, whatever the plan says", async () => {
  const few = plannedWipe({ approvals: 0 });
  told(few, [approve(few, "ann", ann)]);
  expect(await code(powerOff(few))).toBe("approval_missing");
  const least = { ...testConfig.approvals, actions: { "bmc.power": 3 } };
  inService({ config: { approvals: least } });
  expect(await code(powerOff())).toBe("approval_missing");
});

it("[G4] lets an approved step run once; asked to read it, it tells what it was", async () => {
  expect(await code(powerOff())).toBe("let through");
  w.bmc.state.power = "On";
  expect(await code(powerOff())).toBe("step_already_run");
  expect(await run(powerOff(plan, { resolve: true }))).toMatchObject({
    outcome: "succeeded",
    result: { before: "On", after: "Off", commands: 1 },
    evidence: { toldFrom: "the agent's journal" },
  });
  expect(writes()).toHaveLength(1);
});

it("[G4] tries an approved step again that has failed", async () => {
  w.bmc.faults.lostPower = 99;
  expect((await run(powerOff(), 600_000))?.failure?.code).toBe("power_no_effect");
  w.bmc.faults.lostPower = 0;
  expect((await run(powerOff(), 600_000))?.outcome).toBe("succeeded");
});

it("[G4] ends a plan when its machine is in service again", async () => {
  expect(await code(powerOff())).toBe("let through");
  expect(await code(leaseOf(plan, 1))).toBe("let through");
  expect(await code(leaseOf(plan, 2))).toBe("let through");
  const [boot] = w.world.journal.boots.all();
  await w.post("/os/v1/first-boot", { v: 1, nonce: boot?.nonce, serial: SERIAL, bootedFrom: "disk SYS-01" });
  expect(await code(leaseOf(plan, 5))).toBe("let through");
  const before = writes().length;
  for (const n of [0, 1, 2]) expect(await code(leaseOf(plan, n))).toBe("step_already_run");
  expect(writes()).toHaveLength(before);
});

it("[G4] judges expiry by its own clock, when the plan begins; what is out is brought to its end", async () => {
  const short = plannedWipe({ expiresAt: w.time.clock.now() + 60_000 });
  told(short, [approve(short, "ann", ann), approve(short, "bob", bob)]);
  expect(await code(powerOff(short))).toBe("let through");
  w.time.jump(60_000);
  expect(await code(leaseOf(short, 1))).toBe("let through");
  const [boot] = w.world.journal.boots.all();
  await w.post("/ramdisk/v1/hello", { v: 1, nonce: boot?.nonce, mac: MAC, serial: SERIAL });
  expect(await code(leaseOf(short, 3))).toBe("plan_expired");
  inService();
  const late = plannedWipe({ expiresAt: w.time.clock.now() });
  told(late, [approve(late, "ann", ann), approve(late, "bob", bob)]);
  expect(await code(powerOff(late))).toBe("plan_expired");
});

it("[T5] a machine that is on without its doing is touched by an approved plan alone", async () => {
  w = fakeWorld();
  w.bmc.state.power = "On";
  expect(await code(lease("bmc.power", { params: { state: "Off" } }))).toBe("machine_powered_on");
  expect(await code(powerOff())).toBe("approval_missing");
  expect(writes()).toEqual([]);
});

it("[T5] what stands there counts: a lease that calls it otherwise does not hide that it is in service", async () => {
  w.bmc.state.power = "Off";
  const alias = { ...target(), asset: "ast_x", serial: "ELSE", aliases: [SERIAL] };
  expect(await code(lease("bmc.power", { target: alias }))).toBe("asset_in_service");
  expect(writes()).toEqual([]);
});

it("[A1] waits for the plan while the control plane does not answer, and touches nothing meanwhile", async () => {
  let down = true;
  const answer = w.world.planOf;
  w.world.planOf = async (id) => (down ? "unreachable" : answer(id));
  const l = powerOff();
  expect(await run(l, 30_000)).toBeUndefined();
  expect(writes()).toEqual([]);
  down = false;
  expect(await run(l, 60_000)).toMatchObject({ outcome: "succeeded" });
});
