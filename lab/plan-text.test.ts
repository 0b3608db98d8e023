/** A plan as the core makes it, and as the command line shows it to who reviews it. */
import { expect, it } from "vitest";
import { planText } from "../cli/output/plan-text.ts";
import { siteOf, World } from "../workers/site/core/test-world.ts";

it("[J5] the time that a hardware class asks for is shown, frozen into the plan, and what a lease then carries", () => {
  const w = new World(2);
  const site = siteOf(2);
  const [slow] = site.devices;
  if (slow?.install) slow.install.deadlines = { "bmc.identify": 1_500, "ramdisk.await": 2_700 };
  w.do("site.import", { site, actor: "token:t" });
  const targets = ["srv00000", "srv00001"];
  const view = w.do("plan.create", { workflow: "server.install", targets, params: {}, actor: "token:t" });
  const text = planText(view);
  expect(text.filter((line) => line.startsWith("Steps of "))).toEqual(["Steps of srv00000:", "Steps of srv00001:"]);
  expect(text.filter((line) => line.includes("may take"))).toEqual([
    expect.stringMatching(/^ ?1 +identify +bmc\.identify .*; may take 25 min 00 s$/),
    expect.stringMatching(/^ ?6 +in-ram +ramdisk\.await .*; may take 45 min 00 s$/),
  ]);

  w.do("job.create", { key: "k", body: "b", actor: "token:t", plan: view.plan.id, hash: view.hash });
  const times = w.sync().leases.map(({ target, deadlineMs }) => [target.name, deadlineMs]);
  expect(times).toEqual([
    ["srv00000", 1_500_000],
    ["srv00001", 600_000],
  ]);
});
