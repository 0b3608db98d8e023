import { runInDurableObject } from "cloudflare:test";
import { beforeAll, expect, it } from "vitest";
import type { JobView, StepView } from "../../shared/model/job.ts";
import { type PlanStep, planHash } from "../../shared/model/plan.ts";
import type { PlanView } from "../../shared/model/views.ts";
import { resultOf } from "../site/core/test-results.ts";
import { sha256 } from "../site/platform.ts";
import { call, did, eventually, makeSite, prepare, stubOf, TestAgent } from "../test-fleet.ts";
import { MIB } from "./input.ts";

beforeAll(prepare);

/** What the platform allows and a local run does not enforce: a text in a row, and a message between Worker and object. */
const MAX_TEXT = 2_000_000;
const MAX_MESSAGE = 32 * MIB;
const sizeOf = ({ body }: { body: unknown }): number => JSON.stringify(body).length;

it("[T1] a plan has at most 5,000 targets, and one of 5,000 is made, read back by page, and run", {
  timeout: 180_000,
}, async () => {
  const site = await makeSite("hall", 5_000);
  const agent = await TestAgent.enrol(site);
  const targets = Array.from({ length: 5_000 }, (_, n) => `node-${n + 1}`);
  const intent = { site: site.name, workflow: "server.install", targets };
  for (const path of ["/v1/plans", "/v1/jobs"]) {
    const many = { ...intent, targets: [...targets, "node-5001"] };
    const answer = await call("POST", path, { key: `many ${path}`, body: many });
    expect(answer).toMatchObject({ status: 422, body: { code: "too_many_targets" } });
  }

  const made = await call<PlanView>("POST", "/v1/plans", { body: intent });
  expect(made.status).toBe(201);
  const { plan, hash, impact } = made.body;
  expect(impact).toMatchObject({ targets: 5_000, steps: 60_000 });
  expect(plan.targets).toHaveLength(5_000);
  // Shown are the first steps; all of them, page by page, are what the hash is of.
  expect(plan.steps.length).toBeLessThan(60_000);
  expect(sizeOf(made)).toBeLessThan(MAX_MESSAGE / 2);
  const steps: PlanStep[] = [];
  for (let after = -1; ; ) {
    const { items } = await did<{ items: PlanStep[] }>("GET", `/v1/plans/${plan.id}/steps?after=${after}`);
    steps.push(...items);
    const last = items.at(-1);
    if (!last) break;
    after = last.n;
  }
  expect(steps).toHaveLength(60_000);
  expect(planHash({ ...plan, steps }, sha256)).toBe(hash);

  const job = await call<JobView>("POST", "/v1/jobs", { key: "hall", body: { plan: plan.id, hash } });
  expect(job).toMatchObject({ status: 201, body: { state: "queued", planHash: hash } });
  expect(job.body.targets).toHaveLength(5_000);
  expect(sizeOf(job)).toBeLessThan(MAX_MESSAGE / 2);
  const last = await did<{ items: StepView[] }>("GET", `/v1/jobs/${job.body.id}/steps?after=59997`);
  expect(last.items.map((s) => [s.n, s.name, s.state])).toEqual([
    [59_998, "first-boot", "blocked"],
    [59_999, "acceptance", "blocked"],
  ]);
  const { leases } = await eventually(
    () => agent.sync({ free: 200 }),
    (reply) => reply.leases.length > 0,
    "leases",
  );
  expect(leases).toHaveLength(200);
  const next = await agent.sync({ reports: leases.map((l) => agent.report(l, resultOf(l))), free: 200 });
  expect(next).toMatchObject({ acks: leases.map((l) => l.id), more: true });
  expect(next.leases).toHaveLength(200);
  const texts = await runInDurableObject(stubOf(site), (_, { storage }) => {
    const tables = storage.sql.exec<{ name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    );
    return tables.toArray().flatMap(({ name }) => {
      const columns = storage.sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('${name}')`).toArray();
      const longest = columns.map((column) => `coalesce(max(octet_length("${column.name}")), 0)`);
      return storage.sql
        .exec(`SELECT max(${longest.join(", ")}, 0) AS bytes FROM "${name}"`)
        .toArray()
        .map((row) => ({ name, bytes: Number(row.bytes) }));
    });
  });
  expect(texts.length).toBeGreaterThan(15);
  expect(texts.filter(({ bytes }) => bytes > MAX_TEXT)).toEqual([]);

  const ended = await did<JobView>("POST", `/v1/jobs/${job.body.id}/cancel`, { body: {} });
  const states = Object.groupBy(ended.targets, (t) => t.state);
  expect(Object.fromEntries(Object.entries(states).map(([state, of]) => [state, of.length]))).toEqual({
    cancelled: 5_000,
  });
});
