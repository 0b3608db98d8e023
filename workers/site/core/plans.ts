/** Plans: made by a workflow, stored with their hash, used once. Nothing happens by making one. */
import { type Fault, type Outcome, ok, refuse } from "../../../shared/errors.ts";
import { siteOfId } from "../../../shared/ids.ts";
import { type ApprovedPlan, leastApprovals } from "../../../shared/model/approval.ts";
import { type Plan, type PlanStep, type PlanTarget, planHash } from "../../../shared/model/plan.ts";
import { pointerTo } from "../../../shared/model/site-file/faults.ts";
import type { PlanView } from "../../../shared/model/views.ts";
import type { Sql } from "../../../shared/sql.ts";
import { planFault, tooDestructive } from "../../workflows/check-plan.ts";
import { planChanges } from "../../workflows/plan-changes.ts";
import { MAX_TARGETS, type PlanDevice, type PlanInput, type Workflow } from "../../workflows/workflow.ts";
import { approvalsOf, type Judge, signedApprovals } from "./approvals.ts";
import { approvalsNeeded } from "./guards/approval.ts";
import { planVerdicts } from "./guards/index.ts";
import { outlook } from "./guards/outlook.ts";
import type { Guarded } from "./guards/step-guards.ts";
import { planRow, readPlan } from "./plan-rows.ts";
import { policyInForce } from "./policy.ts";
import type { ProgressBoard } from "./progress.ts";
import { assetById, type DeviceRow, deviceById, deviceDoc, findDevice, mediaOf, mediumDoc } from "./rows.ts";
import { restOf } from "./site.ts";
import { type SiteRecord, type Tx, writeText } from "./tx.ts";

/** A plan may be started for this long: older ones no longer describe the world. */
export const PLAN_TTL_MS = 24 * 3_600_000;

interface Requester {
  actor: string;
  person?: string | undefined;
}

interface Intent {
  workflow: string;
  targets: string[];
  params: Record<string, unknown>;
}

/** Builds the plan of an intent and stores it. Refuses what could not start now for reasons that waiting does not mend. */
export function makePlan(tx: Tx, intent: Intent, { actor, person }: Requester, board: ProgressBoard): Plan {
  const workflow = tx.deps.workflows.get(intent.workflow);
  if (!workflow)
    return tx.fail(
      "workflow_unknown",
      `There is no workflow ${intent.workflow}; there are: ${[...tx.deps.workflows.keys()].join(", ")}.`,
    );
  const unknown = Object.keys(intent.params).filter((name) => !workflow.params.includes(name));
  if (unknown.length > 0)
    return tx.fail(
      "validation_failed",
      `${workflow.name} takes ${workflow.params.length === 0 ? "no params" : `only the params ${workflow.params.join(", ")}`}; unknown: ${unknown.slice(0, 10).join(", ")}.`,
      unknown.map((name) => ({
        code: "param_unknown",
        pointer: pointerTo(["params", name]),
        text: "is not known here",
      })),
    );
  const rows = targetRows(tx, intent.targets, workflow);
  const built = build(tx, workflow, rows, intent.params, {
    planId: tx.id("plan"),
    requester: actor,
    expiresAt: tx.now + PLAN_TTL_MS,
  });
  if (!built.ok) return tx.fail(built.problem.code, built.problem.detail);
  const asked = withApprovals(built.value, policyApprovals(tx, board, workflow.name));
  const plan: Plan = {
    ...asked,
    ...(Object.keys(intent.params).length > 0 && { params: intent.params }),
    ...(person !== undefined && { requesterPerson: person }),
  };
  mustHold(tx, plan);
  writeText(tx.sql, plan.id, JSON.stringify(plan));
  tx.sql.run(
    "INSERT INTO plan (id, hash, created_at, expires_at, job, approvals) VALUES (?, ?, ?, ?, NULL, ?)",
    plan.id,
    planHash(plan, tx.deps.sha256),
    tx.now,
    plan.expiresAt,
    plan.approvals,
  );
  return plan;
}

const build = (
  tx: Tx,
  workflow: Workflow,
  rows: readonly DeviceRow[],
  params: Record<string, unknown>,
  head: Pick<PlanInput, "planId" | "requester" | "expiresAt">,
): Outcome<Plan> =>
  workflow.plan({
    ...head,
    site: tx.site.id,
    siteName: tx.site.name,
    devices: rows.map((row) => planDevice(tx.sql, row)),
    images: restOf(tx.sql)?.images ?? [],
    params,
  });

/** Differences that a refusal tells at most. */
const MOST_CHANGES = 50;

/**
 * Refuses `plan_stale`, with every difference, when the same intent would be planned otherwise now: people reviewed the
 * world as it was. More approvals than are asked for by now are no difference.
 */
export function mustBeCurrent(tx: Tx, plan: Plan): void {
  const workflow = tx.deps.workflows.get(plan.workflow);
  if (!workflow) return tx.fail("plan_stale", `There is no workflow ${plan.workflow} any more.`);
  const rows = plan.targets.flatMap(({ device }) => deviceById(tx.sql, device) ?? []);
  const { id: planId, requester, expiresAt, params = {}, approvals } = plan;
  const built = build(tx, workflow, rows, params, { planId, requester, expiresAt });
  if (!built.ok) return tx.fail("plan_stale", `It could not be planned any more: ${built.problem.detail}`);
  const changes = planChanges(plan, { ...built.value, approvals });
  if (changes.length === 0) return;
  const [first] = changes;
  const more = changes.length > 1 ? ` There are ${changes.length} differences.` : "";
  tx.fail("plan_stale", `Planned again it would differ: ${first?.text}.${more}`, changes.slice(0, MOST_CHANGES));
}

/** How many people the site's policy asks for; 0 if it says nothing of this workflow. */
export const policyApprovals = (tx: Tx, board: ProgressBoard, workflow: string): number =>
  policyInForce(tx.sql, tx.site, board)?.policy.approvals?.[workflow] ?? 0;

/**
 * T5, G4: as many approvals as the rules and the policy ask for, where the workflow asks for fewer. A workflow that
 * destroys and asks for none has a defect and is refused for it (J7).
 */
function withApprovals(plan: Plan, policy: number): Plan {
  const least = leastApprovals(plan);
  if (plan.approvals === 0 && least > 0) return plan;
  return { ...plan, approvals: Math.max(plan.approvals, least, policy) };
}

/** Refuses a plan that breaks a rule, whoever made it: a workflow, an older release, or the file that a site was restored from. */
export function mustHold(tx: Tx, plan: Plan): void {
  const fault = planFault(plan);
  if (fault !== undefined) tx.fail("plan_invalid", `${plan.workflow} made a plan that cannot run: ${fault}.`);
  const excess = tooDestructive(plan);
  if (excess !== undefined) tx.fail("cap_exceeded", excess);
}

function targetRows(tx: Tx, names: string[], workflow: Workflow): DeviceRow[] {
  // T1: explicit, never none.
  if (names.length === 0) return tx.fail("targets_required", "The plan names no target.");
  const wanted = new Set(names);
  const most = Math.min(workflow.maxTargets, MAX_TARGETS);
  if (wanted.size > most)
    return tx.fail("too_many_targets", `${wanted.size} targets; ${workflow.name} takes at most ${most} in one plan.`);
  const found = new Map<string, DeviceRow>();
  const unknown: string[] = [];
  for (const name of wanted) {
    const row = findDevice(tx.sql, name);
    if (row) found.set(row.id, row);
    else unknown.push(name);
  }
  if (unknown.length > 0)
    return tx.fail("target_unknown", `${tx.site.name} has no device ${unknown.slice(0, 10).join(", ")}.`);
  const rows = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const wrong = rows.filter((row) => !workflow.startsFrom.includes(row.state));
  if (wrong.length > 0) {
    const list = wrong.slice(0, 10).map((row) => `${row.name} is ${row.state}`);
    return tx.fail(
      "target_state",
      `${workflow.name} starts from ${workflow.startsFrom.join(" or ")}: ${list.join(", ")}.`,
    );
  }
  return rows;
}

/** What a workflow is told of a device. */
export function planDevice(sql: Sql, row: DeviceRow): PlanDevice {
  const asset = row.asset === null ? undefined : assetById(sql, row.asset);
  return {
    id: row.id,
    state: row.state,
    doc: deviceDoc(row),
    asset: asset
      ? { id: asset.id, state: asset.state, serial: asset.serial, aliases: JSON.parse(asset.aliases) as string[] }
      : null,
    media: asset
      ? mediaOf(sql, asset.id).map((m) => {
          const { bay, serial, sizeBytes } = mediumDoc(m);
          return { id: m.id, bay, serial, sizeBytes, state: m.state };
        })
      : [],
  };
}

/** Steps in a plan's view: 500 servers' installs. A message between Worker and object holds 32 MiB, and a step about 1 KB. */
const STEPS_SHOWN = 6_000;

export function planSteps(sql: Sql, id: string, after: number, limit: number): Outcome<PlanStep[]> {
  const plan = readPlan(sql, id);
  return plan ? ok(plan.steps.slice(after + 1, after + 1 + limit)) : refuse("plan_unknown", `There is no plan ${id}.`);
}

/** A whole plan with its approvals goes to an agent in one message, so not one of very many steps: nobody can approve those. */
export function approvedPlan(sql: Sql, site: Pick<SiteRecord, "id">, id: string): Outcome<ApprovedPlan> {
  // T3
  if (siteOfId(id) !== site.id) return refuse("wrong_site", `The plan ${id} is not one of this site.`);
  const plan = readPlan(sql, id);
  if (!plan) return refuse("plan_unknown", `There is no plan ${id}.`);
  if (plan.steps.length > STEPS_SHOWN)
    return refuse("too_many_targets", `The plan ${id} has ${plan.steps.length} steps, too many to be approved.`);
  return ok({ plan, approvals: signedApprovals(sql, id) });
}

export function planView(by: Judge & Guarded, id: string): Outcome<PlanView> {
  const { sql, now } = by;
  const row = planRow(sql, id);
  const plan = readPlan(sql, id);
  if (!row || !plan) return refuse("plan_unknown", `There is no plan ${id}.`);
  const approvals = approvalsOf(by, plan, row);
  const racks = new Set<string>();
  for (const { device } of plan.targets) {
    const found = deviceById(sql, device);
    if (found) racks.add(deviceDoc(found).rack);
  }
  const { guards, earliest, outage } = outlook(by, plan);
  return ok({
    plan: { ...plan, steps: plan.steps.slice(0, STEPS_SHOWN) },
    hash: row.hash,
    createdAt: row.created_at,
    job: row.job,
    impact: {
      targets: plan.targets.length,
      steps: plan.steps.length,
      bytesToWrite: plan.steps.reduce((sum, s) => sum + bytesOf(s.params), 0),
      racks: [...racks].sort(),
      ...(outage && { outage }),
    },
    approvals,
    approvalsNeeded: approvalsNeeded(plan, approvals),
    guards: [...planVerdicts(sql, plan, now, approvals), ...guards],
    ...(earliest !== undefined && { earliest }),
  });
}

function bytesOf(params: Record<string, unknown>): number {
  const image = params.image;
  return typeof image === "object" && image !== null && "sizeBytes" in image && typeof image.sizeBytes === "number"
    ? image.sizeBytes
    : 0;
}

/** What of a stored plan's targets no longer is as it was planned, each with its place in the plan. */
export function staleness(tx: Tx, plan: Plan): Fault[] {
  const startsFrom = tx.deps.workflows.get(plan.workflow)?.startsFrom;
  return plan.targets.flatMap((target, i) => {
    const text = targetStaleness(tx, target, startsFrom);
    return text === undefined
      ? []
      : [{ code: "plan_changed", pointer: `/targets/${i}`, text: text.replace(/\.$/, "") }];
  });
}

/** Every target must be the same device with the same asset, in a state to start from. */
export function targetStaleness(
  tx: Tx,
  target: PlanTarget,
  startsFrom: Workflow["startsFrom"] | undefined,
): string | undefined {
  const row = deviceById(tx.sql, target.device);
  if (!row) return `${target.name} is no longer a device of this site.`;
  if (row.asset !== target.asset) return `${target.name} has another asset than when it was planned.`;
  if (startsFrom && !startsFrom.includes(row.state)) return `${target.name} is ${row.state} now.`;
  const { install } = deviceDoc(row);
  const moved = (["bmc", "boot"] as const).some((k) => JSON.stringify(install?.[k]) !== JSON.stringify(target[k]));
  if (moved) return `${target.name} has another BMC address or boot port than when it was planned.`;
  const chosen = target.media.find((m) => m.chosen);
  if (install?.systemDrive !== chosen?.serial)
    return `${target.name} has another system drive than when it was planned.`;
  return undefined;
}
