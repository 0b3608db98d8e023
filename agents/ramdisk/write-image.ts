/**
 * Streams an image onto a drive and reads it back. The bytes are hashed on their way; a lost connection goes on from its
 * offset by a range; the hash of what lies on the medium decides in the end (a drive may lie).
 */
import { createHash, type Hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { WriteProof } from "../../shared/actions/ramdisk.ts";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import type { Image } from "../../shared/model/site.ts";
import type { Medium } from "./hardware.ts";

/** Written at once; also the grain of progress and of resuming. */
const CHUNK = 4 << 20;
/** Tries in a row without a new byte, and the waits between them, ms: an agent that restarts is back within seconds. */
const TRIES = 40;
const WAIT_MS = 250;
const MAX_WAIT_MS = 2_000;
/** A connection that brings nothing for this long is dead, ms. */
const STALL_MS = 30_000;

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface WriteJob {
  medium: Medium;
  image: Image;
  url: string;
  /** Bytes already on the drive from an earlier life of the program in this same boot. */
  from: number;
  fetch: Fetch;
  /** Called after each chunk that is on the drive. */
  written(bytes: number): void;
  progress(percent: number): void;
  signal: AbortSignal;
}

export async function writeImage(job: WriteJob): Promise<Outcome<WriteProof>> {
  const { medium, image } = job;
  if (image.sizeBytes > medium.drive.sizeBytes) {
    return refuse(
      "write_failed",
      `The image ${image.name} has ${image.sizeBytes} bytes, the drive ${medium.drive.serial} only ${medium.drive.sizeBytes}.`,
    );
  }
  const wire = createHash("sha256");
  // What an earlier life wrote is hashed from the drive: if it is not what was sent, the sum says so.
  await hashBack(job, job.from, wire, () => undefined);
  const sent = await download(job, wire);
  if (!sent.ok) return sent;
  const wireSha256 = wire.digest("hex");
  if (wireSha256 !== image.sha256) {
    const what =
      job.from === 0 ? "What came over the wire" : `What lay on the drive up to byte ${job.from}, and what came then,`;
    return refuse("verify_failed", `${what} is not the image ${image.name}: ${wireSha256}.`);
  }
  await medium.flush();
  const back = createHash("sha256");
  await hashBack(job, image.sizeBytes, back, (done) => job.progress(90 + (10 * done) / image.sizeBytes));
  const readBackSha256 = back.digest("hex");
  if (readBackSha256 !== image.sha256) {
    return refuse(
      "verify_failed",
      `The drive ${medium.drive.serial} gives back other bytes than were written: ${readBackSha256}.`,
    );
  }
  return ok({ serial: medium.drive.serial, bytes: image.sizeBytes, wireSha256, readBackSha256, resumed: sent.value });
}

/** Reads the drive: whether just this image lies at its start. */
export async function holdsImage(medium: Medium, image: Image, signal: AbortSignal): Promise<Outcome<object>> {
  const hash = createHash("sha256");
  if (image.sizeBytes <= medium.drive.sizeBytes)
    await hashBack({ medium, signal }, image.sizeBytes, hash, () => undefined);
  if (hash.digest("hex") === image.sha256) return ok({});
  return refuse("verify_failed", `The drive ${medium.drive.serial} does not hold the image ${image.name}.`);
}

async function hashBack(
  { medium, signal }: Pick<WriteJob, "medium" | "signal">,
  bytes: number,
  hash: Hash,
  progress: (done: number) => void,
): Promise<void> {
  for (let offset = 0; offset < bytes; offset += CHUNK) {
    const read = await medium.read(offset, Math.min(CHUNK, bytes - offset));
    signal.throwIfAborted();
    hash.update(read);
    progress(offset);
  }
}

/** Brings the rest onto the drive; the value is how often it had to go on after a lost connection. */
async function download(job: WriteJob, wire: Hash): Promise<Outcome<number>> {
  const { image } = job;
  let offset = job.from;
  let resumed = 0;
  for (let tries = 0; offset < image.sizeBytes; ) {
    job.signal.throwIfAborted();
    const before = offset;
    const end = await stream(job, wire, offset, (to) => {
      offset = to;
    });
    if (end === "gone")
      return refuse("image_unavailable", `The agent no longer has the image ${image.name} as planned.`);
    if (offset >= image.sizeBytes) break;
    tries = offset > before ? 0 : tries + 1;
    resumed += 1;
    if (tries >= TRIES) return refuse("image_unavailable", `The image ${image.name} stopped coming at byte ${offset}.`);
    await sleep(Math.min(WAIT_MS * 2 ** tries, MAX_WAIT_MS), undefined, { signal: job.signal });
  }
  return ok(resumed);
}

/** One request: writes whole chunks as they fill. Ends without an error when the connection does. */
async function stream(
  job: WriteJob,
  wire: Hash,
  from: number,
  reached: (offset: number) => void,
): Promise<"ended" | "gone"> {
  const { image, medium, signal } = job;
  const stalled = new AbortController();
  const stall = setTimeout(() => stalled.abort(), STALL_MS);
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const chunk = Buffer.allocUnsafe(CHUNK);
  let filled = 0;
  let offset = from;
  const put = async () => {
    const bytes = chunk.subarray(0, filled);
    signal.throwIfAborted();
    await medium.write(offset, bytes);
    signal.throwIfAborted();
    wire.update(bytes);
    offset += filled;
    filled = 0;
    reached(offset);
    job.written(offset);
    job.progress((90 * offset) / image.sizeBytes);
  };
  try {
    const headers = { "accept-encoding": "identity", "if-range": `"${image.sha256}"`, range: `bytes=${from}-` };
    const until = AbortSignal.any([signal, stalled.signal]);
    const response = await job.fetch(job.url, { headers, signal: until }).catch(() => undefined);
    signal.throwIfAborted();
    if (!response || response.status >= 500) return "ended";
    reader = response.body?.getReader();
    // A whole body to a range request, or another range than asked for, means another file than ours.
    const whole = `bytes ${from}-${image.sizeBytes - 1}/${image.sizeBytes}`;
    if (response.status !== 206 || response.headers.get("content-range") !== whole) return "gone";
    for (;;) {
      const part = await reader?.read().catch(() => undefined);
      signal.throwIfAborted();
      if (!part || part.done) break;
      stall.refresh();
      // Nothing is written past the end of the image, whatever is sent.
      if (offset + filled + part.value.length > image.sizeBytes) return "gone";
      for (let at = 0; at < part.value.length; ) {
        const take = Math.min(CHUNK - filled, part.value.length - at);
        chunk.set(part.value.subarray(at, at + take), filled);
        filled += take;
        at += take;
        if (filled === CHUNK) await put();
      }
    }
    // What came before the connection ended is kept as well.
    if (filled > 0) await put();
    return "ended";
  } finally {
    clearTimeout(stall);
    reader?.cancel().catch(() => undefined);
  }
}
