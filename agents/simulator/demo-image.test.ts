import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { DEMO_IMAGE_BYTES, DEMO_IMAGE_SHA256, writeDemoImage } from "./demo-image.ts";

let folder = "";
let path = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "turnup-image-"));
  path = join(folder, "images", "demo.img");
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

it("writes the same bytes everywhere and leaves nothing else behind", async () => {
  expect(await writeDemoImage(path)).toEqual({ sha256: DEMO_IMAGE_SHA256, sizeBytes: DEMO_IMAGE_BYTES });
  const bytes = await readFile(path);
  expect(bytes.length).toBe(DEMO_IMAGE_BYTES);
  expect(sha256(bytes)).toBe(DEMO_IMAGE_SHA256);
  expect(await readdir(join(folder, "images"))).toEqual(["demo.img"]);
});

it("has a protective MBR and two GPTs whose checksums hold and which point at each other", async () => {
  const bytes = await readFile(path);
  expect(bytes.readUInt16LE(510)).toBe(0xaa55);
  expect(bytes[450]).toBe(0xee);
  const sectors = DEMO_IMAGE_BYTES / 512;
  for (const [own, other] of [
    [1, sectors - 1],
    [sectors - 1, 1],
  ] as const) {
    const header = Buffer.from(bytes.subarray(own * 512, own * 512 + 92));
    expect(header.toString("latin1", 0, 8)).toBe("EFI PART");
    expect(header.readBigUInt64LE(24)).toBe(BigInt(own));
    expect(header.readBigUInt64LE(32)).toBe(BigInt(other));
    const sum = header.readUInt32LE(16);
    header.writeUInt32LE(0, 16);
    expect(crc32(header)).toBe(sum);
    const table = Number(header.readBigUInt64LE(72)) * 512;
    expect(crc32(bytes.subarray(table, table + 128 * 128))).toBe(header.readUInt32LE(88));
  }
});

it("has partitions that lie inside the usable part and do not overlap, with content that does not repeat", async () => {
  const bytes = await readFile(path);
  const [first, last] = [bytes.readBigUInt64LE(512 + 40), bytes.readBigUInt64LE(512 + 48)];
  const spans = [0, 1].map(
    (i) => [bytes.readBigUInt64LE(1024 + i * 128 + 32), bytes.readBigUInt64LE(1024 + i * 128 + 40)] as const,
  );
  let free = first;
  for (const [from, to] of spans) {
    expect(from).toBeGreaterThanOrEqual(free);
    expect(to).toBeGreaterThan(from);
    free = to + 1n;
  }
  expect(free - 1n).toBeLessThanOrEqual(last);
  const blocks = new Set(
    Array.from({ length: 63 }, (_, i) => sha256(bytes.subarray((i + 1) * 2 ** 20 - 4096, (i + 1) * 2 ** 20))),
  );
  expect(blocks.size).toBe(63);
});

it("makes a torn or altered file anew", async () => {
  await truncate(path, DEMO_IMAGE_BYTES - 5);
  await writeDemoImage(path);
  expect(sha256(await readFile(path))).toBe(DEMO_IMAGE_SHA256);
  const altered = await readFile(path);
  altered[30_000_000] = (altered[30_000_000] ?? 0) ^ 1;
  await writeFile(path, altered);
  await writeDemoImage(path);
  expect(sha256(await readFile(path))).toBe(DEMO_IMAGE_SHA256);
});
