/**
 * What the RAM environment needs of the machine it runs in. On a real machine sysfs, block devices and efivars are
 * behind it; in the simulator, sparse files. The program itself is the same.
 */
import type { Drive, Observed } from "../../shared/model/inventory.ts";

/** One drive, addressed by its serial, never by a device name. Offsets and lengths are bytes. */
export interface Medium {
  readonly drive: Drive & { sizeBytes: number };
  /** Reads exactly `length` bytes; throws a DriveError when the drive cannot. */
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Writes zeros: on a real machine by BLKZEROOUT, which drives do faster than they take bytes. */
  zero(offset: number, length: number): Promise<void>;
  /** Returns when what was written is on the medium, past every cache. */
  flush(): Promise<void>;
}

/** The drive failed a read or a write. */
export class DriveError extends Error {
  override readonly name = "DriveError";
}

/** The boot entry that the firmware keeps: which drive, and what the installed system finds in its load options. */
export interface BootEntry {
  serial: string;
  nonce: string;
  phoneHome: string;
}

export interface RamdiskHardware {
  /** MAC of the port that it booted from. */
  readonly mac: string;
  /** The identity as the firmware tells it, as the vendor gives it. */
  serial(): string;
  inventory(): Promise<Observed>;
  media(): readonly Medium[];
  setBootEntry(entry: BootEntry): Promise<void>;
  /** Restarts the machine; nothing of the RAM environment runs after it. */
  restart(): void;
}

/** How a boot's own memory is kept: it lives as long as the RAM environment, and a restarted program finds it again. */
export interface Scratch<T> {
  load(): T | undefined;
  save(state: T): void;
}
