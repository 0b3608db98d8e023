import type { Millis } from "../../deps.ts";
import { type Outcome, ok, refuse } from "../../errors.ts";
import { Policy } from "../policy.ts";
import { Faults, MAX_FAULTS, pointerTo } from "../site-file/faults.ts";
import { checkNames } from "../site-file/names.ts";
import { instead } from "../site-file/nearest.ts";
import { readShape } from "../site-file/shape.ts";
import { checkAgainstSite } from "./names.ts";
import { checkWindows } from "./windows.ts";
import type { PolicyContext, PolicySite } from "./world.ts";

/**
 * Judges a policy against its site: every fault at once (`validation_failed`, each with its JSON pointer, a stable code
 * and what to write instead), or the policy. `now` tells which windows are still to come.
 */
export function validatePolicy(document: unknown, { site, workflows }: PolicyContext, now: Millis): Outcome<Policy> {
  const faults = new Faults();
  const policy = readShape(Policy, document, faults);
  if (policy) {
    checkHead(policy, site, faults);
    for (const key of ["pools", "groups", "windows", "freezes", "hooks"] as const)
      checkNames(policy[key] ?? [], `/${key}`, faults);
    checkFloors(policy, faults);
    checkGroups(policy, faults);
    checkWindows(policy, faults, now);
    checkFreezes(policy, faults);
    checkHolds(policy, faults);
    checkWorkflows(policy, workflows, faults);
    checkWaves(policy, faults);
    checkHooks(policy, faults);
    checkAgainstSite(policy, site, faults, now);
  }
  if (faults.total > 0 || !policy) return refusal(faults, "The policy has");
  return ok(policy);
}

/** Whether a policy that was right still is after its site has changed: `validation_failed` with all that is not. */
export function policyFits(policy: Policy, site: PolicySite, now: Millis): Outcome<null> {
  const faults = new Faults();
  checkAgainstSite(policy, site, faults, now);
  return faults.total > 0 ? refusal(faults, "The site's policy would no longer fit: it would have") : ok(null);
}

function refusal({ total, list }: Faults, what: string): Outcome<never> {
  const cut = total > MAX_FAULTS ? `, of which the first ${MAX_FAULTS} are listed` : "";
  return refuse("validation_failed", `${what} ${total === 1 ? "1 fault" : `${total} faults`}${cut}.`, list);
}

function checkHead({ site }: Policy, { name }: PolicySite, faults: Faults): void {
  if (!faults.broken("/site") && site !== name)
    faults.add("site_other", "/site", `the policy is of the site ${site}, and this is ${name}`, `site: ${name}`);
}

/** A floor is a count or a share, and says so once. */
function checkFloors({ pools, racks, roles }: Policy, faults: Faults): void {
  const all = [
    ...(pools ?? []).map((pool, i) => [`/pools/${i}/floor`, pool.floor] as const),
    ["/racks/floor", racks?.floor] as const,
    ...Object.entries(roles ?? {}).map(([role, floor]) => [`/roles${pointerTo([role])}`, floor] as const),
  ];
  for (const [pointer, floor] of all) {
    if (!floor || faults.broken(pointer)) continue;
    const both = floor.count !== undefined && floor.percent !== undefined;
    if (both || (floor.count === undefined && floor.percent === undefined)) {
      const text = both ? "the floor is said twice" : "the floor says no number";
      faults.add("floor_unclear", pointer, text, "{ count: 4 } or { percent: 80 }");
    }
  }
}

function checkGroups({ groups }: Policy, faults: Faults): void {
  groups?.forEach(({ name, members, mayBeOut = 1 }, i) => {
    const at = `/groups/${i}`;
    if (faults.broken(at) || faults.broken(`${at}/members`)) return;
    const twice = members.findIndex((member, k) => members.indexOf(member) !== k);
    if (twice >= 0)
      faults.add("member_twice", `${at}/members/${twice}`, `${members[twice]} stands there twice`, "each device once");
    else if (mayBeOut >= members.length && !faults.broken(`${at}/mayBeOut`)) {
      const text = `all ${members.length} members of the group ${name} may be out at once, so it protects nothing`;
      faults.add("group_protects_nothing", `${at}/mayBeOut`, text, `mayBeOut: ${Math.max(1, members.length - 1)}`);
    }
  });
}

function checkFreezes({ freezes }: Policy, faults: Faults): void {
  freezes?.forEach(({ name, from, until }, i) => {
    const at = `/freezes/${i}`;
    if (faults.broken(`${at}/from`) || faults.broken(`${at}/until`)) return;
    if (Date.parse(until) <= Date.parse(from)) {
      const text = `the freeze ${name} ends before it begins`;
      faults.add("freeze_ends_before_start", `${at}/until`, text, `a moment after ${from}`);
    }
  });
}

function checkHolds({ holds }: Policy, faults: Faults): void {
  const seen = new Set<string>();
  holds?.forEach(({ on, owner }, i) => {
    const pointer = `/holds/${i}/on`;
    if (faults.broken(pointer)) return;
    if (!/^(site|(device|rack|pool):.+)$/.test(on)) {
      const text = `"${on}" does not say what is held`;
      faults.add("hold_unclear", pointer, text, "device:NAME, rack:NAME, pool:NAME or site");
    }
    const key = JSON.stringify([on, owner]);
    if (seen.has(key)) faults.add("hold_twice", pointer, `${owner} holds ${on} already`, "one hold of each owner");
    seen.add(key);
  });
}

function checkWorkflows({ errorBudgets, approvals }: Policy, workflows: readonly string[], faults: Faults): void {
  const check = (name: string, pointer: string) => {
    if (faults.broken(pointer) || workflows.includes(name)) return;
    faults.add("workflow_missing", pointer, `there is no workflow "${name}"`, instead(name, workflows));
  };
  for (const name of Object.keys(approvals ?? {})) check(name, `/approvals${pointerTo([name])}`);
  const first = new Map<string, number>();
  errorBudgets?.forEach(({ workflow, consecutive, percent }, i) => {
    const at = `/errorBudgets/${i}`;
    if (faults.broken(at)) return;
    check(workflow, `${at}/workflow`);
    const earlier = first.get(workflow);
    if (earlier === undefined) first.set(workflow, i);
    else {
      const text = `entry ${earlier + 1} is the error budget of ${workflow} already`;
      faults.add("budget_twice", `${at}/workflow`, text, "one entry for each workflow");
    }
    if (consecutive === undefined && percent === undefined) {
      const text = `the error budget of ${workflow} is never spent`;
      faults.add("budget_without_limit", at, text, "consecutive: 2, or percent: 10, or both");
    }
  });
}

function checkWaves({ waves }: Policy, faults: Faults): void {
  waves?.sizes.forEach((size, i, { length }) => {
    const pointer = `/waves/sizes/${i}`;
    if (faults.broken(pointer)) return;
    if (typeof size === "string" && size !== "rest" && !/^([1-9][0-9]?|100)%$/.test(size))
      faults.add("wave_size_malformed", pointer, `"${size}" is no size of a wave`, '3, "10%" or rest');
    else if (size === "rest" && i < length - 1)
      faults.add("wave_after_rest", pointer, "after the rest nothing is left", "rest as the last size");
  });
}

function checkHooks({ hooks, pools }: Policy, faults: Faults): void {
  const names = (hooks ?? []).map((hook) => hook.name);
  pools?.forEach(({ drain }, i) => {
    const pointer = `/pools/${i}/drain/hook`;
    if (!drain || faults.broken(pointer) || names.includes(drain.hook)) return;
    faults.add("hook_missing", pointer, `there is no hook "${drain.hook}"`, instead(drain.hook, names));
  });
  hooks?.forEach(({ url, secret }, i) => {
    const at = `/hooks/${i}`;
    // A7: no password in it.
    if (!faults.broken(`${at}/url`) && !/^https?:\/\/[^\s/@?#]+(\/\S*)?$/.test(url))
      faults.add(
        "hook_url_malformed",
        `${at}/url`,
        "this is no address of a hook",
        "https://traffic.example.net/turnup",
      );
    // A7: what stands there may be the key itself, so it is not shown.
    if (!faults.broken(`${at}/secret`) && !/^env:[A-Z][A-Z0-9_]{0,62}$/.test(secret))
      faults.add(
        "hook_secret_malformed",
        `${at}/secret`,
        "this names no secret",
        "env:TRAFFIC_HOOK, a name of the control plane's",
      );
  });
}
