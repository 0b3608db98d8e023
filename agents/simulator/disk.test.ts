import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DriveError } from "../ramdisk/hardware.ts";
import { Disk, type DiskFaults } from "./disk.ts";
import { imageBytes } from "./testing/site.ts";

const MIB = 1 << 20;
const SIZE = 256 * MIB;

let dir: string;
let open: Disk[];
const path = () => join(dir, "disks", "m.img");
function disk(faults?: DiskFaults): Disk {
  const medium = { bay: "Bay 1", serial: "S1", sizeBytes: SIZE, protocol: "SATA", mediaType: "SSD" } as const;
  const made = new Disk(path(), medium, 1_000, faults);
  open.push(made);
  return made;
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "turnup-disk-"));
  open = [];
});
afterEach(async () => {
  for (const each of open) await each.close();
  rmSync(dir, { recursive: true });
});

it("is as large as the drive, takes no space, and reads zeros", async () => {
  const blank = disk();
  blank.create();
  expect([statSync(path()).size, statSync(path()).blocks]).toEqual([SIZE, 0]);
  for (const offset of [0, SIZE - MIB]) expect((await blank.read(offset, MIB)).every((b) => b === 0)).toBe(true);
  await expect(blank.read(SIZE - 10, 20)).rejects.toThrow(DriveError);
});

it("keeps what was written, also for the next process, which does not make it anew", async () => {
  const first = disk();
  first.create();
  await first.write(3 * MIB, Buffer.from("kept"));
  await first.flush();
  const second = disk();
  second.create({ offset: 0, bytes: Buffer.from("XFSB") });
  expect(Buffer.from(await second.read(3 * MIB, 4)).toString()).toBe("kept");
  expect((await second.read(0, 4)).every((b) => b === 0)).toBe(true);
});

it("is made with what an earlier life left on it, or not at all", async () => {
  const used = disk();
  used.create({ offset: SIZE - 512, bytes: Buffer.from("EFI PART") });
  expect(Buffer.from(await used.read(SIZE - 512, 8)).toString()).toBe("EFI PART");
  expect(readdirSync(join(dir, "disks"))).toEqual(["m.img"]);
});

it("fails a write that reaches the bad byte, and writes nothing of it", async () => {
  const failing = disk({ failsAt: 2 * MIB });
  failing.create();
  await failing.write(0, Buffer.alloc(2 * MIB, 1));
  await expect(failing.write(2 * MIB - 1, Buffer.from([7, 7]))).rejects.toThrow("Input/output error");
  expect([...(await failing.read(2 * MIB - 1, 2))]).toEqual([1, 0]);
});

it("lies about what was written, in this process and the next, and reads as blank before that", async () => {
  const liar = disk({ lies: true });
  liar.create();
  expect((await liar.read(0, MIB)).every((b) => b === 0)).toBe(true);
  await liar.write(0, Buffer.alloc(MIB, 1));
  for (const each of [liar, disk({ lies: true })]) expect((await each.read(0, MIB)).every((b) => b === 1)).toBe(false);
});

it("starts a system only from a partition table with its header and its backup", async () => {
  const system = disk();
  expect(await system.bootable()).toBe(false);
  system.create();
  expect(await system.bootable()).toBe(false);
  await system.write(510, Buffer.from([0x55, 0xaa]));
  expect(await system.bootable()).toBe(false);
  await system.write(0, imageBytes.subarray(0, 8 * MIB));
  expect(await system.bootable()).toBe(false);
  await system.write(8 * MIB, imageBytes.subarray(8 * MIB));
  expect(await system.bootable()).toBe(true);
});
