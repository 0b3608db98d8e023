import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { errorCatalog } from "../../shared/errors.ts";
import {
  type Answer,
  call,
  did,
  env,
  eventually,
  installJob,
  makeSite,
  prepare,
  rowsOf,
  serverType,
  siteDocument,
  TestAgent,
} from "../test-fleet.ts";
import { disturbed, fitting, named, resolved, type Schema, written } from "./test-bodies.ts";

/** `TURNUP_FUZZ=SEED,RUNS npx vitest run workers/api/fuzz` tries another one, or more. */
const { TURNUP_FUZZ: wish = "" } = env as { TURNUP_FUZZ?: string };
const [SEED = 1, RUNS = 300] = wish.split(",").filter(Boolean).map(Number);

interface Operation {
  method: string;
  path: string;
  auth: "token" | "agent" | "none";
  body: Schema | undefined;
}
interface Described {
  security?: Record<string, unknown>[];
  requestBody?: { content: { "application/json": { schema: Schema } } };
}

/** Every route that changes something, as the API's own document has it: a new one is tried without a word here. */
async function mutating(): Promise<Operation[]> {
  const { paths } = await did<{ paths: Record<string, Record<string, Described>> }>("GET", "/openapi.json");
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => method !== "get")
      .map(([method, { security, requestBody }]): Operation => {
        const scheme = security?.[0];
        const auth = scheme === undefined ? "none" : "agent" in scheme ? "agent" : "token";
        return { method: method.toUpperCase(), path, auth, body: requestBody?.content["application/json"].schema };
      }),
  );
}

/** Bodies that are taken, where the schema alone does not lead to one; names with a dollar sign are put in when sent. */
const examples: Record<string, unknown> = {
  "/v1/sites/{site}/document": siteDocument("fuzz", 3),
  "/v1/device-types": { types: [serverType] },
  "/v1/device-types/check": { type: serverType },
  "/v1/plans": { site: "$site", workflow: "server.install", targets: ["node-2", "node-3"] },
  "/v1/jobs": { site: "$site", workflow: "server.install", targets: ["node-2"] },
  "/v1/jobs/{job}/skip": { device: "node-1", step: "inventory", reason: "r" },
  "/v1/sites/{site}/policy": { base: 0, text: "schema: turnup/policy/v1\nsite: fuzz\n", reason: "r" },
  "/v1/sites/{site}/policy/hold": { on: "site", reason: "r" },
  "/v1/sites/{site}/policy/unhold": { on: "site" },
  "/v1/restores": { header: "$header", lines: 3, sha256: "ab".repeat(32), replace: "$site" },
  "/v1/restores/lines": { restore: "$restore", from: 1, lines: ["$line"] },
  "/v1/restores/finish": { restore: "$restore" },
  "/agent/v1/enroll": {
    v: 1,
    token: "$enrol",
    name: "b",
    publicKey: { kty: "OKP", crv: "Ed25519", x: "x".repeat(43) },
    version: "1",
  },
  "/agent/v1/sync": {
    v: 1,
    instance: "i",
    version: "test",
    free: 2,
    holding: ["$lease"],
    reports: [
      {
        lease: "$lease",
        epoch: "$epoch",
        job: "$job",
        step: 0,
        outcome: "succeeded",
        result: { serial: "SN-fuzz-1", power: "Off" },
        evidence: { seen: "x" },
        startedAt: 1,
        finishedAt: 2,
      },
    ],
    progress: [{ lease: "$lease", epoch: "$epoch", job: "$job", step: 0, percent: 50, text: "half" }],
    audit: { window: "$window", observations: [{ device: "$device", serial: "x", power: "On" }] },
    unknown: [{ mac: "02:00:00:00:00:99", seen: "netboot", at: 1 }],
    boots: [{ job: "$job", device: "$device" }],
    generation: 1,
    head: { seq: 1, hash: "ab".repeat(32), generation: 1 },
    journal: {
      generation: 1,
      from: 1,
      epoch: 1,
      attempts: [{ epoch: 1, lease: "$lease", job: "$job", step: 0, device: "$device", outcome: "dropped" }],
      complete: true,
    },
  },
};

/**
 * All that a refusal must leave as it is. What changes by itself meanwhile is not among it: what goes out (outbox,
 * permits, the read model), and audits, which end after a while.
 */
const siteTables = [
  ...["text_part", "device", "asset", "medium", "plan", "approval", "job", "job_target", "step", "step_need", "lock"],
  ...["event", "ledger", "enrol_token", "agent", "policy"],
];
const fleetTables = ["token", "device_type", "site", "approver"];

beforeAll(prepare);

async function everything(site: { id: string }): Promise<unknown[]> {
  const ours = await rowsOf(site, siteTables);
  const fleet = await env.DB.batch(fleetTables.map((table) => env.DB.prepare(`SELECT * FROM "${table}"`)));
  return [...ours, ...fleet.map(({ results }) => JSON.stringify(results))];
}

it("[S4] no mutating route answers 500 to anything, and no refusal changes anything", {
  timeout: 300_000,
}, async () => {
  const operations = await mutating();
  console.log(`seed ${SEED}: ${RUNS} requests to ${operations.length} routes`);
  expect(operations.length).toBeGreaterThan(20);
  const site = await makeSite("fuzz", 3);
  const agent = await TestAgent.enrol(site);
  const exported = (await (await call("GET", "/v1/sites/fuzz/export")).response.text()).split("\n");
  const job = await installJob(site);
  const { leases } = await eventually(
    () => agent.sync(),
    (reply) => reply.leases.length > 0,
    "a lease",
  );
  const real: Record<string, unknown> = {
    site: site.name,
    siteId: site.id,
    job: job.id,
    plan: job.plan,
    hash: job.planHash,
    device: job.targets[0]?.device,
    header: JSON.parse(exported[0] ?? "") as unknown,
    line: exported[1],
  };
  /** What an answer says is there from now on. */
  const learn = ({ body }: Pick<Answer, "body">): void => {
    const { id, token, hash, restore, window, plan, agent, leases } = body ?? {};
    if (typeof id === "string") real[id.startsWith("job_") ? "job" : "token"] = id;
    if (typeof token === "string" && token.startsWith("enr_")) real.enrol = token;
    Object.assign(real, restore && { restore }, window && { window }, agent && { agent });
    if (typeof plan === "object" && plan !== null && "id" in plan) Object.assign(real, { plan: plan.id, hash });
    const [lease] =
      Array.isArray(leases) && leases.length > 0 ? (leases as { id: string; epoch: number; job: string }[]) : [];
    if (lease) Object.assign(real, { lease: lease.id, epoch: lease.epoch, job: lease.job });
  };
  learn({ body: { leases } });
  const taken = new Set<string>();

  const request = fc.constantFrom(...operations).chain((operation) => {
    const example = examples[operation.path];
    const fits = fitting(operation.body);
    return fc.record({
      operation: fc.constant(operation),
      body: disturbed(example === undefined ? fits : fc.oneof(fc.constant(example), fits)),
      cut: fc.oneof({ arbitrary: fc.constant(undefined), weight: 9 }, { arbitrary: fc.nat(500), weight: 1 }),
      path: fc.array(named, { minLength: 2, maxLength: 2 }),
      type: fc.oneof(
        { arbitrary: fc.constant("application/json"), weight: 12 },
        fc.constantFrom("text/plain", "application/json; charset=latin1", "", "application/x-www-form-urlencoded"),
      ),
      key: fc.oneof({ arbitrary: fc.constant("new"), weight: 9 }, fc.constantFrom("", " ", "a\tb", "x".repeat(129))),
    });
  });
  const own = (name: string) => real[name.slice(1)] ?? name;
  let n = 0;
  const send = async ({ operation, body, cut, path, type, key }: Parameters<Parameters<typeof request.map>[0]>[0]) => {
    const values = [...path];
    const url = operation.path.replaceAll(/{([a-z]+)}/g, (_, name: string) => {
      const value = values.pop() ?? "x";
      // Mostly what the place is for.
      return encodeURIComponent(String(value === "$fit" ? (real[name] ?? "x") : own(value)).toWellFormed());
    });
    const text = written(resolved(body, own));
    const keyed = key === "new" ? `fuzz-${SEED}-${n}` : key;
    return await call(operation.method, url, {
      body: cut === undefined ? text : text.slice(0, cut),
      headers: { ...(type !== "" && { "content-type": type }), "idempotency-key": keyed },
      token: operation.auth === "none" ? null : operation.auth === "agent" ? agent.token() : undefined,
    });
  };

  await fc.assert(
    fc.asyncProperty(request, async (given) => {
      n += 1;
      // No lease runs out by itself meanwhile.
      if (n % 20 === 0) await agent.sync({ free: 0, holding: [String(real.lease)] });
      const before = await everything(site);
      const answer = await send(given);
      const { method, path } = given.operation;
      if (answer.status < 300) {
        taken.add(`${method} ${path}`);
        return learn(answer);
      }
      // 503 is what an object of an older generation says.
      expect(answer.status === 503 ? 400 : answer.status).toBeLessThan(500);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
      const { code, status } = answer.body as { code: keyof typeof errorCatalog; status: number };
      expect(status).toBe(answer.status);
      expect(Object.hasOwn(errorCatalog, code)).toBe(true);
      expect(await everything(site)).toEqual(before);
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true },
  );
  // A generator of refusals alone would prove little.
  console.log(`${taken.size} of the routes took some of it`);
  expect(taken.size).toBeGreaterThan(operations.length / 2);
});
