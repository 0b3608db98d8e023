import { expect, it } from "vitest";
import { planHash } from "../../../shared/model/plan.ts";
import type { Workflow } from "../../workflows/workflow.ts";
import { verifyEd25519 } from "../platform.ts";
import { SiteCore } from "./core.ts";
import { rack, wipe } from "./test-workflows.ts";
import { sha256, siteOf, World } from "./test-world.ts";

const actor = "token:op";

it("[J5] new code that plans otherwise does not change a job that was accepted", () => {
  const w = new World(2, { workflows: [rack] });
  const job = w.start("test.rack", ["srv00000", "srv00001"]);
  const before = w.sql.all("SELECT n, body FROM step");
  // The next release: the same name, and other steps.
  const next: Workflow = { ...wipe(1), name: "test.rack" };
  w.core = new SiteCore(w.sql, { sha256, verify: verifyEd25519, workflows: new Map([[next.name, next]]) });
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
  expect(w.sql.all("SELECT n, body FROM step")).toEqual(before);
});

it("[J5] a job whose workflow the next release no longer has goes on to its end, and so does a retry of it", () => {
  const w = new World(1, { workflows: [rack] });
  const job = w.start("test.rack", ["srv00000"]);
  w.core = new SiteCore(w.sql, { sha256, verify: verifyEd25519, workflows: new Map() });
  w.work(({ name }) =>
    name === "close" ? { outcome: "failed", failure: { code: "acceptance_failed", detail: "" } } : {},
  );
  expect(w.ask("job", { job }).state).toBe("failed");
  w.do("job.retry", { job, actor });
  w.work();
  expect(w.ask("job", { job }).state).toBe("succeeded");
});

it("[J9] the mode stands in the plan and in its hash, and every lease carries it, whatever the machine looks like", () => {
  const w = new World(2, { workflows: [wipe(1)] });
  const view = w.do("plan.create", { workflow: "test.wipe", targets: ["srv00000"], params: {}, actor });
  const { plan, hash } = view;
  expect(plan.mode).toBe("reinstall");
  expect(planHash({ ...plan, mode: "keep-data" }, sha256)).not.toBe(hash);
  expect(planHash(plan, sha256)).toBe(hash);
  w.do("plan.approve", w.approval(view, "ann"));
  w.do("job.create", { key: "k", body: "b", actor, plan: plan.id, hash, approvers: w.approvers });
  w.start("server.install", ["srv00001"]);
  const modes = w.sync().leases.map((l) => [l.target.name, l.mode]);
  expect(modes.sort()).toEqual([
    ["srv00000", "reinstall"],
    ["srv00001", "first-install"],
  ]);
});

it("[C6] ids are ours: a device and its asset keep them through another address, rack, U and tag, and a job goes on", () => {
  const w = new World(1);
  const { id, asset } = w.ask("device", { device: "srv00000" });
  const site = siteOf(1);
  const [device] = site.devices;
  if (!device?.install) throw new Error("no server");
  device.rack = "r9";
  device.u = 7;
  device.asset.assetTag = "A-1";
  device.install.bmc.address = "192.0.2.77";
  w.do("site.import", { site, actor });
  expect(w.ask("device", { device: "srv00000" })).toMatchObject({ id, asset, rack: "r9", u: 7 });
  // And nothing of a name, an address or a place is in them.
  for (const text of [id, asset ?? ""]) expect(text).toMatch(/^(dev|ast)_0123456789_[0-9a-z]{16}$/);
});
