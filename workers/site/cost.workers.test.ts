import { beforeAll, describe, expect, it } from "vitest";
import type { JobView } from "../../shared/model/job.ts";
import type { DeviceView, Meter, Page } from "../../shared/model/views.ts";
import { did, eventually, makeSite, prepare, settled, TestAgent } from "../test-fleet.ts";

beforeAll(prepare);

const meterOf = (name: string) => did<Meter>("GET", `/v1/sites/${name}/meter`);
/** Rows written for each machine of a whole run, in the object and in D1. */
async function rowsPerInstall(name: string, servers: number): Promise<{ object: number; d1: number }> {
  const site = await makeSite(name, servers);
  const agent = await TestAgent.enrol(site);
  await settled(site);
  const before = await meterOf(name);
  const targets = Array.from({ length: servers }, (_, n) => `node-${n + 1}`);
  const job = await did<JobView>("POST", "/v1/jobs", {
    key: "k",
    body: { site: name, workflow: "server.install", targets },
  });
  // Slow enough that several alarms fall into the run, as they do where hardware takes its time.
  const ended = await agent.work(job.id, () => new Promise((done) => setTimeout(done, 150)));
  expect(ended.state).toBe("succeeded");
  await settled(site);
  const after = await meterOf(name);
  expect(after.installs).toBe(servers);
  return { object: (after.object - before.object) / servers, d1: (after.d1 - before.d1) / servers };
}

describe("the cost of an install", () => {
  it("[C4] is at most 400 rows for each machine, object, alarms and D1 together, and falls with their number", {
    timeout: 60_000,
  }, async () => {
    const one = await rowsPerInstall("cost-1", 1);
    const twelve = await rowsPerInstall("cost-12", 12);
    expect(one.object + one.d1).toBeLessThanOrEqual(400);
    expect(twelve.object + twelve.d1).toBeLessThanOrEqual(one.object + one.d1);
  });

  it("[G5] gives the place in the fleet's budget back when the work is done", async () => {
    await eventually(
      () => did<{ working: number }>("GET", "/v1/fleet"),
      ({ working }) => working === 0,
      "the place given back",
    );
  });

  it("leaves every device active, here and in the read model", { timeout: 30_000 }, async () => {
    const { items } = await did<Page<DeviceView>>("GET", "/v1/devices?site=cost-12");
    expect(items.map((device) => device.state)).toEqual(items.map(() => "active"));
    await eventually(
      () => did<Page<DeviceView>>("GET", "/v1/devices?site=cost-12&state=active"),
      (page) => page.items.length === 12,
      "the read model",
    );
  });
});
