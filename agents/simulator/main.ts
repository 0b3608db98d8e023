/** The simulator as a process; see docs/simulator.md. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { z } from "zod";
import { ResolvedSite } from "../../shared/model/site.ts";
import { FaultPlan } from "./faults.ts";
import { type SimulatorOptions, startSimulator } from "./simulator.ts";

const USAGE =
  "Usage: turnup sim --site site.json --dir DIR --secrets FILE --netboot URL [--speed 60] [--faults FILE] [--seed 1]";
const HELP = `${USAGE}

Runs the data center of a site: a BMC and a machine for each server (docs/simulator.md).

  --site FILE     the resolved site as JSON; \`npm start\` writes it to .turnup/sim/site.json
  --dir DIR       where it keeps machines, drives, the witness log and connect-to.json
  --secrets FILE  JSON, the BMCs' users by their vault: references
  --netboot URL   where machines find the agent's netboot server
  --speed N       divides the delays of hardware (60)
  --faults FILE   JSON, a fault plan
  --seed N        of faults that strike with a probability (1)
  --help          this
`;
const Secrets = z.record(z.string(), z.object({ username: z.string(), password: z.string() }));

/** Reads a JSON file by its schema; what is wrong with it is said in one line, without what it holds (A7). */
function readJson<T extends z.ZodType>(path: string, schema: T): z.infer<T> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new Error(`${path} ${code === undefined ? "is no JSON" : `cannot be read: ${code}`}.`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${path}: ${issue?.path.join(".")}: ${issue?.message}.`);
}

function readOptions(): SimulatorOptions | "help" {
  const { values } = parseArgs({
    options: {
      site: { type: "string" },
      dir: { type: "string" },
      secrets: { type: "string" },
      netboot: { type: "string" },
      speed: { type: "string", default: "60" },
      faults: { type: "string" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return "help";
  const { site, dir, secrets, netboot } = values;
  const missing = Object.entries({ site, dir, secrets, netboot }).flatMap(([name, v]) => (v ? [] : [`--${name}`]));
  if (!site || !dir || !secrets || !netboot) throw new Error(`${missing.join(", ")}: missing.`);
  const speed = Number(values.speed);
  if (!(speed > 0)) throw new Error("--speed is a number above 0.");
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new Error("--seed is a whole number.");
  return {
    site: readJson(site, ResolvedSite),
    dir,
    secrets: readJson(secrets, Secrets),
    netbootUrl: netboot.replace(/\/$/, ""),
    speed,
    faults: values.faults === undefined ? { faults: [] } : readJson(values.faults, FaultPlan),
    seed,
    onDefect(machine, cause) {
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      console.error(`simulator: ${machine}: ${text}`);
    },
  };
}

function optionsOrExit(): SimulatorOptions {
  try {
    const options = readOptions();
    if (options !== "help") return options;
    process.stdout.write(HELP);
    process.exit(0);
  } catch (cause) {
    console.error(`simulator: ${cause instanceof Error ? cause.message : String(cause)}\n${USAGE}`);
    process.exit(2);
  }
}

const simulator = await startSimulator(optionsOrExit());
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
