import { z } from "zod";
import { Bom, Difference, Observed } from "../model/inventory.ts";
import { action } from "./action.ts";

const transient = ["bmc_unreachable", "bmc_unavailable", "bmc_error", "lease_expired", "agent_defect"] as const;
const retry = { tries: 6, baseSeconds: 1, maxSeconds: 60 };

export const PowerState = z.enum(["On", "Off", "PoweringOn", "PoweringOff", "Unknown"]);
export type PowerState = z.infer<typeof PowerState>;

export const bmcActions = {
  /** T2: reads the serial at the device, as the vendor gives it, and the power state. Touches nothing. */
  "bmc.identify": action({
    executor: "agent",
    title: "Read the serial at the BMC and compare it with the plan",
    params: z.object({}),
    result: z.object({
      serial: z.string(),
      manufacturer: z.string().optional(),
      model: z.string().optional(),
      power: PowerState,
    }),
    flags: { idempotent: true, reads: true },
    typicalSeconds: 30,
    deadlineSeconds: 600,
    longestCallSeconds: 60,
    retry,
    proves: "identity",
    retryOn: [...transient, "identity_unreadable"],
  }),
  "bmc.inventory": action({
    executor: "agent",
    title: "Read the inventory at the BMC and compare it with the bill of materials",
    params: z.object({ bom: Bom }),
    result: z.object({ observed: Observed, differences: z.array(Difference) }),
    flags: { idempotent: true, reads: true },
    typicalSeconds: 60,
    deadlineSeconds: 900,
    longestCallSeconds: 60,
    retry,
    retryOn: transient,
  }),
  /** Sets the one-time boot source, reads it back. */
  "bmc.bootOverride": action({
    executor: "agent",
    title: "Set the one-time boot source",
    params: z.object({ target: z.enum(["Pxe"]), mode: z.enum(["UEFI"]) }),
    result: z.object({ before: z.string(), after: z.string() }),
    flags: { idempotent: true, exclusive: true },
    typicalSeconds: 30,
    deadlineSeconds: 600,
    longestCallSeconds: 60,
    retry,
    retryOn: transient,
  }),
  /** Ensures a power state within the power budget (A4); a machine already in it is not touched. */
  "bmc.power": action({
    executor: "agent",
    title: "Bring the machine to a power state",
    params: z.object({
      state: z.enum(["On", "Off"]),
      /** Off: the system is asked to shut down first, and has its time; only then power is cut. */
      gracefully: z.literal(true).optional(),
    }),
    result: z.object({ before: PowerState, after: PowerState, commands: z.number().int() }),
    flags: { idempotent: true, exclusive: true },
    typicalSeconds: 60,
    deadlineSeconds: 900,
    longestCallSeconds: 60,
    retry,
    // A rack does not take all its inrush at once (workflows 6.2).
    atOnce: 40,
    retryOn: [...transient, "power_no_effect"],
  }),
  /** Serial, power, and that the machine started from its disk: the last look before service. */
  "bmc.accept": action({
    executor: "agent",
    title: "Check serial, power and boot source before service",
    params: z.object({}),
    result: z.object({ checks: z.array(z.object({ check: z.string(), passed: z.boolean(), seen: z.string() })) }),
    flags: { idempotent: true, reads: true },
    typicalSeconds: 30,
    deadlineSeconds: 600,
    longestCallSeconds: 60,
    retry,
    retryOn: transient,
  }),
};
