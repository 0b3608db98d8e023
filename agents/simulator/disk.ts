/** A simulated drive: a sparse file of the drive's full size, with the faults that drives have. */
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import type { ResolvedMedium } from "../../shared/model/site.ts";
import { DriveError, type Medium } from "../ramdisk/hardware.ts";

export interface DiskFaults {
  /** Writes past this byte fail. */
  failsAt?: number;
  /** What is read back from the written area differs. */
  lies?: boolean;
}

const SECTOR = 512;
const MARK = "EFI PART";
/** Bytes a second of a data-center SATA SSD in a sequential write or read. */
const BANDWIDTH = 500e6;

export class Disk implements Medium {
  readonly drive: Medium["drive"];
  readonly #path: string;
  readonly #faults: DiskFaults;
  readonly #speed: number;
  #file: Promise<FileHandle> | undefined;
  #owedMs = 0;
  #written = false;

  constructor(path: string, medium: z.infer<typeof ResolvedMedium>, speed: number, faults: DiskFaults = {}) {
    const { bay, serial, model, sizeBytes, protocol, mediaType } = medium;
    this.drive = { bay, serial, sizeBytes, protocol, mediaType, ...(model !== undefined && { model }) };
    this.#path = path;
    this.#faults = faults;
    this.#speed = speed;
  }

  /** Makes the file unless it is there; whole, with what an earlier life left on it, or not at all. */
  create(leftover?: { offset: number; bytes: Buffer }): void {
    if (existsSync(this.#path)) return;
    mkdirSync(dirname(this.#path), { recursive: true });
    const file = openSync(`${this.#path}.new`, "w");
    ftruncateSync(file, this.drive.sizeBytes);
    if (leftover) writeSync(file, leftover.bytes, 0, leftover.bytes.length, leftover.offset);
    closeSync(file);
    renameSync(`${this.#path}.new`, this.#path);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    // A hole costs a real drive as much; blank blocks are small, so their time is not counted.
    if (this.#written) await this.#pass(length);
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await (await this.#handle()).read(bytes, 0, length, offset);
    if (bytesRead !== length)
      throw new DriveError(`The drive ${this.drive.serial} ended at byte ${offset + bytesRead}.`);
    // It lies about written areas alone, in this life of the process or an earlier one.
    if (this.#faults.lies && offset === 0 && statSync(this.#path).blocks > 0)
      bytes[length - 1] = (bytes[length - 1] ?? 0) ^ 0xff;
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#faults.failsAt !== undefined && offset + bytes.length > this.#faults.failsAt) {
      throw new DriveError(
        `The drive ${this.drive.serial} failed at byte ${this.#faults.failsAt}: Input/output error.`,
      );
    }
    await this.#pass(bytes.length);
    await (await this.#handle()).write(bytes, 0, bytes.length, offset);
    this.#written = true;
  }

  /**
   * A sparse file loses the rest of its data at once, a real drive as the zeros pass: what is written goes on to the end
   * of the drive, so that only the looks of an overwrite that was broken off differ.
   */
  async zero(offset: number, length: number): Promise<void> {
    const end = offset + length;
    if (this.#faults.failsAt !== undefined && end > this.#faults.failsAt)
      throw new DriveError(
        `The drive ${this.drive.serial} failed at byte ${this.#faults.failsAt}: Input/output error.`,
      );
    await this.#pass(length);
    const file = await this.#handle();
    await file.truncate(offset);
    await file.truncate(this.drive.sizeBytes);
  }

  /** A killed process loses nothing that the file system has; only the machine that runs the simulator could. */
  async flush(): Promise<void> {
    await this.#handle();
  }

  /** Whether a system could start from it: a partition table, and its backup at the end of what was written. */
  async bootable(): Promise<boolean> {
    if (!existsSync(this.#path) || statSync(this.#path).blocks === 0) return false;
    const at = async (offset: number, length: number): Promise<Buffer> => {
      const bytes = Buffer.alloc(length);
      await (await this.#handle()).read(bytes, 0, length, offset);
      return bytes;
    };
    const head = await at(510, 42);
    if (head.toString("hex", 0, 2) !== "55aa" || head.toString("latin1", 2, 10) !== MARK) return false;
    // UEFI 2.10, 5.3.2: the header says where its backup is. Half an image has the first and not the second.
    const backup = Number(head.readBigUInt64LE(34)) * SECTOR;
    return backup < this.drive.sizeBytes && (await at(backup, MARK.length)).toString("latin1") === MARK;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await (await file)?.close();
  }

  #handle(): Promise<FileHandle> {
    this.#file ??= open(this.#path, "r+");
    return this.#file;
  }

  /** The drive's own time, in naps long enough for a timer. */
  async #pass(bytes: number): Promise<void> {
    this.#owedMs += (bytes / BANDWIDTH) * (1000 / this.#speed);
    if (this.#owedMs < 5) return;
    const ms = this.#owedMs;
    this.#owedMs = 0;
    await sleep(ms);
  }
}
