import { createCipheriv, createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

/** Bytes of the demo image, a size at which streaming, hashing and resuming are real work. */
export const DEMO_IMAGE_BYTES = 64 * 2 ** 20;
/** What the finished file hashes to; the content is a function of this module alone. */
export const DEMO_IMAGE_SHA256 = "a9bf7edc19ecc5b156c912d115ce47403343df755d807c51eab821a6b234ac79";

const SECTOR = 512;
const SECTORS = DEMO_IMAGE_BYTES / SECTOR;
const CHUNK = 2 ** 20;
/** UEFI 2.10, 5.3.2: 128 entries of 128 bytes. */
const ENTRIES = 128;
const ENTRY_BYTES = 128;
const TABLE_SECTORS = (ENTRIES * ENTRY_BYTES) / SECTOR;
const FIRST_USABLE = 2 + TABLE_SECTORS;
const LAST_USABLE = SECTORS - TABLE_SECTORS - 2;

const DISK_GUID = "7e0c1f5a-3b52-4d0e-9a44-54555226e501";
const partitions = [
  {
    type: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    guid: "7e0c1f5a-3b52-4d0e-9a44-54555226e502",
    first: 2048,
    last: 18431,
    name: "EFI system",
  },
  {
    type: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    guid: "7e0c1f5a-3b52-4d0e-9a44-54555226e503",
    first: 18432,
    last: 129023,
    name: "root",
  },
];

/**
 * Makes the demo image: a protective MBR, a GPT with an EFI and a root partition and its backup at the end, and
 * random-looking content in between, so that nothing compresses or passes by being zero. The bytes are the same on
 * every machine. A finished file is kept; a torn one is made anew, and `path` never shows half an image.
 */
export async function writeDemoImage(path: string): Promise<{ sha256: string; sizeBytes: number }> {
  const done = { sha256: DEMO_IMAGE_SHA256, sizeBytes: DEMO_IMAGE_BYTES };
  if ((await hashOf(path)) === DEMO_IMAGE_SHA256) return done;
  await mkdir(dirname(path), { recursive: true });
  // One name for all tries, so that a killed one leaves nothing that nobody removes.
  const temporary = `${path}.part`;
  try {
    const sha256 = await writeContent(temporary);
    if (sha256 !== DEMO_IMAGE_SHA256) {
      throw new Error(`The demo image came out as ${sha256} instead of ${DEMO_IMAGE_SHA256}; nothing was replaced.`);
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(dirname(path));
  return done;
}

async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) hash.update(chunk);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  return hash.digest("hex");
}

async function writeContent(path: string): Promise<string> {
  const file = await open(path, "w", 0o644);
  try {
    const hash = createHash("sha256");
    // AES-CTR of zeros is a fast keystream; the key is public, and nothing here is secret.
    const stream = createCipheriv("aes-256-ctr", Buffer.alloc(32, "turnup demo image"), Buffer.alloc(16));
    const zeros = Buffer.alloc(CHUNK);
    const tables = partitionTables();
    for (let at = 0; at < DEMO_IMAGE_BYTES; at += CHUNK) {
      const chunk = stream.update(zeros);
      for (const [bytes, sector] of tables) {
        const offset = sector * SECTOR - at;
        if (offset >= 0 && offset < CHUNK) bytes.copy(chunk, offset);
      }
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}

/** The rename is durable only once the folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The partition tables and the sector at which each lies. */
function partitionTables(): [Buffer, number][] {
  const table = partitionTable();
  const backup = SECTORS - 1 - TABLE_SECTORS;
  return [
    [protectiveMbr(), 0],
    [header(table, 1, SECTORS - 1, 2), 1],
    [table, 2],
    [table, backup],
    [header(table, SECTORS - 1, 1, backup), SECTORS - 1],
  ];
}

function protectiveMbr(): Buffer {
  const mbr = Buffer.alloc(SECTOR);
  // One entry of type EE over the whole image; CHS as UEFI 2.10, table 5.4 has it.
  Buffer.from([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff]).copy(mbr, 446);
  mbr.writeUInt32LE(1, 454);
  mbr.writeUInt32LE(SECTORS - 1, 458);
  mbr.writeUInt16LE(0xaa55, 510);
  return mbr;
}

function partitionTable(): Buffer {
  const table = Buffer.alloc(ENTRIES * ENTRY_BYTES);
  partitions.forEach(({ type, guid, first, last, name }, i) => {
    const at = i * ENTRY_BYTES;
    guidBytes(type).copy(table, at);
    guidBytes(guid).copy(table, at + 16);
    table.writeBigUInt64LE(BigInt(first), at + 32);
    table.writeBigUInt64LE(BigInt(last), at + 40);
    table.write(name, at + 56, "utf16le");
  });
  return table;
}

function header(table: Buffer, own: number, other: number, entries: number): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  bytes.write("EFI PART", 0, "latin1");
  bytes.writeUInt32LE(0x00010000, 8);
  bytes.writeUInt32LE(92, 12);
  bytes.writeBigUInt64LE(BigInt(own), 24);
  bytes.writeBigUInt64LE(BigInt(other), 32);
  bytes.writeBigUInt64LE(BigInt(FIRST_USABLE), 40);
  bytes.writeBigUInt64LE(BigInt(LAST_USABLE), 48);
  guidBytes(DISK_GUID).copy(bytes, 56);
  bytes.writeBigUInt64LE(BigInt(entries), 72);
  bytes.writeUInt32LE(ENTRIES, 80);
  bytes.writeUInt32LE(ENTRY_BYTES, 84);
  bytes.writeUInt32LE(crc32(table), 88);
  // The header's own checksum is taken with its field at zero.
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 16);
  return bytes;
}

/** GUIDs are stored with their first three groups byte-swapped. */
function guidBytes(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll("-", ""), "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
