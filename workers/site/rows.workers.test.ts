import { beforeAll, expect, it } from "vitest";
import type { JobView } from "../../shared/model/job.ts";
import type { Meter } from "../../shared/model/views.ts";
import type { Lease, SyncRequest } from "../../shared/protocol/agent.ts";
import { did, eventually, installJob, makeSite, prepare, TestAgent } from "../test-fleet.ts";
import { resultOf } from "./core/test-results.ts";

beforeAll(prepare);

/** The worst case: a machine alone, so that no row is shared, each step reported by itself, and the slow ones with progress. */
it("[C4] one install writes at most 400 rows, in the object and D1 together", async () => {
  const site = await makeSite("rows");
  const agent = await TestAgent.enrol(site);
  const meter = () => did<Meter>("GET", `/v1/sites/${site.name}/meter`);
  const quiet = async () => {
    let last = -1;
    return eventually(
      async () => {
        await new Promise((done) => setTimeout(done, 400));
        const { object, d1 } = await meter();
        const still = object + d1 === last;
        last = object + d1;
        return { still, rows: last };
      },
      (seen) => seen.still && seen.rows > 0,
      "no more rows",
    );
  };
  // Longer than the outbox waits: what the import wrote must not be counted here.
  await new Promise((done) => setTimeout(done, 2_500));
  const before = await quiet();
  const job = await installJob(site);
  const waitingOn = async () => (await did<JobView>("GET", `/v1/jobs/${job.id}`)).targets[0]?.waitingOn ?? "";
  await eventually(waitingOn, (text) => text.includes("an agent of the site"), "a permit");
  let request: Partial<SyncRequest> = {};
  for (let n = 0; n < 12; n++) {
    const reply = await eventually(
      () => agent.sync(request),
      (r) => r.leases.length > 0,
      `lease ${n}`,
    );
    const [lease] = reply.leases as [Lease];
    const progress = { lease: lease.id, epoch: lease.epoch, job: job.id, step: lease.step };
    for (const percent of [10, 50, 90]) await agent.sync({ holding: [lease.id], progress: [{ ...progress, percent }] });
    request = { reports: [agent.report(lease, resultOf(lease))] };
  }
  await agent.sync(request);
  expect(await did("GET", `/v1/jobs/${job.id}`)).toMatchObject({ state: "succeeded" });
  await new Promise((done) => setTimeout(done, 2_500));
  const after = await quiet();
  const rows = after.rows - before.rows;
  console.log(`rows written by one install: ${rows}`);
  expect(rows).toBeGreaterThan(50);
  expect(rows).toBeLessThanOrEqual(400);
}, 60_000);
