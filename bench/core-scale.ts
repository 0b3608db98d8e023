/**
 * The site's core under growing work: 10 → 10,000 machines installed in plans of at most 500, with an agent that answers
 * at once. Prints the time and the rows per install; both must stay flat.
 *
 *   node bench/core-scale.ts [machines …]
 */
import { performance } from "node:perf_hooks";
import { World } from "../workers/site/core/test-world.ts";

const PLAN = 500;
const sizes = process.argv.slice(2).map(Number);

console.log("machines   import ms   install ms each   rows each   sync p50 ms   sync p99 ms");
for (const machines of sizes.length > 0 ? sizes : [10, 100, 1_000, 10_000]) {
  const t0 = performance.now();
  const world = new World(machines);
  const importMs = performance.now() - t0;
  const names = Array.from({ length: machines }, (_, n) => `srv${String(n).padStart(5, "0")}`);
  while (world.drain().length > 0 || world.ask("outbox.next", { limit: 1 }).length > 0) world.now += 10_000;
  const before = world.ask("meter", {});
  const times: number[] = [];
  const t1 = performance.now();
  for (let from = 0; from < machines; from += PLAN) {
    world.install(names.slice(from, from + PLAN), `key-${from}`);
    let reports: ReturnType<World["report"]>[] = [];
    let holding: string[] = [];
    do {
      const t = performance.now();
      const reply = world.sync({ reports, holding });
      times.push(performance.now() - t);
      reports = reply.leases.map((lease) => world.report(lease));
      holding = reply.leases.map((lease) => lease.id);
      world.now += 50;
    } while (reports.length > 0);
    world.now += 10_000;
    world.alarm();
  }
  const installMs = (performance.now() - t1) / machines;
  const after = world.ask("meter", {});
  times.sort((a, b) => a - b);
  const at = (q: number) => times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? 0;
  const rows = (after.object + after.d1 - before.object - before.d1) / machines;
  const cell = (v: number, width: number, digits = 2) => v.toFixed(digits).padStart(width);
  console.log(
    `${String(machines).padStart(8)}${cell(importMs, 12, 0)}${cell(installMs, 18)}${cell(rows, 12, 1)}${cell(at(0.5), 14)}${cell(at(0.99), 14)}`,
  );
  world.sql.close();
}
