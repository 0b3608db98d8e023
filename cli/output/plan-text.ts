import { isDestructive } from "../../shared/model/approval.ts";
import type { PlanView } from "../../shared/model/views.ts";
import { table } from "./table.ts";
import { bytes, duration, moment, plural } from "./words.ts";

/** A plan for a reviewer: steps once for machines that take the same ones, every target with the drive to be written. */
export function planText(view: PlanView): string[] {
  const { plan, hash, impact, guards } = view;
  const lines = [
    `Plan ${plan.id} of ${plan.requester}${plan.requesterPerson === undefined ? "" : ` (${plan.requesterPerson})`}: ${plan.workflow} (${plan.mode}) at ${plan.siteName}`,
    `Hash ${hash}`,
    `${plural(impact.targets, "target")} in ${plural(impact.racks.length, "rack")} (${impact.racks.join(", ")}), ${plural(impact.steps, "step")}, ${bytes(impact.bytesToWrite)} to write; good until ${moment(plan.expiresAt)} UTC`,
    "",
  ];
  for (const { names, steps } of sameSteps(view)) {
    lines.push(names.length === plan.targets.length ? "Steps of each target:" : `Steps of ${names.join(", ")}:`);
    const rows = steps.map((step, i) => [String(i + 1), step.name, step.action, touchesOf(step)]);
    lines.push(
      ...table([{ title: "#", right: true }, { title: "step" }, { title: "action" }, { title: "touches" }], rows),
      "",
    );
  }
  const rows = plan.targets.map((target) => {
    const chosen = target.media.find((medium) => medium.chosen);
    const drive = chosen ? `${chosen.bay} ${chosen.serial} (${bytes(chosen.sizeBytes)})` : "none";
    return [
      target.name,
      target.serial,
      target.bmc.address,
      target.boot.mac,
      drive,
      String(target.media.length - (chosen ? 1 : 0)),
    ];
  });
  const columns = ["target", "serial", "BMC", "boot MAC", "drive to be written"].map((title) => ({ title }));
  lines.push(...table([...columns, { title: "left alone", right: true }], rows));
  lines.push(...outageText(view), ...needsText(view), ...guards.map(guardLine));
  if (view.earliest !== undefined)
    lines.push(`May start: ${view.earliest === null ? "nobody knows when" : `${moment(view.earliest)} UTC`}`);
  return lines;
}

/** What leaves service, for how long, and what that brings close to its floor or leaves without a stand-in. */
function outageText({ impact: { outage } }: PlanView): string[] {
  if (!outage) return [];
  const { machines, seconds, atOnce, floors, losesRedundancy } = outage;
  const each = machines === 1 ? "" : `, at most ${atOnce} at once, each`;
  return [
    `Takes ${plural(machines, "machine")} out of service${each} for about ${duration(seconds * 1000)}`,
    ...floors.map(
      ({ of, machines, inService, after, least }) =>
        `Floor of ${of}: ${inService} of ${machines} in service, ${after} then, ${least} must stay`,
    ),
    ...losesRedundancy.map((text) => `Redundancy: ${text}`),
  ];
}

/** `Guard kill switch: waits for an admin … (frozen), not before …`. */
function guardLine({ guard, verdict, code, text, until }: PlanView["guards"][number]): string {
  const says = { pass: `pass, ${text}`, wait: `waits for ${text}`, refuse: `refuse, ${text}` }[verdict];
  const when = until === undefined || until === null ? "" : `, not before ${moment(until)} UTC`;
  return `Guard ${guard}: ${says}${code === undefined ? "" : ` (${code})`}${when}`;
}

/** The approvals that a plan needs and has, a line for each kind; or only those that are missing. */
export function needsText({ plan, approvalsNeeded, approvals }: PlanView, missingOnly = false): string[] {
  const lines = approvalsNeeded
    .filter(({ given, people }) => !missingOnly || given < people)
    .map(({ code, people, given, text }) => `Approval by ${text}: ${given} of ${people} (${code})`);
  const by = approvals.map(({ person, counts }) => (counts ? person : `${person}, which counts no more`));
  if (lines.length > 0 && by.length > 0) lines.push(`Approved by ${by.join("; ")}`);
  if (lines.length > 0 && missingOnly) lines.push(`They approve it by: turnup approve ${plan.id}`);
  return lines;
}

/** Each step that ends data, word by word as it is hashed: what is said of a step beside that is not signed. */
export function destroyedText({ steps, targets }: PlanView["plan"]): string[] {
  const names = new Map(targets.map(({ device, name, serial }) => [device, `${name} (${serial})`]));
  const lines = steps
    .filter(isDestructive)
    .map(({ target, name, action, params }) => `  ${names.get(target)}: ${name} ${action} ${JSON.stringify(params)}`);
  return lines.length === 0 ? [] : ["", "It ends data, exactly so:", ...lines];
}

type Step = PlanView["plan"]["steps"][number];
type Target = PlanView["plan"]["targets"][number];

/** Targets grouped by equal lists of steps; the words of the first stand for all, names taken out of them. */
function sameSteps({ plan }: PlanView): { names: string[]; steps: Step[] }[] {
  const groups = new Map<string, { names: string[]; steps: Step[] }>();
  for (const target of plan.targets) {
    const steps = plan.steps.filter((step) => step.target === target.device).sort((a, b) => a.n - b.n);
    const key = steps.map((step) => `${step.name} ${step.action} ${step.deadlineSeconds ?? ""}`).join("\n");
    const group = groups.get(key);
    if (group) group.names.push(target.name);
    else
      groups.set(key, {
        names: [target.name],
        steps: steps.map((step) => ({ ...step, touches: general(step.touches, target) })),
      });
  }
  return [...groups.values()];
}

const touchesOf = ({ touches, deadlineSeconds }: Step): string =>
  deadlineSeconds === undefined ? touches : `${touches}; may take ${duration(deadlineSeconds * 1000)}`;

/** The words of one target, without what is its own: that stands in the table of targets. */
function general(text: string, { name, bmc, boot, media }: Target): string {
  const chosen = media.find((medium) => medium.chosen);
  const own: [string, string][] = [
    [`BMC ${bmc.address}`, "its BMC"],
    [boot.mac, "its boot port"],
    [`drive ${chosen?.serial} in ${chosen?.bay}`, "its planned drive"],
    [name, "the target"],
  ];
  return own.reduce((said, [from, to]) => said.replaceAll(from, to), text);
}
