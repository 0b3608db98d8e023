import fc from "fast-check";
import { expect, it } from "vitest";
import { z } from "zod";
import { type Lease, SyncRequest } from "../../shared/protocol/agent.ts";
import { resultOf } from "../site/core/test-results.ts";
import { World } from "../site/core/test-world.ts";
import { fitting, resolved, type Schema } from "./test-bodies.ts";

const schema = z.toJSONSchema(SyncRequest) as Schema;

/** What a refused sync must leave as it is: everything. */
const everything = (w: World) =>
  w.sql
    .all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .map(({ name }) => [name, JSON.stringify(w.sql.all(`SELECT * FROM "${name}"`))]);

it("[S4] whatever the protocol's schema lets in, the core answers; a refusal has changed nothing", () => {
  let taken = 0;
  let applied = 0;
  const given = fc.record({
    request: fitting(schema),
    /** For each report, whether it is of a lease that lives, with the result that belongs to it. */
    live: fc.array(fc.record({ lease: fc.boolean(), result: fc.boolean(), outcome: fc.boolean() }), { maxLength: 3 }),
    sane: fc.boolean(),
    later: fc.constantFrom(0, 5, 1_000, 70_000, 3_600_000),
  });
  const run = fc.array(given, { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(run, (syncs) => {
      const w = new World(2);
      const job = w.install(["srv00000", "srv00001"]);
      let leases: Lease[] = w.sync({ free: 10 }).leases;
      for (const { request, live, sane, later } of syncs) {
        w.now += later;
        w.do("tick", {});
        const [first] = leases;
        const names: Record<string, unknown> = { job, lease: first?.id, device: first?.target.device, agent: w.agent };
        const text = JSON.stringify(resolved(request, (name) => names[name.slice(1)] ?? name));
        const body = JSON.parse(text) as { reports: object[] };
        body.reports = body.reports.map((report, i) => {
          const lease = leases[i % Math.max(leases.length, 1)];
          const how = live[i];
          if (!lease || !how?.lease) return report;
          const { id, epoch, step } = lease;
          const result = how.result ? { result: resultOf(lease) } : {};
          return { ...report, lease: id, epoch, job, step, ...(how.outcome && { outcome: "succeeded" }), ...result };
        });
        const parsed = SyncRequest.safeParse({ ...body, ...(sane && { v: 1, generation: 1 }) });
        if (!parsed.success) continue;
        const before = everything(w);
        const { reply } = w.core.apply({ now: w.now, random: w.random }, "agent.sync", {
          agent: w.agent,
          request: parsed.data,
        });
        if (!reply.ok) {
          expect(everything(w)).toEqual(before);
          continue;
        }
        taken += 1;
        const refused = reply.value.refused?.length ?? 0;
        applied += parsed.data.reports.length - refused;
        expect(reply.value.acks).toEqual(parsed.data.reports.map((r) => r.lease));
        if (reply.value.leases.length > 0) leases = reply.value.leases;
      }
    }),
    { seed: 1, numRuns: 120 },
  );
  // Else it would prove little.
  expect(Math.min(taken, applied)).toBeGreaterThan(50);
});
