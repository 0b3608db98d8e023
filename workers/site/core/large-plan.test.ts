import { expect, it } from "vitest";
import { World } from "./test-world.ts";

/** What the platform allows one event of an object, ms of its processor. */
const MAX_CPU_MS = 30_000;

it("[T1] each command about 5,000 machines at once keeps well below the processor time of one event", () => {
  const w = new World(5_000);
  const targets = Array.from({ length: 5_000 }, (_, n) => `srv${String(n).padStart(5, "0")}`);
  /** Processor time, not time: a machine that is busy with other things makes no difference. */
  const spent = <T>(command: () => T): T => {
    const before = process.cpuUsage();
    const out = command();
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(MAX_CPU_MS / 2);
    return out;
  };
  const actor = "token:op";
  const intent = { workflow: "server.install", targets, params: {}, actor };
  const { plan, hash } = spent(() => w.do("plan.create", intent));
  const { job } = spent(() => w.do("job.create", { key: "k", body: "", actor, plan: plan.id, hash }));
  expect(spent(() => w.sync({ free: 200 })).leases).toHaveLength(200);
  spent(() => w.do("job.pause", { job: job.id, actor, reason: "" }));
  spent(() => w.do("job.resume", { job: job.id, actor }));
  const over = spent(() => w.do("job.cancel", { job: job.id, actor, reason: "" }));
  expect(over.targets.every((t) => t.state === "cancelled")).toBe(true);
}, 120_000);
