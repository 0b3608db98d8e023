/** The simulator as a process: `node main.ts --site resolved.json --dir DIR --secrets FILE --netboot URL [--speed N] [--faults FILE] [--seed N]`. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import { ResolvedSite } from "../../shared/model/site.ts";
import { FaultPlan } from "./faults.ts";
import { startSimulator } from "./simulator.ts";

const Secrets = z.record(z.string(), z.object({ username: z.string(), password: z.string() }));

const { values } = parseArgs({
  options: {
    site: { type: "string" },
    dir: { type: "string" },
    secrets: { type: "string" },
    netboot: { type: "string" },
    speed: { type: "string", default: "60" },
    faults: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});

function required(name: "site" | "dir" | "secrets" | "netboot"): string {
  const value = values[name];
  if (value !== undefined) return value;
  console.error(`simulator: --${name} is missing.`);
  process.exit(2);
}
const json = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));

const simulator = await startSimulator({
  site: ResolvedSite.parse(json(required("site"))),
  dir: required("dir"),
  secrets: Secrets.parse(json(required("secrets"))),
  netbootUrl: required("netboot").replace(/\/$/, ""),
  speed: Number(values.speed),
  faults: values.faults === undefined ? { faults: [] } : FaultPlan.parse(json(values.faults)),
  seed: Number(values.seed),
  onDefect(machine, cause) {
    console.error(`simulator: ${machine}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
  },
});
console.log(`simulator: ${simulator.machines} machines`);

let closing = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (closing) return;
    closing = true;
    simulator.close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}
