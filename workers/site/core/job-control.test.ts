import { describe, expect, it } from "vitest";
import { type Proof, proofs } from "../../../shared/actions/action.ts";
import { actions } from "../../../shared/actions/index.ts";
import { ok } from "../../../shared/errors.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";
import type { Workflow } from "../../workflows/workflow.ts";
import { JOB_LIMIT_MS, targetLimits } from "./limits.ts";
import { across, wipe } from "./test-workflows.ts";

import { World } from "./test-world.ts";

const actor = "token:op";
const one = "srv00000";
const DAY = 86_400_000;
const fails = (step: string, code: string) => (lease: Lease) =>
  lease.name === step ? { outcome: "failed" as const, failure: { code, detail: "as the test says" } } : {};
/** Names of the steps that run until nothing more comes. */
function ran(w: World, answer: (lease: Lease) => object = () => ({})): string[] {
  const names: string[] = [];
  w.work((lease) => {
    names.push(lease.name);
    return answer(lease);
  });
  return names;
}

it("[J6] paused: what is at work ends, nothing new starts, and it says who must resume it", () => {
  const w = new World(1);
  const job = w.install([one]);
  const [lease] = w.sync().leases;
  if (!lease) throw new Error("no lease");
  w.do("job.pause", { job, actor, reason: "the feed is tested" });
  const reply = w.sync({ reports: [w.report(lease)], holding: [lease.id] });
  expect([reply.acks, reply.revoked, reply.leases]).toEqual([[lease.id], [], []]);
  const view = w.ask("job", { job });
  expect(view).toMatchObject({ state: "paused", paused: { by: actor, reason: "the feed is tested" } });
  expect(view.waitingOn).toBe(`token:op to resume the job (\`turnup resume ${job}\`): the feed is tested`);
  expect(view.targets[0]).toMatchObject({ state: "running", stepsDone: 1, waitingOn: view.waitingOn });
  w.do("job.resume", { job, actor });
  expect(ran(w)).toHaveLength(11);
  expect(w.ask("job", { job })).toMatchObject({ state: "succeeded", paused: null });
});

it("[J3] time in which a job is paused does not count against its steps, but its own limit holds", () => {
  const w = new World(1);
  const job = w.install([one]);
  w.do("job.pause", { job, actor, reason: "" });
  w.now += 2 * 86_400_000;
  w.alarm();
  expect(w.ask("job", { job }).state).toBe("paused");
  expect(w.ask("permit.wanted", {})).toBe(false);
  w.do("job.resume", { job, actor });
  w.do("tick", {});
  expect(w.ask("job", { job }).state).toBe("queued");
  w.do("job.pause", { job, actor, reason: "" });
  w.now += JOB_LIMIT_MS;
  w.do("tick", {});
  expect(w.ask("job", { job })).toMatchObject({
    state: "cancelled",
    targets: [{ failure: { code: "deadline_exceeded" } }],
  });
});

it("pausing twice, resuming what runs and cancelling while paused are all fine; a job that ended is neither", () => {
  const w = new World(1);
  const job = w.install([one]);
  w.do("job.pause", { job, actor, reason: "first" });
  expect(w.do("job.pause", { job, actor: "token:x", reason: "second" }).paused?.reason).toBe("first");
  w.do("job.resume", { job, actor });
  expect(w.do("job.resume", { job, actor }).state).toBe("queued");
  w.do("job.pause", { job, actor, reason: "" });
  expect(w.do("job.cancel", { job, actor, reason: "" }).state).toBe("cancelled");
  expect(w.refusal("job.pause", { job, actor, reason: "" })).toBe("job_final");
  expect(w.refusal("job.resume", { job: "job_0123456789_0123456789012345", actor })).toBe("job_unknown");
});

it("[J8] a target that waits for a person goes on at the very step once that is mended", () => {
  const w = new World(1);
  const job = w.install([one]);
  ran(w, fails("prove-blank", "disk_not_blank"));
  expect(w.ask("job", { job }).state).toBe("waiting");
  w.do("job.retry", { job, device: one, actor });
  expect(ran(w)).toEqual(["prove-blank", "write-image", "boot-disk", "first-boot", "acceptance"]);
  expect([w.ask("job", { job }).state, w.state(one)]).toEqual(["succeeded", "active"]);
});

it("[J8] a target that failed starts at its first incomplete step; what its ended boot had shown is not complete", () => {
  const w = new World(2);
  const job = w.install([one, "srv00001"]);
  w.work((l) => (l.target.name === one ? fails("write-image", "write_failed")(l) : {}));
  expect([w.ask("job", { job }).state, w.state(one)]).toEqual(["partly", "failed"]);
  expect(w.do("job.retry", { job, actor })).toMatchObject({ state: "running", endedAt: null });
  expect(w.state(one)).toBe("installing");
  expect(w.ask("device", { device: one }).job).toBe(job);
  const resolves: string[] = [];
  const again = ran(w, ({ resolve, name }) => {
    if (resolve) resolves.push(name);
    return {};
  });
  expect(again).toEqual([
    "arm-netboot",
    "boot-override",
    "power-on",
    "in-ram",
    "inventory-inside",
    "prove-blank",
    "write-image",
    "boot-disk",
    "first-boot",
    "acceptance",
  ]);
  // J4: whatever an earlier attempt left behind is read before anything is done.
  expect(resolves).toEqual(again.slice(0, 7));
  expect([w.ask("job", { job }).state, w.state(one)]).toEqual(["succeeded", "active"]);
});

it("[J8] the first step that fails leaves the device planned, and a retry takes it up from there", () => {
  const w = new World(1);
  const job = w.install([one]);
  ran(w, fails("identify", "identity_mismatch"));
  expect(w.state(one)).toBe("planned");
  w.do("job.retry", { job, actor });
  expect(ran(w)).toHaveLength(12);
  expect(w.state(one)).toBe("active");
});

it("[J4] what was tried is read first after any number of retries in which it was not tried again", () => {
  const w = new World(1);
  const job = w.install(["srv00000"]);
  w.work((lease) => (lease.action === "bmc.identify" ? undefined : {}));
  for (let i = 0; i < 2; i++) {
    w.now += 61_000;
    w.do("tick", {});
    w.now += 7 * 3_600_000;
    w.do("tick", {});
    expect(w.ask("job", { job })).toMatchObject({ state: "failed", targets: [{ failure: { code: "agent_silent" } }] });
    w.do("job.retry", { job, actor });
  }
  expect(w.sync().leases).toMatchObject([{ name: "identify", attempt: 1, resolve: true }]);
});

it("refuses a retry of what does not need one, was cancelled, is another's, or is no longer the planned machine", () => {
  const w = new World(2);
  const retry = (job: string, device?: string) => w.refusal("job.retry", { job, device, actor });
  const job = w.install([one]);
  expect(retry(job)).toBe("retry_refused");
  expect(retry(job, "srv00001")).toBe("retry_refused");
  ran(w, fails("identify", "identity_mismatch"));
  const other = w.install([one], "k2");
  expect(retry(job)).toBe("locked");
  w.do("job.cancel", { job: other, actor, reason: "" });
  // Another job has had the device since.
  expect(retry(job)).toBe("retry_refused");
  expect(retry(other)).toBe("retry_refused");
  expect(w.sql.all("SELECT * FROM lock")).toEqual([]);
});

it("[J3] nobody decides: after its limit the target fails and the device is free", () => {
  const w = new World(1);
  const job = w.install([one]);
  ran(w, fails("prove-blank", "disk_not_blank"));
  const due = w.now + targetLimits.waiting.limit;
  expect(w.ask("job", { job }).targets[0]?.dueAt).toBe(due);
  w.now = due - 1;
  w.do("tick", {});
  w.drain();
  expect(w.ask("job", { job }).state).toBe("waiting");
  expect(w.core.nextAlarm(w.now)).toBe(due);
  w.now = due;
  w.do("tick", {});
  expect(w.ask("job", { job })).toMatchObject({ state: "failed", targets: [{ failure: { code: "nobody_decided" } }] });
  expect(w.state(one)).toBe("planned");
  // And even then the job can be taken up again.
  w.do("job.retry", { job, actor });
  expect(ran(w).slice(0, 1)).toEqual(["arm-netboot"]);
});

it("[J3] time in which a job is paused does not count against the person who is to decide about a target of it", () => {
  const w = new World(2);
  const job = w.install([one, "srv00001"]);
  const blank = fails("prove-blank", "disk_not_blank");
  w.work((l) => (l.target.name === one ? blank(l) : l.name === "prove-blank" ? undefined : {}));
  const target = (n: number) => w.ask("job", { job }).targets[n];
  const due = target(0)?.dueAt ?? 0;
  w.now += 5 * DAY;
  w.drain();
  w.do("job.pause", { job, actor, reason: "" });
  expect(target(0)).toMatchObject({ state: "waiting", dueAt: w.ask("job", { job }).dueAt });
  w.now += 10 * DAY;
  w.do("tick", {});
  w.drain();
  expect(w.core.nextAlarm(w.now)).toBe(w.ask("job", { job }).dueAt);
  expect(target(0)?.state).toBe("waiting");
  w.do("job.resume", { job, actor });
  expect(target(0)?.dueAt).toBe(due + 10 * DAY);
  w.now += 2 * DAY;
  w.do("tick", {});
  expect(target(0)).toMatchObject({ state: "failed", failure: { code: "nobody_decided" } });
});

it("[J3] a target that began to wait in a paused job has its whole limit from the resume on", () => {
  const w = new World(1);
  const job = w.install([one]);
  const last = w.workUpTo("ramdisk.proveBlank");
  w.do("job.pause", { job, actor, reason: "" });
  w.now += 30_000;
  w.sync({ reports: [w.report(last, { outcome: "failed", failure: { code: "disk_not_blank", detail: "" } })] });
  w.now += DAY;
  w.do("job.resume", { job, actor });
  expect(w.ask("job", { job }).targets[0]).toMatchObject({
    state: "waiting",
    dueAt: w.now + targetLimits.waiting.limit,
  });
});

it("leaves a step out that only reads, with the reason on record, and goes on behind it", () => {
  const w = new World(1);
  const job = w.install([one]);
  ran(w, fails("inventory", "bom_mismatch"));
  w.do("job.skip", { job, device: one, step: "inventory", reason: "two DIMMs are on order", actor });
  const events = w.ask("events", { job, after: 0, limit: 500 });
  expect(events.find((e) => e.kind === "step.skipped")).toMatchObject({
    step: "inventory",
    data: { actor, reason: "two DIMMs are on order" },
  });
  expect(ran(w)[0]).toBe("arm-netboot");
  expect(w.ask("job", { job })).toMatchObject({ state: "succeeded", targets: [{ stepsDone: 12 }] });
  expect(w.steps(job)["1:inventory"]).toBe("skipped");
  expect(w.ask("steps", { job }).map((s) => s.skipped)).toEqual([
    null,
    { by: actor, reason: "two DIMMs are on order" },
    ...Array(10).fill(null),
  ]);
});

it("[J8] takes for a step the number that is shown: within its target, from 1, whichever target it is", () => {
  const w = new World(3);
  const targets = [one, "srv00001", "srv00002"];
  const job = w.install(targets);
  const steps = w.ask("steps", { job, after: 13, limit: 12 });
  expect(steps.map((s) => [s.n, s.number]).slice(0, 2)).toEqual([
    [14, 3],
    [15, 4],
  ]);
  expect(steps.at(-1)).toMatchObject({ n: 25, number: 2, name: "inventory" });
  const number = w.ask("steps", { job }).find((s) => s.n === 25)?.number;
  w.do("job.skip", { job, device: "srv00002", step: String(number), reason: "known", actor });
  expect(Object.entries(w.steps(job)).filter(([, state]) => state === "skipped")).toEqual([
    ["25:inventory", "skipped"],
  ]);
});

it("a step left out before its turn does not let what is behind it overtake what is before it", () => {
  const w = new World(1);
  const job = w.install([one]);
  w.do("job.skip", { job, device: one, step: "inventory", reason: "known", actor });
  expect(w.steps(job)["2:arm-netboot"]).toBe("blocked");
  // [J3] It will never succeed, so nobody waits for it.
  expect(w.ask("steps", { job })[2]?.waitingOn).toBe("the step identify to succeed");
  expect(ran(w).slice(0, 2)).toEqual(["identify", "arm-netboot"]);
});

it("[J7][T2][T5] never leaves out what a later step rests on, acts, or moves the ledger", () => {
  const w = new World(2, { workflows: [wipe(1)] });
  const job = w.install([one]);
  const skip = (step: string, of = job) =>
    w.core.apply({ now: w.now, random: w.random }, "job.skip", { job: of, device: one, step, reason: "", actor }).reply;
  const why = (step: string) => {
    const reply = skip(step);
    return reply.ok ? "skipped" : [reply.problem.code, reply.problem.detail];
  };
  expect(why("identify")).toEqual(["skip_refused", "identify moves the device in the ledger."]);
  expect(why("prove-blank")).toEqual([
    "skip_refused",
    "prove-blank proves blank, and a later step that writes rests on it.",
  ]);
  expect(why("write-image")).toEqual(["skip_refused", "write-image does more than read."]);
  expect(why("arm-netboot")).toEqual(["skip_refused", "arm-netboot does more than read."]);
  expect(why("acceptance")).toEqual(["skip_refused", "acceptance moves the device in the ledger."]);
  expect(why("0")).toEqual(["skip_refused", expect.stringContaining(`${one} has no step 0 in ${job}`)]);
  expect(why("paint")).toEqual([
    "skip_refused",
    `${one} has no step paint in ${job}: it has 1 identify, 2 inventory, 3 arm-netboot, 4 boot-override, 5 power-on, 6 in-ram, 7 inventory-inside, 8 prove-blank, 9 write-image, 10 boot-disk, 11 first-boot, 12 acceptance.`,
  ]);
  w.do("job.cancel", { job, actor, reason: "" });
  const wiping = w.startApproved("test.wipe", [one]);
  expect(skip("identify", wiping)).toMatchObject({
    problem: { detail: "identify proves identity, and a later step that writes rests on it." },
  });
});

it("[J8][T5] nor in a plan that has the step that writes before the one that proves", () => {
  const order = wipe(1, "test.backwards");
  const backwards: Workflow = {
    ...order,
    plan(input) {
      const made = order.plan(input);
      const [identify, write, check] = made.ok ? made.value.steps : [];
      if (!made.ok || !identify || !write || !check) throw new Error("test.wipe has three steps");
      const steps = [
        { ...write, n: 0, needs: [1] },
        { ...identify, n: 1, needs: [] },
        { ...check, n: 2, needs: [0] },
      ];
      return ok({ ...made.value, steps });
    },
  };
  const w = new World(1, { workflows: [backwards] });
  const job = w.startApproved("test.backwards", ["srv00000"]);
  const skip = { job, device: "srv00000", step: "identify", reason: "r", actor };
  expect(w.refusal("job.skip", skip)).toBe("skip_refused");
});

describe("a step whose proof another machine's writing rests on", () => {
  const two = [one, "srv00001"];
  function approved(): { w: World; job: string } {
    const w = new World(2, { workflows: [across] });
    return { w, job: w.startApproved("test.across", two) };
  }
  const skip = ({ w, job }: { w: World; job: string }, step: string) =>
    w.refusal("job.skip", { job, device: one, step, reason: "", actor });

  it("[J8][T5] is never left out, however many steps lie between", () => {
    const made = approved();
    expect(skip(made, "look")).toBe("skip_refused");
    expect(skip(made, "again")).toBeUndefined();
    expect(made.w.steps(made.job)).toEqual({
      "0:look": "ready",
      "1:again": "skipped",
      "2:wait": "blocked",
      "3:write": "blocked",
    });
  });

  it.each(proofs)("[J8] whatever it proves: %s", (proof) => {
    const spec: { proves?: Proof } = actions["bmc.accept"];
    spec.proves = proof;
    try {
      expect(skip(approved(), "again")).toBe("skip_refused");
    } finally {
      delete spec.proves;
    }
  });
});

it("[J3][J6] a job past its limit has the limit of the step that is let to its end", () => {
  const w = new World(1);
  const job = w.install([one]);
  const held = w.workUpTo("bmc.power");
  w.do("job.pause", { job, actor, reason: "" });
  const failed = { outcome: "failed" as const, result: undefined, failure: { code: "bmc_unreachable", detail: "" } };
  w.sync({ holding: [held.id], reports: [w.report(held, failed)] });
  const due = w.ask("job", { job }).dueAt ?? 0;
  w.now = due - 70_000;
  w.do("job.resume", { job, actor });
  const [again] = w.sync().leases;
  if (!again) throw new Error("no lease");
  w.now = due - 20_000;
  w.sync({ holding: [again.id] });
  w.now = due;
  w.do("tick", {});
  const view = w.ask("job", { job });
  const step = w.ask("steps", { job }).find((s) => s.state === "leased" || s.state === "running");
  expect(view).toMatchObject({ state: "running", dueAt: step?.dueAt });
  expect(view.dueAt).toBeGreaterThan(due);
  for (let n = 0; n < 50 && w.ask("job", { job }).endedAt === null; n++) {
    w.sync({ holding: [again.id], free: 0 });
    w.now += 20_000;
    w.do("tick", {});
  }
  // The step did not end within its own deadline either.
  expect(w.ask("job", { job })).toMatchObject({ state: "failed", dueAt: null });
});
