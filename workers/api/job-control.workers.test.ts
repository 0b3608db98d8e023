import { beforeAll, describe, expect, it } from "vitest";
import type { JobEvent, JobView, StepView } from "../../shared/model/job.ts";
import type { Lease } from "../../shared/protocol/agent.ts";
import { type Call, call, did, eventually, installJob, makeSite, prepare, TestAgent } from "../test-fleet.ts";

beforeAll(prepare);

const control = (job: string, verb: string, options: Call = {}) =>
  call<JobView & { code?: string; detail?: string }>("POST", `/v1/jobs/${job}/${verb}`, { body: {}, ...options });
const intent = (site: string) => ({ site, workflow: "server.install", targets: ["node-1"] });

/** The next lease, once the site has its permit. */
const nextLease = async (agent: TestAgent): Promise<Lease> => {
  const { leases } = await eventually(
    () => agent.sync(),
    (reply) => reply.leases.length > 0,
    "a lease",
  );
  if (!leases[0]) throw new Error("no lease");
  return leases[0];
};
const fail = (agent: TestAgent, lease: Lease, code: string) => {
  const failed = { ...agent.report(lease, undefined), outcome: "failed" as const, failure: { code, detail: "seen" } };
  return agent.sync({ reports: [failed] });
};

describe("an accepted job", () => {
  it("is paused and resumed, and its steps say who has to", async () => {
    const site = await makeSite("ctl-pause");
    const agent = await TestAgent.enrol(site);
    const job = await installJob(site);
    const paused = await control(job.id, "pause", { key: "p1", body: { reason: "the power is tested" } });
    expect(paused).toMatchObject({ status: 200, body: { state: "paused", paused: { reason: "the power is tested" } } });
    expect(paused.body.targets[0]?.waitingOn).toBe(
      `${paused.body.paused?.by} to resume the job (\`turnup resume ${job.id}\`): the power is tested`,
    );
    expect((await control(job.id, "pause")).body.version).toBe(paused.body.version);
    expect((await agent.sync()).leases).toEqual([]);
    expect((await control(job.id, "resume")).body).toMatchObject({ state: "queued", paused: null });
    expect((await nextLease(agent)).name).toBe("identify");
    // J1: a key used twice pauses once.
    const again = await control(job.id, "pause", { key: "p1", body: { reason: "the power is tested" } });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await did("GET", `/v1/jobs/${job.id}`)).toMatchObject({ state: "running", paused: null });
  });

  it("[J8] is tried again from its first incomplete step, one device or all", async () => {
    const site = await makeSite("ctl-retry");
    const agent = await TestAgent.enrol(site);
    const job = await installJob(site);
    expect(await control(job.id, "retry")).toMatchObject({ status: 409, body: { code: "retry_refused" } });
    await fail(agent, await nextLease(agent), "machine_powered_on");
    expect(await did("GET", `/v1/jobs/${job.id}`)).toMatchObject({ state: "waiting" });
    const other = await control(job.id, "retry", { body: { device: "node-9" } });
    expect(other).toMatchObject({ status: 409, body: { code: "retry_refused" } });
    const retried = await control(job.id, "retry", { body: { device: "node-1" } });
    expect(retried).toMatchObject({ status: 200, body: { state: "running", targets: [{ failure: null }] } });
    await fail(agent, await nextLease(agent), "identity_mismatch");
    expect(await did("GET", `/v1/jobs/${job.id}`)).toMatchObject({ state: "failed" });

    const holder = await installJob(site, "k2");
    const held = await control(job.id, "retry");
    expect(held).toMatchObject({ status: 409, body: { code: "locked" } });
    expect(held.body.detail).toContain(holder.id);
    await control(holder.id, "cancel");
    const since = await control(job.id, "retry");
    expect(since).toMatchObject({ status: 409, body: { code: "retry_refused" } });
  });

  it("leaves a step out with a reason, by an admin, and never one that a later step rests on", async () => {
    const site = await makeSite("ctl-skip");
    const job = await installJob(site);
    const { token } = await did<{ token: string }>("POST", "/v1/tokens", { body: { name: "o", role: "operator" } });
    const skip = { device: "node-1", step: "inventory", reason: "its BMC lists no drives" };
    expect(await control(job.id, "skip", { token, body: skip })).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
    for (const body of [{ ...skip, reason: " " }, { ...skip, reason: "x".repeat(501) }, { device: "node-1" }])
      expect(await control(job.id, "skip", { body })).toMatchObject({
        status: 422,
        body: { code: "validation_failed" },
      });
    for (const body of [
      { ...skip, step: "prove-blank" },
      { ...skip, step: "dance" },
      { ...skip, device: "node-9" },
    ])
      expect(await control(job.id, "skip", { body })).toMatchObject({ status: 409, body: { code: "skip_refused" } });

    const skipped = await control(job.id, "skip", { body: skip });
    expect(skipped).toMatchObject({ status: 200, body: { targets: [{ stepsDone: 1, step: "identify" }] } });
    const { items } = await did<{ items: StepView[] }>("GET", `/v1/jobs/${job.id}/steps`);
    expect(items.find((step) => step.name === "inventory")?.state).toBe("skipped");
    const events = await did<{ items: JobEvent[] }>("GET", `/v1/jobs/${job.id}/events`);
    expect(events.items.at(-1)).toMatchObject({ kind: "step.skipped", data: { reason: "its BMC lists no drives" } });
  });

  it.each(["pause", "resume", "retry", "skip", "cancel"])(
    "that is not there, or has ended, refuses %s",
    async (verb) => {
      const site = await makeSite(`ctl-end-${verb}`);
      const job = await installJob(site);
      const body = verb === "skip" ? { device: "node-1", step: "inventory", reason: "x" } : {};
      const gone = job.id.slice(0, -4).concat("zzzz");
      expect(await control(gone, verb, { body })).toMatchObject({ status: 404, body: { code: "job_unknown" } });
      await control(job.id, "cancel");
      const code = { retry: "retry_refused", skip: "skip_refused" }[verb] ?? "job_final";
      expect(await control(job.id, verb, { body })).toMatchObject({ status: 409, body: { code } });
    },
  );
});

describe("a new job", () => {
  it("has the priority that was asked for, 5 if none was", async () => {
    await makeSite("ctl-rank");
    const plain = await did<JobView>("POST", "/v1/jobs", { key: "a", body: intent("ctl-rank") });
    expect(plain.priority).toBe(5);
    await control(plain.id, "cancel");
    const wanted = (priority: unknown) => ({ key: `p${priority}`, body: { ...intent("ctl-rank"), priority } });
    expect((await did<JobView>("POST", "/v1/jobs", wanted(9))).priority).toBe(9);
    for (const priority of [-1, 10, 1.5, "high"])
      expect(await call("POST", "/v1/jobs", wanted(priority))).toMatchObject({
        status: 422,
        body: { code: "validation_failed" },
      });
  });

  it("[T1] of more targets than a plan takes is refused by its own code", async () => {
    await makeSite("ctl-many");
    const targets = Array.from({ length: 5_001 }, (_, n) => `node-${n + 1}`);
    const many = await call("POST", "/v1/jobs", { key: "many", body: { ...intent("ctl-many"), targets } });
    expect(many).toMatchObject({ status: 422, body: { code: "too_many_targets" } });
  });
});
