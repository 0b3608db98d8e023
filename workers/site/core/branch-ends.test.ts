import { expect, it } from "vitest";
import type { Lease } from "../../../shared/protocol/agent.ts";
import { rack, staggered } from "./test-workflows.ts";
import { World } from "./test-world.ts";

const names = ["srv00000", "srv00001"];
const at = ({ target, name }: Lease) => `${target.name} ${name}`;
const failing = (code: string) => ({ outcome: "failed" as const, failure: { code, detail: "" } });

/** An agent is at work on srv00001's step identify; its other branch, look, is ready. */
function atWork() {
  const w = new World(2, { workflows: [rack] });
  const job = w.start("test.rack", names);
  const [held] = w.sync({ reports: w.sync().leases.map((l) => w.report(l)) }).leases;
  if (!held) throw new Error("no lease");
  return { w, job, held };
}

it("[J10] while a machine waits for a person none of its branches goes on, nor runs out of time", () => {
  const { w, job, held } = atWork();
  w.sync({ reports: [w.report(held, failing("disk_not_blank"))] });
  const target = () => w.ask("job", { job }).targets[1];
  expect(target()).toMatchObject({ state: "waiting", failure: { code: "disk_not_blank" } });
  expect(w.sync().leases).toEqual([]);
  expect(w.ask("steps", { job }).find((s) => s.name === "look")).toMatchObject({
    state: "blocked",
    waitingOn: expect.stringContaining("a person to decide"),
  });
  w.now += 24 * 3_600_000;
  w.do("tick", {});
  expect(target()).toMatchObject({ state: "waiting" });
  w.do("job.retry", { job, actor: "token:t" });
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

const staggeredWorld = () => {
  const w = new World(2, { workflows: [staggered] });
  const job = w.start("test.staggered", names);
  const leases = w.sync().leases;
  const of = (name: string, over = {}) => leases.filter((l) => at(l) === name).map((l) => w.report(l, over));
  return { w, job, of, holding: leases.map((l) => l.id) };
};

it("[J10] a machine that waits for a person begins no branch that another machine has made ready", () => {
  const { w, job, of, holding } = staggeredWorld();
  w.sync({ reports: of("srv00001 a", failing("disk_not_blank")), holding, free: 0 });
  w.sync({ reports: of("srv00000 a"), free: 0 });
  expect(w.sync().leases.map(at)).toEqual(["srv00000 b"]);
  expect(w.ask("job", { job }).targets[1]?.state).toBe("waiting");
  w.do("job.retry", { job, device: "srv00001", actor: "token:t" });
  expect(w.sync().leases.map(at)).toContain("srv00001 a");
});

it("[J6] a step at work is let to its end, whatever ends its machine's other branch", () => {
  const { w, job, of, holding } = staggeredWorld();
  w.sync({ reports: of("srv00000 a", failing("identity_mismatch")), holding, free: 0 });
  // The second machine cannot succeed any more, and a person leaves out the very step that could not.
  w.do("job.skip", { job, device: "srv00001", step: "b", reason: "", actor: "token:t" });
  expect(w.ask("job", { job }).targets[1]).toMatchObject({ state: "running", step: "a" });
  w.sync({ reports: of("srv00001 a") });
  expect(w.ask("job", { job }).targets[1]).toMatchObject({ state: "failed", failure: { code: "need_failed" } });
});

it("[J10] a branch that waits for a step at work on its machine runs out of no time", () => {
  const { w, job, held } = atWork();
  const looks = () => w.ask("steps", { job }).filter((s) => s.device === held.target.device);
  // As if the step at work were one that may take long.
  w.sql.run("UPDATE step SET at = at + ? WHERE state = 'leased'", 24 * 3_600_000);
  for (const end = w.now + 7 * 3_600_000; w.now < end; w.now += 30_000) w.sync({ holding: [held.id], free: 0 });
  w.do("tick", {});
  expect(looks().map((s) => `${s.name} ${s.state}`)).toEqual(["identify leased", "power blocked", "look ready"]);
  expect(w.sync({ reports: [w.report(held)] }).leases.map((l) => l.target.device)).toContain(held.target.device);
  w.work();
  expect(w.ask("job", { job }).targets[1]).toMatchObject({ state: "succeeded" });
});

it("[J10] what a machine did before it ended is done, also for a machine that waits for it alone", () => {
  const w = new World(3, { workflows: [staggered] });
  const job = w.start("test.staggered", [...names, "srv00002"]);
  const { leases } = w.sync();
  const [first, second, third] = leases;
  if (!first || !second || !third) throw new Error("no lease");
  w.sync({ reports: [w.report(third)], holding: leases.map((l) => l.id), free: 0 });
  // The second machine can only fail from now on, but the step that the third one waits for is at work.
  w.sync({ reports: [w.report(first, failing("identity_mismatch"))], holding: [second.id], free: 0 });
  expect(w.sync({ reports: [w.report(second)] }).leases.map(at)).toEqual(["srv00002 b"]);
  expect(w.ask("job", { job }).targets.map((t) => t.state)).toEqual(["failed", "failed", "running"]);
});
