import { expect, it } from "vitest";
import type { RamdiskCommand } from "../../../shared/protocol/ramdisk.ts";
import { type FakeWorld, fakeWorld } from "../testing/fake-world.ts";
import { image, lease, MAC, medium, SERIAL, target } from "../testing/fixtures.ts";
import { tellBoots } from "./boots.ts";

const reports = (w: FakeWorld) => w.world.journal.attempts.reports(100);
const report = (w: FakeWorld, l: { id: string }) => reports(w).find((r) => r.lease === l.id);

function take(w: FakeWorld, l: ReturnType<typeof lease>) {
  w.executor.take([l], w.time.clock.monotonic());
  return l;
}
async function pass(w: FakeWorld, ms: number) {
  for (let left = ms; left > 0; left -= 10_000) {
    await w.time.advance(Math.min(left, 10_000));
    w.executor.renewed(w.executor.holding(), w.time.clock.monotonic());
  }
  await w.time.settle();
}
async function armed(w: FakeWorld): Promise<string> {
  take(w, lease("netboot.arm"));
  await w.time.settle();
  return w.world.journal.boots.all()[0]?.nonce ?? "";
}
const hello = (w: FakeWorld, nonce: string, serial = SERIAL) =>
  w.post("/ramdisk/v1/hello", { v: 1, nonce, mac: MAC, serial });
async function inRam(w: FakeWorld): Promise<string> {
  const nonce = await armed(w);
  await w.get(`/boot/ipxe?mac=${MAC}`);
  await hello(w, nonce);
  return nonce;
}
const poll = async (w: FakeWorld, nonce: string, commands: unknown[] = []) => {
  const reply = w.post("/ramdisk/v1/poll", { v: 1, nonce, commands });
  await w.time.settle();
  return reply;
};
const commandOf = (reply: { body: unknown }) => (reply.body as { command?: RamdiskCommand }).command;

const proof = {
  serial: medium.serial,
  bytes: image.sizeBytes,
  wireSha256: image.sha256,
  readBackSha256: image.sha256,
  resumed: 0,
};

it("keeps the boot of the same job when it is armed again, and closes another job's", async () => {
  const w = fakeWorld();
  const first = await armed(w);
  expect(await armed(w)).toBe(first);
  expect(reports(w).map((r) => r.outcome)).toEqual(["succeeded", "succeeded"]);
  take(w, lease("netboot.arm", { job: "job_aaaaaaaaaa_0000000000000002" }));
  await w.time.settle();
  expect(w.world.journal.boots.all()).toHaveLength(1);
  expect(w.world.journal.boots.byNonce(first)?.closedAt).not.toBeNull();
});

it("[A5] a boot lives for as long as the control plane wants it, and ends by itself after its silence", async () => {
  const w = fakeWorld();
  const nonce = await armed(w);
  const status = async () => (await w.get(`/boot/env.json?nonce=${nonce}`)).status;
  const HOUR = 3_600_000;
  // Five tries of a start of 90 minutes, a queue, a pause, a person who decides after days.
  for (let n = 0; n < 30; n++) {
    w.time.jump(6 * HOUR);
    tellBoots(w.world, []);
  }
  expect(await status()).toBe(200);
  w.time.jump(7 * HOUR);
  expect(await status()).toBe(410);
  const late = take(w, lease("ramdisk.await"));
  await w.time.settle();
  expect(report(w, late)).toMatchObject({ failure: { code: "boot_closed" } });
  // Too late: a credential that has ended is not made good again.
  tellBoots(w.world, []);
  expect(await status()).toBe(410);
});

it("[A5] keeps a boot with a write at each half of its time, and no more often", async () => {
  const w = fakeWorld();
  await armed(w);
  const ends = () => w.sql.get<{ ends_at: number }>("SELECT ends_at FROM boot")?.ends_at;
  const first = ends();
  w.time.jump(3 * 3_600_000);
  tellBoots(w.world, []);
  expect(ends()).toBe(first);
  w.time.jump(3_600_000);
  tellBoots(w.world, []);
  expect(ends()).toBe((first ?? 0) + 4 * 3_600_000);
  tellBoots(w.world, [{ job: lease("netboot.arm").job, device: target().device }]);
  expect(w.world.journal.boots.all()).toEqual([]);
});

it("waits for the phone-home and needs no BMC call for it", async () => {
  const w = fakeWorld();
  const nonce = await armed(w);
  const l = take(w, lease("ramdisk.await"));
  await pass(w, 100_000);
  expect(report(w, l)).toBeUndefined();
  await w.get(`/boot/ipxe?mac=${MAC}`);
  await hello(w, nonce);
  await w.time.settle();
  expect(report(w, l)).toMatchObject({ outcome: "succeeded" });
  expect(w.bmc.state.log).toEqual([]);
});

it("sets override and power anew when the machine never asked for its boot script", async () => {
  const w = fakeWorld();
  const nonce = await armed(w);
  take(w, lease("bmc.power"));
  await w.time.settle();
  const l = take(w, lease("ramdisk.await"));
  await pass(w, 620_000);
  const posts = w.bmc.state.log.filter((x) => x.includes("ComputerSystem.Reset 204"));
  expect(posts).toHaveLength(3);
  expect(w.bmc.state).toMatchObject({ power: "On", boot: { BootSourceOverrideTarget: "Pxe" } });
  await hello(w, nonce);
  await w.time.settle();
  expect(report(w, l)).toMatchObject({
    outcome: "succeeded",
    evidence: { restart1: "no request for the boot script", repeats: { restart: 1 } },
  });
});

it("leaves a machine in POST for as long as its hardware class says that it may take", async () => {
  const w = fakeWorld();
  const nonce = await armed(w);
  take(w, lease("bmc.power"));
  await w.time.settle();
  const l = take(w, lease("ramdisk.await", { deadlineMs: 5_400_000 }));
  await pass(w, 1_500_000);
  expect(w.bmc.state.log.filter((x) => x.includes("ComputerSystem.Reset 204"))).toHaveLength(1);
  await w.get(`/boot/ipxe?mac=${MAC}`);
  await hello(w, nonce);
  await w.time.settle();
  expect(report(w, l)).toMatchObject({ outcome: "succeeded" });
});

it("[J3] leaves it alone for as long also in an attempt that has less time left: its lease was said again", async () => {
  const w = fakeWorld();
  await armed(w);
  take(w, lease("bmc.power"));
  await w.time.settle();
  take(w, lease("ramdisk.await", { deadlineMs: 1_700_000, attemptMs: 5_400_000, resolve: true }));
  await pass(w, 1_600_000);
  expect(w.bmc.state.log.filter((x) => x.includes("ComputerSystem.Reset 204"))).toHaveLength(1);
});

it("leaves a machine alone that has asked for its boot script (lesson C7), then starts it anew with a fresh nonce", async () => {
  const w = fakeWorld();
  const nonce = await armed(w);
  take(w, lease("bmc.power"));
  await w.time.settle();
  const l = take(w, lease("ramdisk.await"));
  await pass(w, 500_000);
  await w.get(`/boot/ipxe?mac=${MAC}`);
  const before = w.bmc.state.log.length;
  await pass(w, 590_000);
  expect(w.bmc.state.log).toHaveLength(before);
  await pass(w, 30_000);
  expect(w.world.journal.boots.all()).toHaveLength(1);
  const fresh = w.world.journal.boots.all()[0]?.nonce ?? "";
  expect(fresh).not.toBe(nonce);
  // [L5] The start that was given up may still come up: it is told so and changes nothing.
  expect((await hello(w, nonce)).status).toBe(410);
  await w.time.settle();
  expect(report(w, l)).toBeUndefined();
  await hello(w, fresh);
  await w.time.settle();
  expect(report(w, l)?.outcome).toBe("succeeded");
});

it("[L5] does not take the phone-home of a start whose power it took for one of the next start", async () => {
  const w = fakeWorld();
  const nonce = await armed(w);
  take(w, lease("bmc.power"));
  await w.time.settle();
  // It comes up at the very moment in which it is given up.
  w.bmc.onPower = (power) => {
    if (power !== "Off") return;
    void w.get(`/boot/ipxe?mac=${MAC}`);
    void hello(w, nonce);
  };
  const l = take(w, lease("ramdisk.await"));
  await pass(w, 620_000);
  expect(w.bmc.state.power).toBe("On");
  expect(report(w, l)).toBeUndefined();
  const fresh = w.world.journal.boots.all()[0]?.nonce ?? "";
  expect(fresh).not.toBe(nonce);
  await w.get(`/boot/ipxe?mac=${MAC}`);
  await hello(w, fresh);
  await w.time.settle();
  expect(report(w, l)).toMatchObject({ outcome: "succeeded" });
});

it("[T2] stops when another machine booted than the BMC belongs to", async () => {
  const w = fakeWorld();
  const nonce = await armed(w);
  await hello(w, nonce, "OTHER");
  const l = take(w, lease("ramdisk.await"));
  await w.time.settle();
  expect(report(w, l)).toMatchObject({ failure: { code: "identity_mismatch" } });
  const write = take(w, lease("ramdisk.writeImage"));
  await w.time.settle();
  expect(report(w, write)).toMatchObject({ failure: { code: "identity_mismatch" } });
  expect(
    commandOf(await w.post("/ramdisk/v1/poll", { v: 1, nonce, commands: [{ id: "x", state: "running", percent: 1 }] })),
  ).toBeUndefined();
});

it("gives a waiting machine its command at once, takes progress, and the result", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  const held = poll(w, nonce);
  await w.time.settle();
  const l = take(w, lease("ramdisk.writeImage"));
  await w.time.settle();
  const command = commandOf(await held);
  expect(command).toMatchObject({ kind: "write-image", id: "write-image-1", url: "http://agent.test/images/demo.img" });
  await poll(w, nonce, [{ id: "write-image-1", state: "running", percent: 40.7 }]);
  expect(w.executor.progress()).toMatchObject([{ lease: l.id, percent: 40 }]);
  expect(w.executor.progress()).toEqual([]);
  await poll(w, nonce, [{ id: "write-image-1", state: "succeeded", percent: 100, result: proof }]);
  expect(report(w, l)).toMatchObject({ outcome: "succeeded", result: proof });
});

it("[J4] joins the write of an earlier attempt instead of ordering a second one", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  take(w, lease("ramdisk.writeImage"));
  await w.time.settle();
  await poll(w, nonce);
  const l = take(w, lease("ramdisk.writeImage", { resolve: true }));
  await w.time.settle();
  expect(w.world.journal.boots.commands(w.world.journal.boots.all()[0]?.id ?? "")).toHaveLength(1);
  await poll(w, nonce, [{ id: "write-image-1", state: "succeeded", percent: 100, result: proof }]);
  expect(report(w, l)?.outcome).toBe("succeeded");
  const third = take(w, lease("ramdisk.writeImage", { resolve: true }));
  await w.time.settle();
  expect(report(w, third)?.outcome).toBe("succeeded");
});

it("[L2][L3] gives a machine no command while no live lease stands behind it, and gives it once one does", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  const l = take(w, lease("ramdisk.writeImage"));
  await w.time.settle();
  await w.time.advance(60_000);
  // The lease has run out: the machine that comes only now waits in vain.
  const late = poll(w, nonce);
  await w.time.advance(20_000);
  expect(commandOf(await late)).toBeUndefined();
  w.executor.renewed([l.id], w.time.clock.monotonic());
  expect(commandOf(await poll(w, nonce))).toMatchObject({ kind: "write-image" });
  w.executor.revoked([l.id]);
  await w.time.settle();
  const after = poll(w, nonce);
  await w.time.advance(20_000);
  expect(commandOf(await after)).toBeUndefined();
  // The next attempt takes the same command up.
  const waiting = poll(w, nonce);
  take(w, lease("ramdisk.writeImage"));
  await w.time.settle();
  expect(commandOf(await waiting)).toMatchObject({ id: "write-image-1" });
});

it("[A2] a command is safe on disk before a machine is given it", async () => {
  let durable: unknown[] = [];
  const w = fakeWorld({
    durable: (sql) => {
      durable = sql.all("SELECT id FROM command");
    },
  });
  const nonce = await inRam(w);
  const waiting = poll(w, nonce);
  take(w, lease("ramdisk.writeImage"));
  await w.time.settle();
  expect(commandOf(await waiting)).toMatchObject({ id: "write-image-1" });
  expect(durable).toEqual([{ id: "write-image-1" }]);
});

it("does not take a proof whose hash is not the image's", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  const l = take(w, lease("ramdisk.writeImage"));
  await w.time.settle();
  await poll(w, nonce, [
    { id: "write-image-1", state: "succeeded", percent: 100, result: { ...proof, readBackSha256: "00".repeat(32) } },
  ]);
  expect(report(w, l)).toMatchObject({ failure: { code: "verify_failed" } });
});

it("does not order a write of an image that it does not have as planned", async () => {
  const w = fakeWorld();
  await inRam(w);
  for (const wrong of [
    { ...image, sha256: "00".repeat(32) },
    { ...image, name: "none.img" },
  ]) {
    const l = take(w, lease("ramdisk.writeImage", { params: { medium, image: wrong } }));
    await w.time.settle();
    expect(report(w, l)).toMatchObject({ failure: { code: "image_unavailable" } });
  }
  expect(w.world.journal.boots.commands(w.world.journal.boots.all()[0]?.id ?? "")).toEqual([]);
});

it("[T5] passes on that the drive is not blank", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  const l = take(w, lease("ramdisk.proveBlank"));
  await w.time.settle();
  const failure = { code: "disk_not_blank", detail: "A partition table in block 0." };
  await poll(w, nonce, [{ id: "prove-blank-1", state: "failed", percent: 0, failure }]);
  expect(report(w, l)).toMatchObject({ outcome: "failed", failure });
});

it("gives a failed command again under a new id, in a later attempt only", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  take(w, lease("ramdisk.inventory"));
  await w.time.settle();
  const failed = { id: "inventory-1", state: "failed", percent: 0, failure: { code: "agent_defect", detail: "x" } };
  await poll(w, nonce, [failed]);
  const held = poll(w, nonce, [failed]);
  await w.time.settle();
  take(w, lease("ramdisk.inventory"));
  await w.time.settle();
  expect(commandOf(await held)?.id).toBe("inventory-2");
});

it("tells silence of the RAM environment from slowness", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  const l = take(w, lease("ramdisk.inventory"));
  await w.time.settle();
  for (let i = 0; i < 20; i++) {
    await poll(w, nonce, [{ id: "inventory-1", state: "running", percent: i }]);
    await pass(w, 20_000);
  }
  expect(report(w, l)).toBeUndefined();
  await pass(w, 110_000);
  expect(report(w, l)).toMatchObject({ failure: { code: "ramdisk_silent" } });
});

it("ends a wait when the job's boot was closed", async () => {
  const w = fakeWorld();
  await inRam(w);
  const l = take(w, lease("ramdisk.inventory"));
  await w.time.settle();
  const boot = w.world.journal.boots.all()[0];
  if (!boot) throw new Error("no boot");
  w.world.journal.boots.close(boot.id, 1, "test");
  w.world.signals.notify(`boot:${boot.id}`);
  await w.time.settle();
  expect(report(w, l)).toMatchObject({ failure: { code: "boot_closed" } });
});

it("takes back an override that the BMC kept, before the machine restarts from its disk", async () => {
  const w = fakeWorld();
  take(w, lease("bmc.bootOverride"));
  await w.time.settle();
  take(w, lease("bmc.power"));
  await w.time.settle();
  const nonce = await inRam(w);
  const l = take(w, lease("ramdisk.bootDisk"));
  await w.time.settle();
  expect(w.bmc.state.boot).toMatchObject({ BootSourceOverrideTarget: "None", BootSourceOverrideEnabled: "Disabled" });
  await poll(w, nonce, [{ id: "boot-disk-1", state: "succeeded", percent: 100, result: {} }]);
  expect(report(w, l)?.outcome).toBe("succeeded");
});

it("[A2] has its intent in the journal before it takes the override back, as before each write to a BMC", async () => {
  const w = fakeWorld();
  const order: string[] = [];
  const { machines } = w.world.journal;
  const { intend } = machines;
  machines.intend = (...args) => {
    order.push(`intend ${args[2]}`);
    return intend(...args);
  };
  const { handle } = w.bmc;
  w.bmc.handle = (request) => {
    if (request.method === "PATCH") order.push("PATCH");
    return handle(request);
  };
  take(w, lease("bmc.bootOverride"));
  await w.time.settle();
  take(w, lease("bmc.power"));
  await w.time.settle();
  await inRam(w);
  take(w, lease("ramdisk.bootDisk"));
  await w.time.settle();
  expect(order).toEqual(["intend bootOverride", "PATCH", "intend power.On", "intend bootOverride", "PATCH"]);
});

it("restarts from disk although the BMC is gone, and takes the system's own word for the restart", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  w.bmc.faults.badLogin = true;
  const l = take(w, lease("ramdisk.bootDisk"));
  await w.time.settle();
  await w.post("/os/v1/first-boot", { v: 1, nonce, serial: SERIAL, bootedFrom: "disk SYS-01" });
  await w.time.settle();
  expect(report(w, l)).toMatchObject({ outcome: "succeeded", evidence: { overrideNotCleared: expect.any(String) } });
});

it("switches a machine on that lost its power before the first boot, but never restarts one that is on", async () => {
  const w = fakeWorld();
  take(w, lease("bmc.power"));
  await w.time.settle();
  const nonce = await inRam(w);
  const on = take(w, lease("os.firstBoot"));
  await pass(w, 1_600_000);
  expect(report(w, on)).toMatchObject({ failure: { code: "first_boot_silent" } });
  w.bmc.state.power = "Off";
  const off = take(w, lease("os.firstBoot"));
  await pass(w, 1_600_000);
  expect(w.bmc.state.power).toBe("On");
  await w.post("/os/v1/first-boot", { v: 1, nonce, serial: SERIAL, bootedFrom: "SYS-01" });
  await w.time.settle();
  expect(report(w, off)?.outcome).toBe("succeeded");
});

it("accepts a machine that runs from its planned drive, closes its boot and keeps its hands off from then on", async () => {
  const w = fakeWorld();
  take(w, lease("bmc.power"));
  await w.time.settle();
  const nonce = await inRam(w);
  const early = take(w, lease("bmc.accept"));
  await w.time.settle();
  expect(report(w, early)).toMatchObject({ failure: { code: "acceptance_failed" } });
  await w.post("/os/v1/first-boot", { v: 1, nonce, serial: SERIAL, bootedFrom: "disk SYS-01" });
  for (let i = 0; i < 2; i++) {
    const l = take(w, lease("bmc.accept"));
    await w.time.settle();
    expect(report(w, l)).toMatchObject({ outcome: "succeeded" });
  }
  expect(w.world.journal.boots.all()).toEqual([]);
  expect(w.world.journal.machines.inService(target())).toBe(true);
  expect((await w.post("/os/v1/first-boot", { v: 1, nonce, serial: SERIAL, bootedFrom: "x" })).status).toBe(410);
  const power = take(w, lease("bmc.power", { params: { state: "Off" } }));
  await w.time.settle();
  expect(report(w, power)).toMatchObject({ failure: { code: "asset_in_service" } });
});

it("does not accept a system that runs from another drive or from the network", async () => {
  for (const bootedFrom of ["disk DATA-01", "PXE eth0", ""]) {
    const w = fakeWorld();
    take(w, lease("bmc.power"));
    await w.time.settle();
    const nonce = await inRam(w);
    await w.post("/os/v1/first-boot", { v: 1, nonce, serial: SERIAL, bootedFrom });
    const l = take(w, lease("bmc.accept"));
    await w.time.settle();
    expect(report(w, l)).toMatchObject({ failure: { code: "acceptance_failed" } });
  }
});

it("[T5] does not take the proof of one drive for that of another", async () => {
  const w = fakeWorld();
  const nonce = await inRam(w);
  const first = take(w, lease("ramdisk.proveBlank"));
  await w.time.settle();
  const result = { serial: medium.serial, sizeBytes: medium.sizeBytes, sampledBlocks: 3, bytesRead: 9 };
  await poll(w, nonce, [{ id: "prove-blank-1", state: "succeeded", percent: 100, result }]);
  expect(report(w, first)?.outcome).toBe("succeeded");
  const other = { medium: "med_a", serial: "DATA-01", sizeBytes: medium.sizeBytes };
  const second = take(w, lease("ramdisk.proveBlank", { params: { medium: other } }));
  await w.time.settle();
  expect(report(w, second)).toBeUndefined();
  expect(commandOf(await poll(w, nonce))).toMatchObject({ id: "prove-blank-2", medium: other });
});
