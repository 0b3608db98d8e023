import { describe, expect, it } from "vitest";
import { type FakeWorld, fakeWorld } from "../testing/fake-world.ts";
import { image, lease, MAC, medium, SERIAL, target } from "../testing/fixtures.ts";

const take = async (w: FakeWorld, l: ReturnType<typeof lease>) => {
  w.executor.take([l], w.time.clock.monotonic());
  await w.time.settle();
  return w.world.journal.attempts.reports(100).find((report) => report.lease === l.id);
};

const blank = { serial: medium.serial, sizeBytes: medium.sizeBytes, sampledBlocks: 8, bytesRead: 4096 };
const written = {
  serial: medium.serial,
  bytes: image.sizeBytes,
  wireSha256: image.sha256,
  readBackSha256: image.sha256,
  resumed: 0,
};
const observed = { source: "ramdisk", drives: [], macs: [] };

/** A machine that one job has brought from power-on to service. */
async function served(): Promise<FakeWorld> {
  const w = fakeWorld();
  await take(w, lease("netboot.arm"));
  await take(w, lease("bmc.power"));
  const { journal } = w.world;
  const boot = journal.boots.all()[0];
  if (!boot) throw new Error("nothing is armed");
  const { id, nonce } = boot;
  await w.get(`/boot/ipxe?mac=${MAC}`);
  await w.post("/ramdisk/v1/hello", { v: 1, nonce, mac: MAC, serial: SERIAL });
  for (const [kind, result] of [
    ["inventory", observed],
    ["prove-blank", blank],
    ["write-image", written],
  ] as const) {
    journal.boots.addCommand(id, { id: kind, kind } as never);
    journal.boots.endCommand(id, { id: kind, state: "succeeded", result } as never);
  }
  await w.post("/os/v1/first-boot", { v: 1, nonce, serial: SERIAL, bootedFrom: "disk SYS-01" });
  expect(await take(w, lease("bmc.accept"))).toMatchObject({ outcome: "succeeded" });
  w.bmc.state.log.length = 0;
  return w;
}

const steps = [
  "netboot.arm",
  "bmc.bootOverride",
  "bmc.power",
  "ramdisk.await",
  "ramdisk.inventory",
  "ramdisk.proveBlank",
  "ramdisk.writeImage",
  "ramdisk.bootDisk",
  "os.firstBoot",
  "bmc.accept",
] as const;

describe("[J4][T5] a machine that is in service by the job that asks for it again", () => {
  it.each(steps)("is read and not touched by %s", async (action) => {
    const w = await served();
    const since = w.world.journal.boots.all().length;
    const report = await take(w, lease(action, { resolve: true }));
    expect(report).toMatchObject({ outcome: "succeeded" });
    if (action !== "bmc.accept") expect(report?.evidence).toMatchObject({ inServiceSince: expect.any(Number) });
    expect(w.bmc.state.log.filter((call) => /PATCH|Actions/.test(call))).toEqual([]);
    expect(w.world.journal.boots.all()).toHaveLength(since);
  });

  it("proves with what the RAM environment proved", async () => {
    const w = await served();
    const proof = await take(w, lease("ramdisk.writeImage", { resolve: true }));
    expect(proof?.result).toEqual(written);
    expect((await take(w, lease("ramdisk.proveBlank", { resolve: true })))?.result).toEqual(blank);
  });

  it("is refused to a step that is to be done and not read, and to another job", async () => {
    const w = await served();
    const other = { resolve: true, job: "job_aaaaaaaaaa_0000000000000002" };
    for (const l of [lease("netboot.arm"), lease("netboot.arm", other), lease("ramdisk.writeImage", other)])
      expect(await take(w, l)).toMatchObject({ outcome: "failed", failure: { code: "asset_in_service" } });
    expect(w.world.journal.machines.inService(target())).toBe(true);
  });

  it("is refused where the machine is no longer in the state that is asked for", async () => {
    const w = await served();
    w.bmc.state.power = "Off";
    const report = await take(w, lease("bmc.power", { resolve: true }));
    expect(report).toMatchObject({ outcome: "failed", failure: { code: "asset_in_service" } });
    expect(w.bmc.state.power).toBe("Off");
  });
});
