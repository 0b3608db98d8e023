import { parseArgs } from "node:util";
import { type Outcome, ok, refuse } from "../../../shared/errors.ts";

export interface StartOptions {
  /** End when every machine is in service, has failed, or waits for a person. */
  once: boolean;
  /** Forget everything in `.turnup/` first. */
  fresh: boolean;
  /** Standard output carries one line: the result as JSON. */
  json: boolean;
  /** Plant a fault in many machines. */
  chaos: boolean;
  seed: number;
  /** Divides the delays of the simulated hardware. */
  speed: number;
  /** The site file. */
  site: string;
  /** URL through which the agent reaches the control plane, if not directly. */
  via: string | undefined;
  /** When audits run, instead of as wrangler.toml says; it may begin with seconds. */
  cron: string | undefined;
  help: boolean;
}

export const USAGE = `npm start -- [OPTIONS]
  --once         end when every machine is in service, has failed, or waits for a person
  --fresh        forget everything in .turnup/ first
  --json         the last line of standard output is the result as JSON
  --chaos        plant a fault in many machines, and compare what became of them
  --seed N       of the faults (default 1); the same seed plants the same
  --speed N      divide the delays of the simulated hardware (default 60)
  --site FILE    the site file (default examples/sites/ams01.yaml)
  --cron PATTERN when audits run, in UTC (default as wrangler.toml says)
  --via URL      the agent reaches the control plane through this URL, such as a proxy that cuts connections
Exit codes: 0 all in service, 1 failed, 2 refused (another one runs, or bad input), 3 some in service.`;

/** Reads the command line; relative paths stay as they are. */
export function readOptions(args: readonly string[], defaultSite: string): Outcome<StartOptions> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        once: { type: "boolean", default: false },
        fresh: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        chaos: { type: "boolean", default: false },
        seed: { type: "string", default: "1" },
        speed: { type: "string", default: "60" },
        site: { type: "string", default: defaultSite },
        via: { type: "string" },
        cron: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const seed = Number(values.seed);
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff)
      return refuse("usage", "--seed takes a whole number from 0 to 4294967295.");
    const speed = Number(values.speed);
    if (!(speed > 0 && speed <= 10_000)) return refuse("usage", "--speed takes a number above 0, up to 10000.");
    if (values.via !== undefined && !URL.canParse(values.via)) return refuse("usage", "--via takes a URL.");
    return ok({ ...values, via: values.via, cron: values.cron, seed, speed });
  } catch (error) {
    return refuse("usage", error instanceof Error ? error.message : String(error));
  }
}
