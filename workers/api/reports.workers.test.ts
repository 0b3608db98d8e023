import { beforeAll, expect, it } from "vitest";
import type { Lease, Report } from "../../shared/protocol/agent.ts";
import { resultOf } from "../site/core/test-results.ts";
import { call, did, eventually, installJob, makeSite, prepare, rowsOf, settled, TestAgent } from "../test-fleet.ts";

beforeAll(prepare);

/** All that a report could change; a refused one leaves its word in the job's events (L4). */
const changeable = ["job", "job_target", "step", "step_need", "lock", "device", "asset", "medium", "ledger", "finding"];

async function atWork(name: string) {
  const site = await makeSite(name);
  const agent = await TestAgent.enrol(site);
  const job = await installJob(site);
  const first = await eventually(
    () => agent.sync(),
    (reply) => reply.leases.length > 0,
    "a lease",
  );
  const [lease] = first.leases;
  if (!lease) throw new Error("no lease");
  const good = agent.report(lease, resultOf(lease));
  const send = async (...reports: Partial<Report>[]) => {
    const full = reports.map((report) => ({ ...good, ...report }));
    const answer = await agent.call({ reports: full, holding: [lease.id], free: 0 });
    return { status: answer.status, acks: answer.body.acks, codes: answer.body.refused?.map((r) => r.code) };
  };
  return { site, agent, job, lease, good, send, rows: () => rowsOf(site, changeable) };
}

it("[L4][T3] a report that does not count is answered with a code, changes nothing, and loses nothing", async () => {
  const other = await atWork("other-site");
  const { agent, job, lease, good, send, rows } = await atWork("reports");
  const before = await rows();
  const cases: [string, Partial<Report>, string][] = [
    ["of a step that is not there", { step: 4_000 }, "step_unknown"],
    ["of a step before the first", { step: -1 }, "step_unknown"],
    ["of a job that is not there", { job: job.id.replace(/.{16}$/, "0".repeat(16)) }, "step_unknown"],
    ["of no job at all", { job: "" }, "step_unknown"],
    ["of another site", { job: other.job.id, lease: other.lease.id, epoch: other.lease.epoch }, "wrong_site"],
    ["with a future epoch", { epoch: lease.epoch + 1 }, "epoch_unknown"],
    ["with the last epoch of all", { epoch: Number.MAX_SAFE_INTEGER }, "epoch_unknown"],
    ["with an epoch of before", { epoch: lease.epoch - 1 }, "stale_epoch"],
    ["with a negative epoch", { epoch: Number.MIN_SAFE_INTEGER }, "stale_epoch"],
    ["with a lease that was never given", { lease: "lse_made_up" }, "epoch_unknown"],
    ["out of order: of a step whose turn has not come", { step: lease.step + 1 }, "epoch_unknown"],
  ];
  for (const [what, report, code] of cases) {
    const ack = report.lease ?? lease.id;
    expect([what, await send(report)]).toEqual([what, { status: 200, acks: [ack], codes: [code] }]);
    expect([what, await rows()]).toEqual([what, before]);
  }
  // All of them around the one that counts, and twice: it is applied, once.
  const wrong = cases.map(([, report]) => report);
  const answer = await send(...wrong, {}, ...wrong.toReversed(), {});
  expect(answer.codes).toHaveLength(2 * wrong.length);
  expect(answer.acks).toHaveLength(2 * wrong.length + 2);
  const { items } = await did<{ items: { state: string; attempt: number }[] }>("GET", `/v1/jobs/${job.id}/steps`);
  expect(items.slice(0, 2)).toMatchObject([{ state: "succeeded", attempt: 1 }, { state: "ready" }]);
  const done = await rows();
  expect(await send(good, { outcome: "failed", failure: { code: "bmc_error", detail: "" } })).toMatchObject({
    status: 200,
    codes: undefined,
  });
  expect(await rows()).toEqual(done);
  expect((await agent.work(job.id)).state).toBe("succeeded");
  expect((await other.agent.work(other.job.id)).state).toBe("succeeded");
});

it("[S4] junk of any size is refused or cut, and the work goes on", async () => {
  const { site, agent, job, lease, good, send, rows } = await atWork("junk");
  await settled(site);
  const before = await rows();
  const junk = (chars: number) => ({ ...good, result: { ...(resultOf(lease) as object), junk: "x".repeat(chars) } });
  expect(await agent.call({ reports: [junk(10_000_000)] })).toMatchObject({
    status: 413,
    body: { code: "body_too_large" },
  });
  expect(await send({ lease: "x".repeat(1_000) })).toMatchObject({ status: 422 });
  expect(await call("POST", "/agent/v1/sync", { token: agent.token(), body: "x".repeat(7_000_000) })).toMatchObject({
    status: 400,
    body: { code: "bad_request" },
  });
  expect(await send({ ...junk(7_000_000), epoch: lease.epoch - 1 })).toMatchObject({ codes: ["stale_epoch"] });
  expect(await rows()).toEqual(before);
  // Of the step's own attempt it is a defect of the agent, as it would be sent again for ever; the step is tried again.
  expect(await send(junk(7_000_000))).toMatchObject({ status: 200, codes: undefined });
  const { items } = await did<{ items: { state: string }[] }>("GET", `/v1/jobs/${job.id}/steps`);
  expect(items[0]).toMatchObject({ state: "ready", failure: { code: "agent_defect" } });
  expect((await rows()).join().length).toBeLessThan(100_000);
  const leases = await eventually(
    () => agent.sync().then((reply) => reply.leases),
    (given: Lease[]) => given.length > 0,
    "the second attempt",
  );
  expect(leases).toMatchObject([{ step: lease.step, attempt: 2 }]);
  await agent.sync({ reports: leases.map((l) => agent.report(l, resultOf(l))), free: 0 });
  expect((await agent.work(job.id)).state).toBe("succeeded");
});
