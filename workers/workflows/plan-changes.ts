/** Two plans of one intent, made at different times, compared in words: what the world has changed in between. */
import { canonicalJson } from "../../shared/canonical.ts";
import type { Fault } from "../../shared/errors.ts";
import type { Plan, PlanStep, PlanTarget } from "../../shared/model/plan.ts";

/** Longer values are cut: the plans themselves can be read whole. */
const MOST_SHOWN = 120;

/** Nothing that is hashed differs where this is empty; else each difference, by its place in the plan made before. */
export function planChanges(before: Plan, after: Plan): Fault[] {
  return [
    ...fields(["mode", "approvals"], before, after).map((text) => changed("", `the plan's ${text}`)),
    ...targetChanges(before.targets, after.targets),
    ...stepChanges(before, after),
  ];
}

const changed = (pointer: string, text: string): Fault => ({ code: "plan_changed", pointer, text });

function targetChanges(before: readonly PlanTarget[], after: readonly PlanTarget[]): Fault[] {
  const now = new Map(after.map((target) => [target.device, target]));
  const names = ["name", "asset", "serial", "aliases", "bmc", "boot", "media"] as const;
  return before.flatMap((target, i) => {
    const other = now.get(target.device);
    if (!other) return [changed(`/targets/${i}`, `${target.name} is no target any more`)];
    return fields(names, target, other).map((text) => changed(`/targets/${i}`, `${target.name}: its ${text}`));
  });
}

const STEP_FIELDS = [
  "action",
  "params",
  "marks",
  "writes",
  "destructive",
  "disrupts",
  "boot",
  "deadlineSeconds",
] as const;

function stepChanges(before: Plan, after: Plan): Fault[] {
  const names = new Map([...before.targets, ...after.targets].map(({ device, name }) => [device, name]));
  const label = ({ target, name }: PlanStep) => `${name} of ${names.get(target) ?? target}`;
  const key = ({ target, name }: PlanStep) => `${target}/${name}`;
  // Numbers shift when a step is added; what a step needs is compared by name.
  const needsOf = (plan: Plan, step: PlanStep) => step.needs.map((n) => label(plan.steps[n] ?? step)).sort();
  const now = new Map(after.steps.map((step) => [key(step), step]));
  const known = new Set(before.steps.map(key));
  const gone = before.steps.flatMap((step) => {
    const pointer = `/steps/${step.n}`;
    const other = now.get(key(step));
    if (!other) return [changed(pointer, `the step ${label(step)} is gone`)];
    const needs = { needs: [needsOf(before, step), needsOf(after, other)] as const };
    return [
      ...fields(STEP_FIELDS, step, other),
      ...fields(["needs"], { needs: needs.needs[0] }, { needs: needs.needs[1] }),
    ].map((text) => changed(pointer, `${label(step)}: its ${text}`));
  });
  const added = after.steps.filter((step) => !known.has(key(step)));
  const out = [...gone, ...added.map((step) => changed("/steps", `the step ${label(step)} is new`))];
  const order = before.steps.map(key).join() === after.steps.map(key).join();
  return out.length > 0 || order ? out : [changed("/steps", "the steps are in another order")];
}

/** `serial was SN1 and is SN2`, for each of the fields that differs. */
function fields<T, K extends keyof T & string>(names: readonly K[], before: T, after: T): string[] {
  return names.flatMap((name) => {
    const [was, is] = [shown(before[name]), shown(after[name])];
    if (was === is) return [];
    const cut = firstDifference(was, is);
    return [`${name} was ${clip(was, cut)} and is ${clip(is, cut)}`];
  });
}

const shown = (value: unknown): string =>
  value === undefined ? "nothing" : typeof value === "string" ? value : canonicalJson(value);

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return at;
}

/** A long value from a little before where the two part. */
function clip(text: string, from: number): string {
  if (text.length <= MOST_SHOWN) return text;
  const start = Math.max(0, Math.min(from - 40, text.length - MOST_SHOWN));
  const end = start + MOST_SHOWN;
  return `${start > 0 ? "…" : ""}${text.slice(start, end)}${end < text.length ? "…" : ""}`;
}
