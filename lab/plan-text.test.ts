/** A plan as the core makes it, and as the command line shows it to who reviews it. */
import { expect, it } from "vitest";
import { planText } from "../cli/output/plan-text.ts";
import { outage } from "../workers/site/core/test-workflows.ts";
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

it("[G1][G3] what leaves service, for how long, what comes close to its floor, and from when on it may", () => {
  const w = new World(4, { workflows: [outage] });
  w.now = Date.UTC(2026, 10, 25, 12);
  w.serve();
  const policy = {
    ...{ schema: "turnup/policy/v1", site: "ams01", caps: { disruptive: 2 } },
    pools: [{ name: "web", members: { roles: ["compute"] }, floor: { count: 2 } }],
    groups: [{ name: "pair", kind: "other", members: ["srv00000", "srv00003"] }],
    windows: [{ name: "nights", rrule: "FREQ=DAILY;BYHOUR=22;BYMINUTE=0", timeZone: "UTC", minutes: 60 }],
  };
  w.do("policy.apply", { base: 0, text: JSON.stringify(policy), reason: "tested", actor: "token:t" });
  const targets = ["srv00000", "srv00001", "srv00002"];
  const text = planText(w.do("plan.create", { workflow: "test.outage", targets, params: {}, actor: "token:t" }));
  expect(text.filter((line) => /^(Takes|Floor|Redundancy|Guard window|May)/.test(line))).toEqual([
    "Takes 3 machines out of service, at most 2 at once, each for about 3 min 00 s",
    "Floor of pool web: 4 of 4 in service, 2 then, 2 must stay",
    "Redundancy: group pair: while srv00000 is out, only srv00003 of it is known to be in service",
    "Guard window: waits for the window nights of ams01 to open (2026-11-25T22:00Z), for srv00000 and 2 more (window_closed), not before 2026-11-25 22:00:00 UTC",
    "May start: 2026-11-25 22:00:00 UTC",
  ]);
});
