import { beforeAll, describe, expect, it } from "vitest";
import type { JobSummary, JobView, StepView } from "../../shared/model/job.ts";
import type { Page, PlanView } from "../../shared/model/views.ts";
import { call, did, eventually, installJob, makeSite, prepare } from "../test-fleet.ts";

beforeAll(prepare);

const intent = (site: string, targets: string[] = ["node-1"]) => ({ site, workflow: "server.install", targets });

describe("plans and jobs", () => {
  it("run a plan exactly as it was shown, by its hash", async () => {
    await makeSite("planned");
    const plan = await did<PlanView>("POST", "/v1/plans", { body: intent("planned") });
    expect(plan).toMatchObject({ plan: { workflow: "server.install", targets: [{ name: "node-1" }] }, job: null });
    expect(await did("GET", `/v1/plans/${plan.plan.id}`)).toMatchObject({ hash: plan.hash });
    const stale = await call("POST", "/v1/jobs", { key: "a", body: { plan: plan.plan.id, hash: "0".repeat(64) } });
    expect(stale).toMatchObject({ status: 409, body: { code: "plan_stale" } });
    const made = await call<JobView>("POST", "/v1/jobs", { key: "b", body: { plan: plan.plan.id, hash: plan.hash } });
    expect(made).toMatchObject({ status: 201, body: { plan: plan.plan.id, planHash: plan.hash } });
    const steps = await did<{ items: StepView[] }>("GET", `/v1/jobs/${made.body.id}/steps`);
    expect(steps.items.map((step) => step.n)).toEqual(plan.plan.steps.map((step) => step.n));
  });

  it("[J1] the same key gives the same job; with another body it is refused", async () => {
    const site = await makeSite("keys");
    const job = await installJob(site, "k");
    const again = await call<JobView>("POST", "/v1/jobs", {
      key: "k",
      body: { site: site.name, workflow: "server.install", targets: ["node-1"] },
    });
    expect(again).toMatchObject({ status: 200, body: { id: job.id } });
    const other = await call("POST", "/v1/jobs", { key: "k", body: { ...intent("keys"), params: { x: 1 } } });
    expect(other).toMatchObject({ status: 409, body: { code: "idempotency_key_reused" } });
  });

  it.each<[string, unknown, string | undefined, number, string]>([
    ["without a key", intent("refusals"), undefined, 400, "idempotency_key_required"],
    ["with a key that is none", intent("refusals"), "x".repeat(129), 400, "bad_request"],
    ["without targets", intent("refusals", []), "r1", 422, "targets_required"],
    ["with an unknown target", intent("refusals", ["node-9"]), "r2", 422, "target_unknown"],
    ["with an unknown workflow", { ...intent("refusals"), workflow: "none" }, "r3", 422, "workflow_unknown"],
    [
      "with params that the workflow does not know",
      { ...intent("refusals"), params: { image: 1 } },
      "r6",
      422,
      "validation_failed",
    ],
    ["with an unknown plan", { plan: "pln_0123456789_0123456789abcdef", hash: "x" }, "r4", 404, "plan_unknown"],
    ["of an unknown site", intent("nowhere"), "r5", 404, "site_unknown"],
  ])("a job %s is refused by its own code", async (_, body, key, status, code) => {
    await call("POST", "/v1/sites", { body: { name: "refusals", locationHint: "weur" } });
    const answer = await call("POST", "/v1/jobs", { body, ...(key !== undefined && { key }) });
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    // What is to be mended stands in `errors`, as the code says.
    if (code === "validation_failed") expect(answer.body.errors).toMatchObject([{ pointer: "/params/image" }]);
  });

  it("a target that another job holds is refused, and the refusal names the holder (L7)", async () => {
    const site = await makeSite("held");
    const job = await installJob(site, "k1");
    const second = await call("POST", "/v1/jobs", { key: "k2", body: intent("held") });
    expect(second).toMatchObject({ status: 409, body: { code: "locked" } });
    expect(String(second.body.detail)).toContain(job.id);
  });

  it("answers 304 while nothing changed, and the whole again when it did", async () => {
    const site = await makeSite("etag");
    const job = await installJob(site);
    const first = await call<JobView>("GET", `/v1/jobs/${job.id}`);
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toBe(`"${first.body.version}"`);
    const same = await call("GET", `/v1/jobs/${job.id}`, { headers: { "if-none-match": etag } });
    expect([same.status, same.headers.get("etag")]).toEqual([304, etag]);
    await did("POST", `/v1/jobs/${job.id}/cancel`, { body: { reason: "no longer wanted" } });
    const changed = await call<JobView>("GET", `/v1/jobs/${job.id}`, {
      headers: { "if-none-match": `W/${etag}, "x"` },
    });
    expect(changed).toMatchObject({ status: 200, body: { state: "cancelled" } });
    expect(await call("POST", `/v1/jobs/${job.id}/cancel`, { body: {} })).toMatchObject({
      status: 409,
      body: { code: "job_final" },
    });
  });

  it("are listed for one site as it is, and across sites soon after", async () => {
    const site = await makeSite("lists");
    const job = await installJob(site);
    const own = await did<Page<JobSummary>>("GET", "/v1/jobs?site=lists");
    expect(own.items).toMatchObject([{ id: job.id, counts: { total: 1 } }]);
    await eventually(
      () => did<Page<JobSummary>>("GET", "/v1/jobs?limit=500"),
      (page) => page.items.some((j) => j.id === job.id),
      "the read model",
    );
  });

  it("a watch of no socket, or of no job, is refused in words", async () => {
    const site = await makeSite("nosock");
    const job = await installJob(site);
    expect(await call("GET", `/v1/jobs/${job.id}/watch`)).toMatchObject({
      status: 426,
      body: { code: "upgrade_required" },
    });
    const gone = job.id.slice(0, -4).concat("zzzz");
    expect(await call("GET", `/v1/jobs/${gone}/watch`, { headers: { upgrade: "websocket" } })).toMatchObject({
      status: 404,
      body: { code: "job_unknown" },
    });
  });
});
