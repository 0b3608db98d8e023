import { expect, it } from "vitest";
import { type Plan, planHash } from "../../../shared/model/plan.ts";
import { broken, wipe } from "./test-workflows.ts";
import { sha256, World } from "./test-world.ts";
import { readText, writeText } from "./tx.ts";

const actor = "token:op";
const names = (n: number) => Array.from({ length: n }, (_, i) => `srv${String(i).padStart(5, "0")}`);
const refusal = (w: World, workflow: string, n: number) =>
  w.refusal("plan.create", { workflow, targets: names(n), params: {}, actor });
function planned(w: World, workflow: string, n: number) {
  const view = w.do("plan.create", { workflow, targets: names(n), params: {}, actor });
  const { plan, hash } = view;
  const { approvers } = w;
  return {
    approve: (person: string) => w.refusal("plan.approve", w.approval(view, person)) ?? "approved",
    start: (key: string) =>
      w.refusal("job.create", { key, body: key, actor, plan: plan.id, hash, approvers }) ?? "started",
    plan,
  };
}

it("[T5][G4] a destructive plan asks for a second person from its 6th target on, and for a wipe; over 20 there is none", () => {
  const w = new World(21, { workflows: [wipe(1), wipe(2, "test.wipe2")] });
  const asked = (workflow: string, n: number) => planned(w, workflow, n).plan.approvals;
  expect([1, 5, 6, 20].map((n) => asked("test.wipe", n))).toEqual([1, 1, 2, 2]);
  expect([1, 20].map((n) => asked("test.wipe2", n))).toEqual([2, 2]);
  expect(["test.wipe", "test.wipe2"].map((name) => refusal(w, name, 21))).toEqual(["cap_exceeded", "cap_exceeded"]);
});

it("[J7] a workflow whose plan would destroy without any approval is refused as a defect", () => {
  const w = new World(1, { workflows: [wipe(0)] });
  expect(refusal(w, "test.wipe", 1)).toBe("plan_invalid");
});

it("[J6] a destructive step at work is not called back by a cancel; the job ends with it", () => {
  const w = new World(1, { workflows: [wipe(1)] });
  const p = planned(w, "test.wipe", 1);
  p.approve("ann");
  p.start("a");
  const [identify] = w.sync().leases;
  if (!identify) throw new Error("no lease");
  const [write] = w.sync({ reports: [w.report(identify)] }).leases;
  if (!write) throw new Error("no lease");
  expect(write).toMatchObject({ name: "write", mode: "reinstall", plan: { id: p.plan.id } });
  w.do("job.cancel", { job: write.job, actor, reason: "" });
  expect(w.sync({ holding: [write.id] }).revoked).toEqual([]);
  expect(w.ask("job", { job: write.job }).state).toBe("running");
  w.sync({ reports: [w.report(write)], holding: [write.id] });
  expect(w.ask("job", { job: write.job }).state).toBe("cancelled");
  expect(w.steps(write.job)).toEqual({ "0:identify": "succeeded", "1:write": "succeeded", "2:check": "cancelled" });
});

it("refuses, with a code, a plan with a cycle, a missing need, a stranger, or an unknown action", () => {
  const spoils = {
    cycle: broken("cycle", (s) => s.map((x) => ({ ...x, needs: [1 - x.n] }))),
    itself: broken("itself", (s) => s.map((x) => ({ ...x, needs: [x.n] }))),
    missing: broken("missing", (s) => s.map((x) => ({ ...x, needs: [7] }))),
    twice: broken("twice", (s) => s.map((x) => (x.n === 1 ? { ...x, needs: [0, 0] } : x))),
    stranger: broken("stranger", (s) => s.map((x) => ({ ...x, target: "dev_x" }))),
    action: broken("action", (s) => s.map((x) => ({ ...x, action: "bmc.explode" }))),
    params: broken("params", (s) => s.map((x) => ({ ...x, action: "bmc.power", params: { state: "Sideways" } }))),
    order: broken("order", (s) => [...s].reverse()),
    idle: broken("idle", () => []),
  };
  const w = new World(1, { workflows: Object.values(spoils) });
  const said = Object.keys(spoils).map((workflow) => {
    const { reply } = w.core.apply({ now: w.now, random: w.random }, "plan.create", {
      workflow,
      targets: names(1),
      params: {},
      actor,
    });
    return reply.ok ? "taken" : `${reply.problem.code} ${reply.problem.detail.split(": ").at(-1)}`;
  });
  const device = w.ask("device", { device: "srv00000" }).id;
  expect(said).toEqual([
    "plan_invalid a cycle.",
    "plan_invalid a cycle.",
    "plan_invalid step 0 needs step 7, which does not exist.",
    "plan_invalid step 1 names a need twice.",
    "plan_invalid step 0 acts on dev_x, which is no target.",
    "plan_invalid step 0 has the unknown action bmc.explode.",
    "plan_invalid the parameters of step 0 do not fit bmc.power.",
    "plan_invalid step 1 stands at place 0.",
    "plan_invalid the target srv00000 has no step.",
  ]);
  expect(w.sql.all("SELECT * FROM plan")).toEqual([]);
  expect(w.ask("device", { device }).job).toBeNull();
});

it("[J7][T5][J10] a stored plan is held to the rules again before it starts, wherever it came from", () => {
  const w = new World(6, { workflows: [wipe(1), wipe(2, "test.wipe2")] });
  const start = (n: number, spoil: (plan: Plan) => Plan, workflow = "test.wipe") => {
    const view = w.do("plan.create", { workflow, targets: names(n), params: {}, actor });
    const { plan } = view;
    const spoilt = spoil(JSON.parse(readText(w.sql, plan.id) ?? "") as Plan);
    const hash = planHash(spoilt, sha256);
    // As a restore from a file that somebody edited leaves it.
    writeText(w.sql, plan.id, JSON.stringify(spoilt));
    w.sql.run("UPDATE plan SET hash = ?, approvals = ? WHERE id = ?", hash, spoilt.approvals, plan.id);
    w.refusal("plan.approve", w.approval({ plan, hash }, "ann"));
    const { reply } = w.core.apply({ now: w.now, random: w.random }, "job.create", {
      key: hash,
      body: "",
      actor,
      plan: plan.id,
      hash,
      approvers: w.approvers,
    });
    return reply.ok ? "started" : `${reply.problem.code}: ${reply.problem.detail}`;
  };
  const made = "plan_invalid: test.wipe made a plan that cannot run";
  expect(start(1, (plan) => ({ ...plan, steps: plan.steps.map((s) => ({ ...s, needs: [(s.n + 1) % 3] })) }))).toBe(
    `${made}: step 0 needs itself in the end: a cycle.`,
  );
  expect(
    start(1, (plan) => ({ ...plan, steps: plan.steps.map((s) => ({ ...s, needs: s.n === 1 ? [9] : s.needs })) })),
  ).toBe(`${made}: step 1 needs step 9, which does not exist.`);
  expect(start(1, (plan) => ({ ...plan, approvals: 0 }))).toBe(`${made}: it asks for no approval and needs one.`);
  expect(start(6, (plan) => ({ ...plan, approvals: 1 }))).toBe(`${made}: it asks for one approval and needs two.`);
  expect(start(1, (plan) => ({ ...plan, mode: "wipe" }))).toBe(`${made}: it asks for one approval and needs two.`);
  expect(w.sql.all("SELECT * FROM job")).toEqual([]);
  expect(w.sql.all("SELECT * FROM lock")).toEqual([]);
  expect(start(1, (plan) => plan)).toBe("started");
});

const failing = (code: string) => ({ outcome: "failed" as const, result: undefined, failure: { code, detail: "" } });

it.each([
  ["succeeded in words that do not fit", { result: { serial: "x", bytes: 1, sha256: "of a newer agent" } }],
  ["failed by a defect", failing("agent_defect")],
  ["lost its machine", failing("ramdisk_silent")],
])("[J4] a step that destroys is read before it is done again: the last attempt %s", (_, over) => {
  const w = new World(1, { workflows: [wipe(1)] });
  const p = planned(w, "test.wipe", 1);
  p.approve("user:ann");
  p.start("k");
  const held = w.workUpTo("ramdisk.writeImage");
  w.sync({ reports: [w.report(held, over)], free: 0 });
  w.now += 60_000;
  expect(w.sync().leases).toMatchObject([{ name: "write", attempt: 2, resolve: true }]);
});

it("[G4][J7] no retry outlives the plan that was approved", () => {
  const w = new World(1, { workflows: [wipe(1)] });
  const p = planned(w, "test.wipe", 1);
  p.approve("user:ann");
  p.start("k");
  const [{ id: job } = { id: "" }] = w.ask("jobs", { limit: 1 }).items;
  w.work(() => failing("identity_mismatch"));
  w.now = p.plan.expiresAt - 1;
  w.permit();
  expect(w.refusal("job.retry", { job, actor })).toBeUndefined();
  w.work(() => failing("identity_mismatch"));
  w.now = p.plan.expiresAt;
  expect(w.refusal("job.retry", { job, actor })).toBe("retry_refused");
});
