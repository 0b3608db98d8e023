import { describe, expect, it } from "vitest";
import type { Plan, PlanStep } from "../../shared/model/plan.ts";
import { planFault } from "./check-plan.ts";
import { step } from "./workflow.ts";

const words = { touches: "nothing", waitingOn: "the test" };
const look = step({ target: "dev_1", name: "look", action: "bmc.identify", params: {}, ...words });
const power = step({ target: "dev_1", name: "off", action: "bmc.power", params: { state: "Off" }, ...words });

function plan(mode: Plan["mode"], drafts: Omit<PlanStep, "n" | "needs">[]): Plan {
  const target = {
    ...{ device: "dev_1", name: "srv1", asset: "ast_1", serial: "S1", aliases: [], media: [] },
    bmc: { address: "192.0.2.1", port: 443, scheme: "https" as const, secret: "vault:a/1" },
    boot: { interface: "eth0", mac: "02:00:00:00:00:01" },
  };
  return {
    ...{ v: 1, id: "pln_1", site: "st_1", siteName: "ams01", workflow: "test", mode, requester: "token:t" },
    ...{ approvals: 2, expiresAt: 1, targets: [target] },
    steps: drafts.map((draft, n) => ({ ...draft, n, needs: n === 0 ? [] : [n - 1] })),
  };
}

describe("[G8] what disrupts says so", () => {
  it("in any plan but a first install: all that holds a machine, and all that destroys", () => {
    const held = "step 1 may take dev_1 out of service and does not say that it disrupts";
    for (const mode of ["keep-data", "reinstall", "wipe"] as const) {
      expect(planFault(plan(mode, [look, power]))).toBe(held);
      expect(planFault(plan(mode, [look, { ...look, destructive: true }]))).toBe(held);
      expect(planFault(plan(mode, [look, { ...power, disrupts: true }]))).toBeUndefined();
      // What only reads may say it too: it then asks the guards like the others.
      expect(planFault(plan(mode, [{ ...look, disrupts: true }]))).toBeUndefined();
    }
  });

  it("in a first install nothing", () => {
    expect(planFault(plan("first-install", [look, power]))).toBeUndefined();
    expect(planFault(plan("first-install", [look, { ...power, disrupts: true }]))).toBe(
      "step 1 says that it disrupts, in a first install",
    );
  });
});
