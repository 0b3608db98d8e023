import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RamdiskCommand } from "../../shared/protocol/ramdisk.ts";
import type { BootEntry, RamdiskHardware } from "./hardware.ts";
import { type RamState, runRamdisk } from "./program.ts";
import { TestAgent } from "./test-agent.ts";
import { TestMedium } from "./test-medium.ts";

const MIB = 1 << 20;
const SIZE = 1 << 30;
const bytes = Buffer.alloc(9 * MIB + 4096, 0x5a);
bytes.write("EFI PART", 512, "latin1");
const image = { name: "demo.img", sha256: createHash("sha256").update(bytes).digest("hex"), sizeBytes: bytes.length };
const medium = { medium: "med_1", serial: "SYS", sizeBytes: SIZE };
const inventory = (id: string): RamdiskCommand => ({ kind: "inventory", id });
const prove = (id: string, ref = medium): RamdiskCommand => ({ kind: "prove-blank", id, medium: ref });
const write = (id: string, of = image, ref = medium): RamdiskCommand => ({
  kind: "write-image",
  id,
  medium: ref,
  image: of,
  url: `${agent.url}/images/${of.name}`,
});
const bootDisk = (id: string, ref = medium): RamdiskCommand => ({
  kind: "boot-disk",
  id,
  medium: ref,
  phoneHome: `${agent.url}/os/v1/first-boot`,
});

/** One boot of a machine: what its RAM environment keeps lives as long as this does, over restarts of the program. */
class TestBoot implements RamdiskHardware {
  readonly mac = "3c:ec:ef:00:10:01";
  readonly system = new TestMedium("SYS", SIZE);
  readonly data = new TestMedium("DATA", 2 * SIZE);
  readonly events: string[] = [];
  bootEntry: BootEntry | undefined;
  restarts = 0;
  power = new AbortController();
  #kept: string | undefined;

  serial = () => "SN-1";
  inventory = async () => ({
    source: "ramdisk" as const,
    serial: "SN-1",
    drives: [this.data.drive, this.system.drive],
  });
  media = () => [this.data, this.system];
  async setBootEntry(entry: BootEntry): Promise<void> {
    this.bootEntry = entry;
  }
  restart(): void {
    this.restarts += 1;
    this.events.push("restart");
  }

  run(): ReturnType<typeof runRamdisk> {
    this.power = new AbortController();
    return runRamdisk({
      agentUrl: agent.url,
      nonce: "nonce-1",
      hardware: this,
      scratch: {
        load: () => (this.#kept === undefined ? undefined : (JSON.parse(this.#kept) as RamState)),
        save: (state) => {
          this.#kept = JSON.stringify(state);
        },
      },
      fetch,
      events: {
        command: (kind, edge) => this.events.push(`${kind}.${edge}`),
        write: (edge) => this.events.push(`write.${edge}`),
        overwrite: (edge, serial) => this.events.push(`zero.${edge} ${serial}`),
      },
      signal: this.power.signal,
    });
  }

  /** How the simulator's own process ends under it: from one moment to the next. */
  kill(): void {
    this.power.abort(new Error("killed"));
  }
  writes = (): string[] => this.events.filter((e) => e.startsWith("write."));
}

let agent: TestAgent;
let boot: TestBoot;
beforeEach(async () => {
  agent = new TestAgent();
  agent.image = bytes;
  await agent.up();
  boot = new TestBoot();
});
afterEach(async () => {
  boot.kill();
  agent.release();
  await agent.down();
});

it("installs: inventory, proof, write, boot entry, and restarts after it has told", async () => {
  agent.command(inventory("1"), prove("2"), write("3"), bootDisk("4"));
  expect(await boot.run()).toBe("restarting");
  expect(agent.hellos).toEqual([{ v: 1, nonce: "nonce-1", mac: boot.mac, serial: "SN-1" }]);
  expect(boot.events).toEqual([
    ...["inventory.start", "inventory.end", "prove-blank.start", "prove-blank.end"],
    ...["write-image.start", "write.start", "write.verified", "write-image.end"],
    ...["boot-disk.start", "boot-disk.end", "restart"],
  ]);
  expect((await agent.ended("1")).result).toMatchObject({ source: "ramdisk", serial: "SN-1" });
  expect((await agent.ended("2")).result).toMatchObject({ serial: "SYS", sampledBlocks: 64 });
  expect((await agent.ended("3")).result).toMatchObject({ bytes: bytes.length, readBackSha256: image.sha256 });
  expect(await agent.ended("4")).toMatchObject({ state: "succeeded", percent: 100 });
  expect(boot.bootEntry).toEqual({ serial: "SYS", nonce: "nonce-1", phoneHome: `${agent.url}/os/v1/first-boot` });
  expect(boot.system.peek(0, bytes.length).equals(bytes)).toBe(true);
  expect(boot.data.writes).toBe(0);
});

it("says hello until it is heard, and again when the agent has forgotten it", async () => {
  agent.helloStatuses = [503, 500];
  agent.pollStatuses = [409];
  const running = boot.run();
  agent.command(inventory("1"));
  await agent.ended("1");
  expect(agent.hellos).toHaveLength(4);
  boot.kill();
  expect(await running).toBe("power-lost");
});

it("[T5] refuses to write what this boot has not proven blank itself", async () => {
  void boot.run();
  agent.command(write("1"));
  expect((await agent.ended("1")).failure).toMatchObject({ code: "disk_not_blank" });
  // A proof of another drive is none of this one.
  agent.command(prove("2", { ...medium, serial: "DATA", sizeBytes: 2 * SIZE }), write("3"));
  expect((await agent.ended("3")).failure).toMatchObject({ code: "disk_not_blank" });
  // Nor is the proof of an earlier boot.
  agent.command(prove("4"));
  expect((await agent.ended("4")).state).toBe("succeeded");
  boot.kill();
  agent.forget();
  const next = new TestBoot();
  void next.run();
  agent.command(write("5"));
  expect((await agent.ended("5")).failure).toMatchObject({ code: "disk_not_blank" });
  next.kill();
  expect([boot.system.writes, boot.data.writes, next.system.writes, agent.ranges.length]).toEqual([0, 0, 0, 0]);
});

it("[T5] writes nothing on a drive that holds data, nor on one of another size or serial", async () => {
  boot.system.plant(SIZE - 512, Buffer.from("EFI PART"));
  void boot.run();
  agent.command(prove("1"), write("2"), write("3", image, { ...medium, sizeBytes: SIZE - 1 }));
  agent.command(write("4", image, { ...medium, serial: "OTHER" }));
  expect((await agent.ended("1")).failure).toMatchObject({ code: "disk_not_blank" });
  expect((await agent.ended("2")).failure).toMatchObject({ code: "disk_not_blank" });
  expect((await agent.ended("3")).failure).toMatchObject({ code: "disk_missing" });
  expect((await agent.ended("4")).failure).toMatchObject({ code: "disk_missing" });
  expect([boot.system.writes, boot.writes()]).toEqual([0, []]);
});

it("[T5] joins the write at work when it is asked for again, and gives the same proof after it: one start", async () => {
  agent.holdAt = 5 * MIB;
  void boot.run();
  agent.command(prove("1"), write("2"));
  await agent.until(() => agent.ranges.length === 1);
  agent.alongside(write("3"));
  await agent.until(() => agent.polls.some((p) => p.commands.some((c) => c.id === "3")));
  agent.release();
  const [second, third] = [await agent.ended("2"), await agent.ended("3")];
  expect(second.state).toBe("succeeded");
  expect(third.result).toEqual(second.result);
  agent.command(write("4"));
  expect((await agent.ended("4")).result).toEqual(second.result);
  expect(boot.writes()).toEqual(["write.start", "write.verified"]);
  expect(agent.ranges).toEqual(["bytes=0-"]);
});

it("[T5] refuses a second write of another image or drive, while the first is at work and after it", async () => {
  const other = { ...image, sha256: "cd".repeat(32) };
  const data = { medium: "med_2", serial: "DATA", sizeBytes: 2 * SIZE };
  agent.holdAt = 5 * MIB;
  void boot.run();
  agent.command(prove("1"), prove("2", data), write("3"));
  await agent.until(() => agent.ranges.length === 1);
  agent.alongside(write("4", other), write("5", image, data));
  for (const id of ["4", "5"]) expect((await agent.ended(id)).failure).toMatchObject({ code: "write_failed" });
  agent.release();
  await agent.ended("3");
  agent.command(write("6", other), write("7", image, data), prove("8"));
  for (const id of ["6", "7"]) expect((await agent.ended(id)).failure).toMatchObject({ code: "write_failed" });
  // What it wrote itself is no blank drive any more.
  expect((await agent.ended("8")).failure).toMatchObject({ code: "disk_not_blank" });
  expect(boot.writes()).toEqual(["write.start", "write.verified"]);
  expect(boot.data.writes).toBe(0);
});

it("restarted within its boot it goes on from the byte it had, as a resumed write and without a second hello", async () => {
  agent.holdAt = 5 * MIB;
  const first = boot.run();
  agent.command(prove("1"), write("2"));
  await agent.until(() => agent.ranges.length === 1);
  await until(() => boot.system.writes === 1);
  boot.kill();
  expect(await first).toBe("power-lost");
  agent.release();
  void boot.run();
  expect((await agent.ended("2")).result).toMatchObject({ readBackSha256: image.sha256 });
  expect(boot.writes()).toEqual(["write.start", "write.resume", "write.verified"]);
  expect(agent.ranges).toEqual(["bytes=0-", `bytes=${4 * MIB}-`]);
  expect(agent.hellos).toHaveLength(1);
  expect(boot.system.peek(0, bytes.length).equals(bytes)).toBe(true);
});

it("restarted between boot entry and restart it restarts the machine, and writes nothing", async () => {
  agent.command(prove("1"), write("2"), bootDisk("3"));
  expect(await boot.run()).toBe("restarting");
  expect(await boot.run()).toBe("restarting");
  expect(boot.restarts).toBe(2);
  expect(boot.writes()).toEqual(["write.start", "write.verified"]);
});

it("boots no drive that was not written and verified in this boot", async () => {
  boot.system.lies = true;
  void boot.run();
  agent.command(bootDisk("1"), prove("2"), write("3"), bootDisk("4"));
  expect((await agent.ended("1")).failure).toMatchObject({ code: "boot_closed" });
  expect((await agent.ended("3")).failure).toMatchObject({ code: "verify_failed" });
  expect((await agent.ended("4")).failure).toMatchObject({ code: "boot_closed" });
  expect([boot.bootEntry, boot.restarts]).toEqual([undefined, 0]);
});

const data = { medium: "med_2", serial: "DATA", sizeBytes: 2 * SIZE };
const overwrite = (id: string, ref = data): RamdiskCommand => ({ kind: "overwrite", id, medium: ref });
const over = (id: string): RamdiskCommand => ({ ...write(id), over: true }) as RamdiskCommand;

it("[T5] writes over what is there where the agent says that people approved it, and nowhere else", async () => {
  boot.system.plant(0, Buffer.from("XFSB")).plant(SIZE - 512, Buffer.from("EFI PART"));
  boot.data.plant(0, Buffer.from("LUKS"));
  agent.command(write("1"), over("2"), bootDisk("3"));
  expect(await boot.run()).toBe("restarting");
  expect((await agent.ended("1")).failure).toMatchObject({ code: "disk_not_blank" });
  expect((await agent.ended("2")).result).toMatchObject({ readBackSha256: image.sha256 });
  expect(boot.system.peek(0, bytes.length).equals(bytes)).toBe(true);
  expect([boot.data.writes, boot.data.zeroed.length, boot.system.zeroed.length]).toEqual([0, 0, 0]);
});

it("writes zeros over a whole drive, looks at what it gives back, and does so once", async () => {
  boot.data.plant(0, Buffer.from("LUKS")).plant(SIZE + 77, Buffer.from("deep down"));
  void boot.run();
  agent.command(overwrite("1"), overwrite("2"));
  expect((await agent.ended("1")).result).toMatchObject({ serial: "DATA", bytes: 2 * SIZE, sampledBlocks: 64 });
  expect((await agent.ended("2")).result).toEqual((await agent.ended("1")).result);
  expect(boot.data.zeroed).toEqual([
    { offset: 0, length: SIZE },
    { offset: SIZE, length: SIZE },
  ]);
  expect(boot.data.flushes).toBe(1);
  expect([boot.system.zeroed.length, boot.system.writes]).toEqual([0, 0]);
});

it("goes on with an overwrite where a restarted program finds it", async () => {
  const zero = boot.data.zero.bind(boot.data);
  let open = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    open = resolve;
  });
  boot.data.zero = async (offset, length) => {
    if (offset > 0) await held;
    return zero(offset, length);
  };
  const first = boot.run();
  agent.command(overwrite("1"));
  await until(() => boot.data.zeroed.length === 1);
  boot.kill();
  open();
  expect(await first).toBe("power-lost");
  void boot.run();
  await agent.ended("1");
  expect(boot.data.zeroed.at(-1)).toEqual({ offset: SIZE, length: SIZE });
  expect(boot.events.filter((e) => e.startsWith("zero."))).toEqual([
    "zero.start DATA",
    "zero.resume DATA",
    "zero.verified DATA",
  ]);
});

it("tells a drive that keeps what it was told to lose, and mixes no image with zeros", async () => {
  boot.data.plant(5, Buffer.from("kept"));
  boot.data.keepsOld = true;
  void boot.run();
  agent.command(overwrite("1"), overwrite("2", medium), over("3"));
  expect((await agent.ended("1")).failure).toMatchObject({ code: "verify_failed" });
  expect((await agent.ended("2")).state).toBe("succeeded");
  expect((await agent.ended("3")).failure).toMatchObject({ code: "write_failed" });
  expect(boot.writes()).toEqual([]);
});

it("[J8] boots a drive that an earlier boot has written, once it has read just that image from it", async () => {
  agent.command(prove("1"), write("2"), bootDisk("3"));
  expect(await boot.run()).toBe("restarting");
  agent.forget();
  const next = new TestBoot();
  next.system.plant(0, boot.system.peek(0, bytes.length));
  const other = new TestBoot();
  other.system.plant(0, Buffer.alloc(bytes.length, 1));
  agent.command({ ...bootDisk("4"), image } as RamdiskCommand);
  expect(await next.run()).toBe("restarting");
  agent.forget();
  void other.run();
  agent.command({ ...bootDisk("5"), image } as RamdiskCommand);
  expect((await agent.ended("5")).failure).toMatchObject({ code: "verify_failed" });
  expect([next.writes(), other.restarts]).toEqual([[], 0]);
  other.kill();
});

it("tells a failing drive as such", async () => {
  boot.system.broken = 6 * MIB;
  void boot.run();
  agent.command(prove("1"), write("2"));
  expect((await agent.ended("2")).failure).toEqual({
    code: "write_failed",
    detail: `The drive SYS failed at byte ${6 * MIB}: Input/output error.`,
  });
});

it("goes on with its work while the agent is away, and tells all of it when it is back", async () => {
  void boot.run();
  agent.command(prove("1"));
  await agent.ended("1");
  let open = (): void => undefined;
  boot.system.gate = new Promise((resolve) => {
    open = resolve;
  });
  agent.command(write("2"));
  await agent.until(() => agent.ranges.length === 1);
  await agent.down();
  open();
  await until(() => boot.system.writes > 0);
  await agent.up();
  expect((await agent.ended("2")).result).toMatchObject({ readBackSha256: image.sha256 });
  expect(boot.writes()).toEqual(["write.start", "write.verified"]);
  expect(agent.hellos).toHaveLength(1);
});

it("[L5] is done when its boot is closed: at hello, while idle, and in the middle of a write, which stops", async () => {
  agent.closed = true;
  expect(await boot.run()).toBe("boot-closed");
  agent.closed = false;
  const idle = boot.run();
  await agent.until(() => agent.polls.length === 1);
  agent.closeBoot();
  expect(await idle).toBe("boot-closed");

  agent.closed = false;
  agent.holdAt = 5 * MIB;
  const running = boot.run();
  agent.command(prove("1"), write("2"));
  await agent.until(() => agent.ranges.length === 1);
  await until(() => boot.system.writes === 1);
  agent.closeBoot();
  expect(await running).toBe("boot-closed");
  agent.release();
  expect(boot.events.filter((e) => e.endsWith(".start")).length).toBe(
    boot.events.filter((e) => e.endsWith(".end") || e === "write.start").length,
  );
  expect(boot.writes()).toEqual(["write.start"]);
  expect(boot.system.writes).toBe(1);
});

it("without power it does nothing more: no restart, no write", async () => {
  agent.holdAt = 5 * MIB;
  const running = boot.run();
  agent.command(prove("1"), write("2"));
  await agent.until(() => agent.ranges.length === 1);
  boot.kill();
  expect(await running).toBe("power-lost");
  const { writes } = boot.system;
  agent.release();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([boot.system.writes, boot.restarts]).toEqual([writes, 0]);
});

/** For what the machine does and tells nobody. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(condition()).toBe(true);
}
