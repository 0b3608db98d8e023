import { z } from "zod";

/** What an audit can see that should not be. A finding is keyed by (check, object): a repeat ages it. */
export const checks = [
  "power-drift",
  "serial-drift",
  "agent-silent",
  "outbox-parked",
  "unknown-hardware",
  "unknown-work",
  "ledger-head",
  "left-out-of-service",
] as const;
export const Finding = z.object({
  site: z.string(),
  check: z.enum(checks),
  /** Id of the device or agent it is about. */
  object: z.string(),
  objectName: z.string(),
  severity: z.enum(["critical", "high", "medium", "low"]),
  state: z.enum(["open", "closed"]),
  text: z.string(),
  /** What a person should do. */
  next: z.string(),
  openedAt: z.number(),
  lastSeenAt: z.number(),
  closedAt: z.number().nullable(),
  /** Audits that saw it. */
  times: z.number().int(),
  version: z.number().int(),
});
export type Finding = z.infer<typeof Finding>;

export const AuditRun = z.object({
  site: z.string(),
  window: z.string(),
  state: z.enum(["running", "done", "no-data"]),
  startedAt: z.number(),
  endedAt: z.number().nullable(),
  /** Devices the audit should have read, and those it did read. */
  expected: z.number().int(),
  read: z.number().int(),
  opened: z.number().int(),
  closed: z.number().int(),
});
export type AuditRun = z.infer<typeof AuditRun>;
