import { DriveError, type Medium } from "./hardware.ts";

/** A drive in memory whose unwritten bytes are zero, as large as one likes; it keeps account of what was read and written. */
export class TestMedium implements Medium {
  readonly drive: Medium["drive"];
  readonly reads: { offset: number; length: number }[] = [];
  readonly #written: { offset: number; bytes: Buffer }[] = [];
  readonly zeroed: { offset: number; length: number }[] = [];
  /** Zeros are accepted and not written. */
  keepsOld = false;
  writes = 0;
  flushes = 0;
  /** Reads and writes that touch this byte fail. */
  broken: number | undefined;
  /** It gives back other bytes than were written. */
  lies = false;
  /** Each write waits for this. */
  gate: Promise<void> = Promise.resolve();

  constructor(serial: string, sizeBytes: number) {
    this.drive = { serial, sizeBytes, bay: "Bay 1", protocol: "SATA", mediaType: "SSD" };
  }

  /** What was on it before. */
  plant(offset: number, bytes: readonly number[] | Buffer): this {
    this.#written.push({ offset, bytes: Buffer.from(bytes) });
    return this;
  }

  peek(offset: number, length: number): Buffer {
    const out = Buffer.alloc(length);
    for (const { offset: at, bytes } of this.#written) {
      const from = Math.max(at, offset);
      const to = Math.min(at + bytes.length, offset + length);
      if (to > from) bytes.copy(out, from - offset, from - at, to - at);
    }
    return out;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.reads.push({ offset, length });
    this.#touch(offset, length);
    const bytes = this.peek(offset, length);
    if (this.lies && this.writes > 0 && offset === 0) bytes[0] = (bytes[0] ?? 0) ^ 1;
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.gate;
    this.#touch(offset, bytes.length);
    this.writes += 1;
    this.#written.push({ offset, bytes: Buffer.from(bytes) });
  }

  async zero(offset: number, length: number): Promise<void> {
    await this.gate;
    this.#touch(offset, length);
    this.zeroed.push({ offset, length });
    for (const { offset: at, bytes } of this.#written) {
      const from = Math.max(at, offset);
      const to = Math.min(at + bytes.length, offset + length);
      if (to > from && !this.keepsOld) bytes.fill(0, from - at, to - at);
    }
  }

  async flush(): Promise<void> {
    this.flushes += 1;
  }

  #touch(offset: number, length: number): void {
    if (this.broken !== undefined && offset <= this.broken && this.broken < offset + length)
      throw new DriveError(`The drive ${this.drive.serial} failed at byte ${this.broken}: Input/output error.`);
  }
}
