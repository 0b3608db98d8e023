/** A plan that people reviewed runs only in the world that they reviewed it for. */
import { expect, it } from "vitest";
import { outage } from "./test-workflows.ts";
import { siteOf, World } from "./test-world.ts";

const actor = "token:op";

function planned(w: World, workflow: string, targets: string[]) {
  const { plan, hash } = w.do("plan.create", { workflow, targets, params: {}, actor });
  return () => {
    const { reply } = w.core.apply({ now: w.now, random: w.random }, "job.create", {
      ...{ key: "k", body: "k", actor, plan: plan.id, hash },
    });
    return reply.ok ? "started" : reply.problem;
  };
}

it("is refused when it would be planned otherwise now, with each difference, and has changed nothing", () => {
  const w = new World(2);
  const apply = planned(w, "server.install", ["srv00000", "srv00001"]);
  const site = siteOf(2);
  const [image] = site.images;
  if (!image) throw new Error("no image");
  w.do("site.import", { site: { ...site, images: [{ ...image, sha256: "cd".repeat(32) }] }, actor });
  const before = w.sql.written();
  const problem = apply();
  expect(problem).toMatchObject({
    code: "plan_stale",
    detail: expect.stringMatching(
      /^Planned again it would differ: write-image of srv00000: .* There are 2 differences\.$/,
    ),
  });
  expect(
    typeof problem === "object" && problem.errors?.map(({ code, pointer, text }) => [code, pointer, text]),
  ).toEqual([
    [
      "plan_changed",
      "/steps/8",
      expect.stringMatching(/^write-image of srv00000: its params was .*abab.* and is .*cdcd/),
    ],
    ["plan_changed", "/steps/20", expect.stringContaining("write-image of srv00001")],
  ]);
  expect(w.sql.written()).toBe(before);
  w.do("site.import", { site, actor });
  expect(apply()).toBe("started");
});

it("names every target that is no longer as it was planned", () => {
  const w = new World(3, { workflows: [outage] });
  w.serve();
  const apply = planned(w, "test.outage", ["srv00000", "srv00001", "srv00002"]);
  w.sql.run("UPDATE device SET state = 'decommissioning' WHERE name <> 'srv00001'");
  expect(apply()).toMatchObject({
    ...{ code: "plan_stale", detail: "srv00000 is decommissioning now." },
    errors: [{ pointer: "/targets/0" }, { pointer: "/targets/2", text: "srv00002 is decommissioning now" }],
  });
});

it("is refused also when a target may still start, but from another state", () => {
  const w = new World(1, { workflows: [outage] });
  w.serve();
  const apply = planned(w, "test.outage", ["srv00000"]);
  w.sql.run("UPDATE device SET state = 'maintenance'");
  expect(apply()).toMatchObject({
    code: "plan_stale",
    detail: expect.stringContaining("off of srv00000: its marks was"),
  });
});
