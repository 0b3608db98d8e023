import { expect, it } from "vitest";
import type { Plan, PlanStep } from "../../shared/model/plan.ts";
import { planChanges } from "./plan-changes.ts";

const step = (n: number, name: string, more: Partial<PlanStep> = {}): PlanStep => ({
  ...{ n, name, target: "dev_1", action: "bmc.identify", params: {}, needs: n === 0 ? [] : [n - 1] },
  ...{ touches: "nothing", waitingOn: "the test" },
  ...more,
});
const target: Plan["targets"][number] = {
  ...{ device: "dev_1", name: "web-01", asset: "ast_1", serial: "S1", aliases: [] },
  bmc: { address: "192.0.2.1", port: 443, scheme: "https", secret: "vault:a/1" },
  boot: { interface: "eth0", mac: "02:00:00:00:00:01" },
  media: [{ id: "med_1", bay: "Bay 0", serial: "D1", sizeBytes: 1, chosen: true }],
};
const plan = (steps: PlanStep[], more: Partial<Plan> = {}): Plan => ({
  ...{ v: 1, id: "pln_1", site: "st_1", siteName: "ams01", workflow: "test", mode: "keep-data", requester: "t" },
  ...{ approvals: 1, expiresAt: 1, targets: [target], steps },
  ...more,
});
const texts = (before: Plan, after: Plan) =>
  planChanges(before, after).map(({ pointer, text }) => `${pointer} ${text}`);
const two = [step(0, "a"), step(1, "b")];

it("says nothing of plans that hash the same, nor of words that are not hashed", () => {
  expect(texts(plan(two), plan(two))).toEqual([]);
  expect(texts(plan(two), plan([step(0, "a", { touches: "other words" }), step(1, "b")]))).toEqual([]);
});

it("says of targets and steps what they were and what they are", () => {
  const other = { ...target, serial: "S2", boot: { interface: "eth1", mac: target.boot.mac } };
  expect(texts(plan(two), plan(two, { targets: [other] }))).toEqual([
    "/targets/0 web-01: its serial was S1 and is S2",
    '/targets/0 web-01: its boot was {"interface":"eth0","mac":"02:00:00:00:00:01"} and is {"interface":"eth1","mac":"02:00:00:00:00:01"}',
  ]);
  const disrupts = step(1, "b", { disrupts: true, params: { image: "two" } });
  expect(texts(plan(two), plan([step(0, "a"), disrupts]))).toEqual([
    '/steps/1 b of web-01: its params was {} and is {"image":"two"}',
    "/steps/1 b of web-01: its disrupts was nothing and is true",
  ]);
  expect(texts(plan(two), plan(two, { mode: "wipe", approvals: 2, targets: [] }))).toEqual([
    " the plan's mode was keep-data and is wipe",
    " the plan's approvals was 1 and is 2",
    "/targets/0 web-01 is no target any more",
  ]);
});

it("says which steps are new, gone, or in another order, whatever their numbers are now", () => {
  expect(texts(plan(two), plan([step(0, "new"), step(1, "a", { needs: [] }), step(2, "b")]))).toEqual([
    "/steps the step new of web-01 is new",
  ]);
  expect(texts(plan([step(0, "a"), step(1, "b"), step(2, "c")]), plan(two))).toEqual([
    "/steps/2 the step c of web-01 is gone",
  ]);
  const free = (...names: string[]) => plan(names.map((name, n) => step(n, name, { needs: [] })));
  expect(texts(free("a", "b"), free("b", "a"))).toEqual(["/steps the steps are in another order"]);
  expect(texts(plan(two), free("a", "b"))).toEqual(['/steps/1 b of web-01: its needs was ["a of web-01"] and is []']);
});

it("cuts long values to where they part", () => {
  const long = (end: string) => plan([step(0, "a", { params: { text: `${"x".repeat(500)}${end}` } })]);
  const [change] = planChanges(long("one"), long("two"));
  expect(change?.text.length).toBeLessThan(320);
  expect(change?.text).toMatch(/x{20,}one"\} and is …x{20,}two"\}$/);
});
