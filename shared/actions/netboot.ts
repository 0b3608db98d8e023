import { z } from "zod";
import { action } from "./action.ts";

export const netbootActions = {
  /** Opens the boot: a fresh nonce in the agent's journal, and the one-shot boot decision for the boot port's MAC (A5). */
  "netboot.arm": action({
    executor: "agent",
    title: "Arm netboot for this attempt",
    params: z.object({ environment: z.enum(["ramdisk"]) }),
    result: z.object({ boot: z.string(), mac: z.string() }),
    flags: { idempotent: true },
    typicalSeconds: 5,
    deadlineSeconds: 300,
    longestCallSeconds: 5,
    retry: { tries: 4, baseSeconds: 1, maxSeconds: 30 },
    retryOn: ["agent_defect", "lease_expired"],
  }),
};
