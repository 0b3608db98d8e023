/**
 * Zeros over a whole drive, and a look at what it then gives back. This is no erasure and claims none: what the drive
 * keeps in spare areas is not reached (E2).
 */
import type { OverwriteProof } from "../../shared/actions/ramdisk.ts";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import { proveBlank } from "./blank.ts";
import type { Medium } from "./hardware.ts";

/** Zeroed at once; also the grain of progress and of going on. */
const STRIDE = 1 << 30;

export interface OverwriteJob {
  medium: Medium;
  /** Bytes that an earlier life of the program has zeroed in this same boot. */
  from: number;
  /** Chooses the samples that are read back. */
  nonce: string;
  /** Called after each stretch that is zeroed. */
  zeroed(bytes: number): void;
  progress(percent: number): void;
  signal: AbortSignal;
}

/** Refuses with `verify_failed` when the drive gives back anything else. Drive errors are thrown. */
export async function overwrite(job: OverwriteJob): Promise<Outcome<OverwriteProof>> {
  const { medium, nonce, signal } = job;
  const { serial, sizeBytes } = medium.drive;
  for (let offset = job.from; offset < sizeBytes; ) {
    signal.throwIfAborted();
    const length = Math.min(STRIDE, sizeBytes - offset);
    await medium.zero(offset, length);
    signal.throwIfAborted();
    offset += length;
    job.zeroed(offset);
    job.progress((99 * offset) / sizeBytes);
  }
  await medium.flush();
  const seen = await proveBlank(medium, nonce);
  if (!seen.ok) return refuse("verify_failed", `Zeros were written, but: ${seen.problem.detail}`);
  const { sampledBlocks, bytesRead } = seen.value;
  return ok({ serial, bytes: sizeBytes, sampledBlocks, bytesRead });
}
