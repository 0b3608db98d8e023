import { expect, it } from "vitest";
import { proveBlank } from "./blank.ts";
import { TestMedium } from "./test-medium.ts";

const MIB = 1 << 20;
const SIZE = 960 * 10 ** 9;
const text = (value: string): Buffer => Buffer.from(value, "latin1");

it("[T5] proves a blank drive and says what it looked at; it writes nothing and reads little", async () => {
  const medium = new TestMedium("S1", SIZE);
  const proof = await proveBlank(medium, "nonce-1");
  const bytesRead = medium.reads.reduce((sum, r) => sum + r.length, 0);
  expect(proof).toEqual({ ok: true, value: { serial: "S1", sizeBytes: SIZE, sampledBlocks: 64, bytesRead } });
  expect(bytesRead).toBeLessThan(16 * MIB);
  expect(medium.writes).toBe(0);
  for (const { offset, length } of medium.reads) expect(offset + length).toBeLessThanOrEqual(SIZE);
});

it.each([
  ["a GUID partition table", 512, text("EFI PART")],
  ["a GUID partition table", 4096, text("EFI PART")],
  ["a partition table", 510, Buffer.from([0x55, 0xaa])],
  ["an LVM physical volume", 512, text("LABELONE")],
  ["a LUKS volume", 0, text("LUKS\xba\xbe")],
  ["an XFS file system", 0, text("XFSB")],
  ["an ext file system", 0x438, Buffer.from([0x53, 0xef])],
  ["a btrfs file system", 0x10040, text("_BHRfS_M")],
  ["an NTFS file system", 3, text("NTFS    ")],
  ["a swap area", 4086, text("SWAPSPACE2")],
  ["data", 777_777, Buffer.from([1])],
])("[T5] refuses %s at byte %i of the start, by name", async (name, offset, bytes) => {
  const medium = new TestMedium("S1", SIZE).plant(offset, bytes);
  expect(await proveBlank(medium, "n")).toEqual({
    ok: false,
    problem: { code: "disk_not_blank", detail: `The drive S1 holds ${name} at its start.` },
  });
});

it.each([
  ["the backup of a GUID partition table", SIZE - 512, text("EFI PART")],
  ["data", SIZE - 1, Buffer.from([1])],
  ["data", SIZE - MIB, Buffer.from([1])],
])("[T5] refuses %s at the end (byte %i)", async (name, offset, bytes) => {
  const medium = new TestMedium("S1", SIZE).plant(offset, bytes);
  const proof = await proveBlank(medium, "n");
  expect(proof.ok ? "" : proof.problem.detail).toBe(`The drive S1 holds ${name} at its end.`);
});

it("[T5] refuses one byte in any sampled block; another boot samples other blocks, the same boot the same", async () => {
  const samplesOf = async (nonce: string) => {
    const medium = new TestMedium("S1", SIZE);
    await proveBlank(medium, nonce);
    return medium.reads.slice(2);
  };
  const samples = await samplesOf("nonce-1");
  expect(await samplesOf("nonce-1")).toEqual(samples);
  const others = new Set((await samplesOf("nonce-2")).map((r) => r.offset));
  expect(samples.filter((r) => others.has(r.offset))).toEqual([]);
  // One in each stretch, so that no large area goes unseen.
  expect(samples.map((r) => Math.floor(r.offset / (SIZE / 64)))).toEqual(Array.from({ length: 64 }, (_, i) => i));
  for (const [i, { offset, length }] of samples.entries()) {
    const proof = await proveBlank(new TestMedium("S1", SIZE).plant(offset + ((i * 997) % length), [1]), "nonce-1");
    expect(proof.ok ? "" : proof.problem.detail).toBe(`The drive S1 holds data at byte ${offset}.`);
  }
});

it("[T5] reads a small drive wholly", async () => {
  for (const size of [512, 300_000, 3 * MIB + 512]) {
    expect((await proveBlank(new TestMedium("S1", size), "n")).ok).toBe(true);
    for (const offset of [0, 1, Math.floor(size / 2), Math.floor(size * 0.7), size - 1])
      expect((await proveBlank(new TestMedium("S1", size).plant(offset, [1]), "n")).ok, `${offset} of ${size}`).toBe(
        false,
      );
  }
});

it("[T5] calls a drive that cannot be read not blank: it throws", async () => {
  for (const broken of [0, SIZE - 1]) {
    const medium = new TestMedium("S1", SIZE);
    medium.broken = broken;
    await expect(proveBlank(medium, "n")).rejects.toThrow(`failed at byte ${broken}`);
  }
});
