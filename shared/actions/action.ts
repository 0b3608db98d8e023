import type { z } from "zod";

/** How an action behaves; architecture section 5. */
export interface ActionFlags {
  /** Needs approval and an identity re-read in the same attempt; never pre-empted, never retried blindly. */
  destructive?: true;
  /** At most one holder per device; on expiry `unknown`, resolved by reading. */
  exclusive?: true;
  /** An ensure: read, compare, act, verify. May be leased again after expiry. */
  idempotent?: true;
  /** Reads only: may be left out by a person, unless a later step rests on what it proves. */
  reads?: true;
}

/** Facts that a later destructive step rests on. */
export const proofs = ["identity", "drained", "blank", "port"] as const;
export type Proof = (typeof proofs)[number];

/** The typed contract between a workflow that plans a step and the executor that runs it. */
export type Executor = "agent" | "cloud" | "human";

export interface ActionSpec<
  P extends z.ZodType = z.ZodType,
  R extends z.ZodType = z.ZodType,
  E extends Executor = Executor,
> {
  executor: E;
  /** One line: what it does. */
  title: string;
  params: P;
  result: R;
  flags: ActionFlags;
  /**
   * From lease to report, seconds that real hardware is expected to need: what is summed up to see whether work fits into
   * a window (G3). Rather too long than too short. None is measured yet: where no other source stands beside it, it is an
   * estimate from the number of calls, at some seconds each.
   */
  typicalSeconds: number;
  /** From lease to report, seconds of real hardware. */
  deadlineSeconds: number;
  /** The longest single call to hardware, seconds: L2 adds it before an exclusive step is handed on. */
  longestCallSeconds: number;
  /** Tries in all, and the backoff before try n: base × 2^(n-1), at most max, seconds, plus jitter. */
  retry: { tries: number; baseSeconds: number; maxSeconds: number };
  /** At most this many at work at once at a site, unless its file says otherwise; no bound when left out. */
  atOnce?: number;
  /** What its success proves for later steps. Such a step is never skipped before one that writes or destroys. */
  proves?: Proof;
  /** Failure codes after which another try makes sense. */
  retryOn: readonly string[];
}

/** Declares an action; keeps its exact types. */
export const action = <P extends z.ZodType, R extends z.ZodType, const E extends Executor>(
  spec: ActionSpec<P, R, E>,
): ActionSpec<P, R, E> => spec;
