/** A plan that people have approved, for tests and for the demo of a taken-over control plane. */
import type { Approval, ApprovedPlan, SigningKey } from "../../../shared/model/approval.ts";
import { signApproval } from "../../../shared/model/approval.ts";
import { type Plan, type PlanStep, planHash } from "../../../shared/model/plan.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import { sha256 } from "../approvals/ed25519.ts";
import { data, image, lease, medium, SITE, target } from "./fixtures.ts";

const row = (n: number, action: Parameters<typeof lease>[0], more: Partial<PlanStep> = {}): PlanStep => ({
  n,
  target: target().device,
  name: action,
  action,
  params: lease(action).params,
  needs: n === 0 ? [] : [n - 1],
  touches: "",
  waitingOn: "",
  ...more,
});

/** Power off, boot into RAM, zeros over one drive, the image onto the other, and back into service. */
export const plannedWipe = (more: Partial<Plan> = {}): Plan => ({
  v: 1,
  id: "pln_aaaaaaaaaa_0000000000000001",
  site: SITE,
  siteName: "test",
  workflow: "server.reinstall",
  mode: "wipe",
  requester: "token:olga",
  requesterPerson: "olga",
  approvals: 2,
  expiresAt: Number.MAX_SAFE_INTEGER,
  targets: [target()],
  steps: [
    row(0, "bmc.power", { params: { state: "Off", gracefully: true } }),
    row(1, "netboot.arm", { boot: true }),
    row(2, "bmc.power", { boot: true }),
    row(3, "ramdisk.overwrite", { destructive: true, params: { medium: data } }),
    row(4, "ramdisk.writeImage", { destructive: true, params: { medium, image } }),
    row(5, "bmc.accept"),
  ],
  ...more,
});

/** The lease of a row of the plan, as an honest coordinator gives it. */
export function leaseOf(plan: Plan, n: number, more: Partial<Lease> = {}): Lease {
  const step = plan.steps[n];
  const { id } = plan;
  return lease((step?.action ?? "no.such") as Parameters<typeof lease>[0], {
    step: n,
    name: step?.name ?? "",
    params: step?.params ?? {},
    mode: plan.mode,
    plan: { id, hash: planHash(plan, sha256) },
    ...more,
  });
}

export const approve = (
  plan: Plan,
  person: string,
  key: SigningKey,
  more: Partial<Approval["statement"]> = {},
): Approval =>
  signApproval(
    {
      v: 1,
      kind: "turnup/approval",
      plan: plan.id,
      hash: planHash(plan, sha256),
      site: plan.site,
      person,
      at: 1,
      expiresAt: Number.MAX_SAFE_INTEGER,
      ...more,
    },
    key,
  );

export const approvedBy = (plan: Plan, ...approvals: Approval[]): ApprovedPlan => ({ plan, approvals });
