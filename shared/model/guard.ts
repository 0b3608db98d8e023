import { z } from "zod";

/** What one guard says of a step that would start now. Guards are asked in the transaction that starts it (G8). */
export const Verdict = z.object({
  /** For people: "kill switch", "floor of pool web". */
  guard: z.string(),
  /** wait: time or others mend it; refuse: not without another plan or policy. */
  verdict: z.enum(["pass", "wait", "refuse"]),
  /** Of the error catalog; absent when it passes. */
  code: z.string().optional(),
  /** What it found; of one that waits, a phrase that reads on after "waits for". */
  text: z.string(),
  /** Unix ms: the earliest moment at which it may pass. null: nobody knows. Absent when it passes. */
  until: z.number().nullable().optional(),
});
export type Verdict = z.infer<typeof Verdict>;
