import type { JobState } from "../shared/model/job.ts";

/** What a process says of its outcome; scripts match on these. */
export const exitCode = { done: 0, failed: 1, refused: 2, partly: 3 } as const;
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** Of a job that has ended, or waits for a person: that is not done, and some of it may be. */
export function exitOfJob(state: JobState, succeeded: number): ExitCode {
  switch (state) {
    case "succeeded":
      return exitCode.done;
    case "partly":
      return exitCode.partly;
    case "waiting":
      return succeeded > 0 ? exitCode.partly : exitCode.failed;
    case "queued":
    case "running":
    case "paused":
    case "failed":
    case "cancelled":
      return exitCode.failed;
  }
}

/** Of many things tried one by one, where each was taken or refused. */
export function exitOfMany(taken: number, refused: number): ExitCode {
  if (refused === 0) return exitCode.done;
  return taken > 0 ? exitCode.partly : exitCode.refused;
}

/** Of a refusal by its HTTP status; 0: no answer came. What the caller can mend is a refusal, the rest a failure. */
export const exitOfStatus = (status: number): ExitCode =>
  status >= 400 && status < 500 ? exitCode.refused : exitCode.failed;
