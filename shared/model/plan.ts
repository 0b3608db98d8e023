import { z } from "zod";
import { canonicalJson } from "../canonical.ts";
import type { Sha256 } from "../deps.ts";
import { BmcAddress, Mac } from "./site.ts";

/** One machine that a plan acts on, frozen: nothing below is looked up again while the job runs (T1, J8). */
export const PlanTarget = z.object({
  device: z.string(),
  name: z.string(),
  asset: z.string(),
  serial: z.string(),
  /** Serials that count as the same article (a swapped board, a vendor's repair). */
  aliases: z.array(z.string()),
  bmc: BmcAddress,
  boot: z.object({ interface: z.string(), mac: Mac }),
  media: z.array(
    z.object({ id: z.string(), bay: z.string(), serial: z.string(), sizeBytes: z.number(), chosen: z.boolean() }),
  ),
});
export type PlanTarget = z.infer<typeof PlanTarget>;

/** A lifecycle move that the site makes when a step starts or succeeds. */
export const Mark = z.object({ subject: z.enum(["device", "asset", "medium"]), id: z.string(), to: z.string() });
export type Mark = z.infer<typeof Mark>;

export const PlanStep = z.object({
  /** Position in the plan, from 0; the step's name within its job. */
  n: z.number().int().nonnegative(),
  target: z.string(),
  /** What operators call it: identify, power-on, write-image. */
  name: z.string(),
  action: z.string(),
  params: z.record(z.string(), z.unknown()),
  /** Steps that must have succeeded before. */
  needs: z.array(z.number().int().nonnegative()),
  marks: z.object({ start: z.array(Mark).optional(), success: z.array(Mark).optional() }).optional(),
  /** True from the first step on whose start data may have been written: a failure then leaves the device `failed`. */
  writes: z.boolean().optional(),
  /** It may end data or service that was there: only in an approved plan, never pre-empted, never skipped (J6, J7, T5). */
  destructive: z.boolean().optional(),
  /**
   * It takes its target out of service, or acts on one that is out and must still be allowed to: it starts only when
   * every guard passes (G8). In a first install nothing does, in any other plan all that holds a machine or destroys.
   */
  disrupts: z.literal(true).optional(),
  /**
   * Its result holds only within the boot that the job opens for the target. Once that boot has ended the step counts as
   * not done, and a retry starts with it.
   */
  boot: z.boolean().optional(),
  /** Seconds from lease to report, where the device type asks for another time than the action. */
  deadlineSeconds: z.number().int().positive().optional(),
  /** What it touches, for the reviewer; not part of the hash. */
  touches: z.string(),
  /** In words, while it runs: "the machine to ask for its boot script". Not part of the hash. */
  waitingOn: z.string(),
});
export type PlanStep = z.infer<typeof PlanStep>;

export const Plan = z.object({
  v: z.literal(1),
  id: z.string(),
  site: z.string(),
  siteName: z.string(),
  workflow: z.string(),
  /** Keep data, reinstall, wipe, or a first install onto blank media: fixed here, never inferred (J9). */
  mode: z.enum(["first-install", "keep-data", "reinstall", "wipe"]),
  /** What the intent said beside workflow and targets, so that it can be planned again; its effect is in the steps. */
  params: z.record(z.string(), z.unknown()).optional(),
  requester: z.string(),
  /** Who that is, where the requester's token belongs to a person: never one of those who approve (G4). */
  requesterPerson: z.string().optional(),
  /** How many people must approve: 0, 1 or 2. */
  approvals: z.number().int().min(0).max(2),
  /** Unix ms after which it may not be started. */
  expiresAt: z.number(),
  targets: z.array(PlanTarget),
  steps: z.array(PlanStep),
});
export type Plan = z.infer<typeof Plan>;

/** The text whose hash is reviewed, approved and executed: G4's list and nothing a run alone knows. */
export function canonicalPlan(plan: Plan): string {
  const { v, id, site, workflow, mode, requester, requesterPerson, approvals, expiresAt, targets } = plan;
  const steps = plan.steps.map(({ touches: _, waitingOn: __, ...hashed }) => hashed);
  const head = { v, id, site, workflow, mode, requester, requesterPerson, approvals, expiresAt };
  return canonicalJson({ ...head, targets, steps });
}

export const planHash = (plan: Plan, sha256: Sha256): string => sha256(canonicalPlan(plan));
