/**
 * One run of one size, in a process of its own so that every run begins with a fresh heap:
 *
 *   node --expose-gc bench/coordinator/child.ts SIZE MACHINES
 *
 * Sites of SIZE machines are installed, one after the other, until MACHINES are: a small site alone takes milliseconds,
 * in which the compiler of JavaScript is most of what would be seen. All sizes begin after the same warm-up. Prints one
 * line of JSON. What it takes to make a site is not counted.
 */
import { type Cost, LoadedSite } from "./load.ts";

/** Machines that are installed before anything is counted, in sites of 10. */
const WARM_UP = 500;

const [size = 10, machines = 10] = process.argv.slice(2).map(Number);

async function once(servers: number): Promise<Cost> {
  const site = await LoadedSite.make(servers);
  // What making it left behind is not the installs' to collect.
  globalThis.gc?.();
  const cost = await site.install();
  site.close();
  return cost;
}

for (let done = 0; done < WARM_UP; done += 10) await once(10);
const sum = { machines: 0, cpuMs: 0, rows: 0 };
while (sum.machines < machines) {
  const cost = await once(size);
  sum.machines += cost.machines;
  sum.cpuMs += cost.cpuMs;
  sum.rows += cost.rows;
}
console.log(JSON.stringify({ cpuMs: sum.cpuMs / sum.machines, rows: sum.rows / sum.machines }));
