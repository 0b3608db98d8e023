/** What somebody tries who has taken the control plane over, and what the agent must answer to each. */

import { sha256 } from "../../../agents/site/approvals/ed25519.ts";
import { approve } from "../../../agents/site/testing/approved.ts";
import type { Approval, ApprovedPlan, SigningKey } from "../../../shared/model/approval.ts";
import {
  type ApproverList,
  type ApproversChange,
  approverListHash,
  signApprovers,
} from "../../../shared/model/approver-list.ts";
import { type Plan, planHash } from "../../../shared/model/plan.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import { serverInstall } from "../../../workers/workflows/server-install.ts";
import { serverReinstall } from "../../../workers/workflows/server-reinstall.ts";
import type { PlanDevice, Workflow } from "../../../workers/workflows/workflow.ts";
import { leaseOf } from "./control-plane.ts";
import { IMAGE, planDevice, SITE_ID } from "./site.ts";

export interface Attack {
  name: string;
  /** What the agent is given when it asks for the plan. */
  told: ApprovedPlan;
  lease: Lease;
  /** With which the agent must refuse. */
  code: string;
}

export type People = Record<"anna" | "ben" | "attacker", SigningKey>;

const HOUR = 3_600_000;
let plans = 0;

/** A plan as the workflow makes it, of one server. */
export function planOf(workflow: Workflow, device: PlanDevice, params: Record<string, unknown>, ttlMs = HOUR): Plan {
  plans += 1;
  const built = workflow.plan({
    planId: `pln_0000000000_${String(plans).padStart(16, "0")}`,
    site: SITE_ID,
    siteName: "takeover",
    requester: "token:operator",
    expiresAt: Date.now() + ttlMs,
    devices: [device],
    images: [IMAGE],
    params,
  });
  if (!built.ok) throw new Error(`${built.problem.code}: ${built.problem.detail}`);
  return built.value;
}

export const approval = (plan: Plan, person: string, key: SigningKey): Approval =>
  approve(plan, person, key, { at: Date.now(), expiresAt: Date.now() + HOUR });

/** Step of a plan by its name. */
export function stepNamed(plan: Plan, name: string): number {
  const n = plan.steps.findIndex((s) => s.name === name);
  if (n === -1) throw new Error(`The plan ${plan.id} has no step ${name}.`);
  return n;
}

/**
 * All of them, against servers in service. `ran`: a plan that two people approved and that was carried out honestly on the
 * second server; the agent has its approvals.
 */
export function attacks(ran: ApprovedPlan, { anna, ben, attacker }: People): Attack[] {
  const [first, second, third] = [1, 2, 3].map((n) => planDevice(n, "active")) as [PlanDevice, PlanDevice, PlanDevice];
  const wipe = (device: PlanDevice, ttlMs?: number) => planOf(serverReinstall, device, { mode: "wipe" }, ttlMs);
  const off = (plan: Plan, spoil?: Partial<Lease>) => leaseOf(plan, stepNamed(plan, "power-off"), spoil);
  const both = (plan: Plan) => [approval(plan, "anna", anna), approval(plan, "ben", ben)];
  const plain = (name: string, plan: Plan, approvals: Approval[], code: string): Attack => ({
    name,
    told: { plan, approvals },
    lease: off(plan),
    code,
  });

  const forged = wipe(first);
  const byAttacker = (plan: Plan, person: string, x: string) => ({ ...approval(plan, person, attacker), key: x });
  const slipped = wipe(first);
  const replayed = wipe(first);
  const alone = wipe(first);
  const lowered = { ...wipe(first), approvals: 0 };
  const meant = wipe(third);
  const overdue = wipe(third, -1);
  const install = planOf(serverInstall, { ...first, state: "planned" }, {});
  const keep = planOf(serverReinstall, second, { mode: "keep-data" });
  const params = { medium: { medium: "med_DATA-3", serial: "DATA-3", sizeBytes: 32 * 2 ** 20 }, image: IMAGE };
  return [
    plain(
      "forged approvals",
      forged,
      [byAttacker(forged, "anna", anna.x), byAttacker(forged, "ben", ben.x)],
      "approval_invalid",
    ),
    plain(
      "an approver slipped into the control plane's list",
      slipped,
      [approval(slipped, "anna", attacker), approval(slipped, "mallory", attacker)],
      "approver_unknown",
    ),
    plain("approvals replayed for another plan", replayed, ran.approvals, "approval_invalid"),
    plain("one person where two are asked for", alone, [approval(alone, "anna", anna)], "approval_missing"),
    plain("a plan that says it needs nobody", lowered, [], "approval_missing"),
    plain("an approved plan that has expired", overdue, both(overdue), "plan_expired"),
    {
      name: "an approved hash with other parameters",
      told: { plan: meant, approvals: both(meant) },
      lease: leaseOf(meant, stepNamed(meant, "write-image"), { params }),
      code: "plan_mismatch",
    },
    {
      name: "an approved hash on another machine",
      told: { plan: meant, approvals: both(meant) },
      lease: off(meant, { target: forged.targets[0] as Lease["target"] }),
      code: "plan_mismatch",
    },
    {
      name: "an approved plan, altered after it was signed",
      told: { plan: { ...meant, mode: "keep-data" }, approvals: both(meant) },
      lease: off(meant, { mode: "keep-data" }),
      code: "plan_mismatch",
    },
    {
      name: "a second run of an approved step",
      told: ran,
      lease: off(ran.plan),
      code: "step_already_run",
    },
    {
      name: "zeros over a drive, without any plan",
      told: { plan: keep, approvals: [] },
      lease: leaseOf(forged, stepNamed(forged, "overwrite-bay-0"), {
        plan: { id: keep.id, hash: planHash(keep, sha256) },
      }),
      code: "plan_mismatch",
    },
    {
      name: "an install onto a machine in service",
      told: { plan: install, approvals: both(install) },
      lease: leaseOf(install, stepNamed(install, "power-on"), { params: { state: "Off" } }),
      code: "asset_in_service",
    },
  ];
}

/** The agent's own list: the attacker puts a key on it, with the one signature there is and a forged one. */
export function slipIn(list: ApproverList, { anna, attacker }: People): ApproversChange {
  const statement = {
    v: 1,
    kind: "turnup/approvers",
    site: SITE_ID,
    base: approverListHash(list, sha256),
    add: [{ key: attacker.x, person: "mallory" }],
    remove: [],
    expiresAt: Date.now() + HOUR,
  } as const;
  const signed = signApprovers(
    { statement: { ...statement, add: [...statement.add], remove: [] }, signatures: [] },
    attacker,
  );
  return { ...signed, signatures: signed.signatures.map((s) => ({ ...s, key: anna.x })) };
}
