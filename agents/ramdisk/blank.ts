/**
 * The proof that a drive is blank (T5): no partition table, no file system, and no non-zero byte in the first, last and
 * sampled blocks. It reads only. Where it samples depends on the boot's nonce, so that no data stays between the samples
 * of every try.
 */
import { createHash } from "node:crypto";
import type { BlankProof } from "../../shared/actions/ramdisk.ts";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import type { Medium } from "./hardware.ts";

/** The ends hold partition tables, their backups, RAID and LVM labels: all of them lie within the first or last MiB. */
const EDGE = 1 << 20;
const SAMPLE = 64 << 10;
const SAMPLES = 64;

interface Signature {
  name: string;
  offset: number;
  bytes: readonly number[];
}
const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
/** Known marks, for the words of the refusal; any non-zero byte is enough for it. */
const signatures: readonly Signature[] = [
  { name: "a GUID partition table", offset: 512, bytes: ascii("EFI PART") },
  { name: "a GUID partition table", offset: 4096, bytes: ascii("EFI PART") },
  { name: "an LVM physical volume", offset: 512, bytes: ascii("LABELONE") },
  { name: "a LUKS volume", offset: 0, bytes: [...ascii("LUKS"), 0xba, 0xbe] },
  { name: "an XFS file system", offset: 0, bytes: ascii("XFSB") },
  { name: "an ext file system", offset: 0x438, bytes: [0x53, 0xef] },
  { name: "a btrfs file system", offset: 0x10040, bytes: ascii("_BHRfS_M") },
  { name: "an NTFS file system", offset: 3, bytes: ascii("NTFS    ") },
  { name: "a swap area", offset: 4086, bytes: ascii("SWAPSPACE2") },
  { name: "a partition table", offset: 510, bytes: [0x55, 0xaa] },
];

const zeros = Buffer.alloc(EDGE);
const isZero = (bytes: Uint8Array): boolean => zeros.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;

/** Proves the drive blank, or refuses with what was found where. Drive errors are thrown. */
export async function proveBlank(medium: Medium, nonce: string): Promise<Outcome<BlankProof>> {
  const { serial, sizeBytes } = medium.drive;
  const edge = Math.min(EDGE, sizeBytes);
  let bytesRead = 0;
  const look = async (offset: number, length: number): Promise<Uint8Array | undefined> => {
    const bytes = await medium.read(offset, length);
    bytesRead += length;
    return isZero(bytes) ? undefined : bytes;
  };
  const dirty = (where: string) => refuse("disk_not_blank", `The drive ${serial} holds ${where}.`);

  const first = await look(0, edge);
  if (first) return dirty(`${mark(first) ?? "data"} at its start`);
  const last = await look(sizeBytes - edge, edge);
  if (last) return dirty(`${backupTable(last) ? "the backup of a GUID partition table" : "data"} at its end`);
  const offsets = samples(nonce, serial, sizeBytes);
  for (const offset of offsets) {
    if (await look(offset, Math.min(SAMPLE, sizeBytes - offset))) return dirty(`data at byte ${offset}`);
  }
  return ok({ serial, sizeBytes, sampledBlocks: offsets.length, bytesRead });
}

const has = (bytes: Uint8Array, { offset, bytes: want }: Signature): boolean =>
  want.every((b, i) => bytes[offset + i] === b);
const mark = (bytes: Uint8Array): string | undefined => signatures.find((s) => has(bytes, s))?.name;
const backupTable = (bytes: Uint8Array): boolean =>
  has(bytes, { name: "", offset: bytes.length - 512, bytes: ascii("EFI PART") });

/** Offsets of the sampled blocks: one at a place of its own within each of equal stretches of the drive. */
function samples(nonce: string, serial: string, sizeBytes: number): number[] {
  const stretch = Math.floor(sizeBytes / SAMPLES);
  if (stretch <= SAMPLE) return Array.from({ length: Math.ceil(sizeBytes / SAMPLE) }, (_, i) => i * SAMPLE);
  return Array.from({ length: SAMPLES }, (_, i) => {
    const digest = createHash("sha256").update(`${nonce}\n${serial}\n${i}`).digest();
    return i * stretch + Math.floor((digest.readUInt32BE(0) / 2 ** 32) * (stretch - SAMPLE));
  });
}
