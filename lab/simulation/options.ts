/** The command line of `npm run sim`. */
import { parseArgs } from "node:util";

export const usage = `Usage: npm run -s sim -- [OPTIONS]

Runs core and agents in one process under one seed each, with faults, and checks the rules after every event.

  --seeds N        how many seeds, 20 unless said otherwise
  --first N        the first of them, 1 unless said otherwise
  --seed N         this one alone
  --minutes N      as many seeds as fit into N minutes
  --log FILE       writes the whole operation log of --seed to a file
  --mutant NAME    with this defect seeded (npm run -s sim:mutants names them)
`;

export interface SimOptions {
  first: number;
  /** How many; without a bound when only the time counts. */
  seeds: number;
  minutes: number | undefined;
  single: boolean;
  log: string | undefined;
  mutant: string | undefined;
}

/** Most that a run without an end takes; far more than fits into a day. */
const MANY = 1e9;

const names = ["seeds", "first", "seed", "minutes", "log", "mutant"];

/** A number below 0 belongs to the option before it, or the parser takes it for an option itself. */
const withValues = (args: readonly string[]): string[] =>
  args.flatMap((arg, i) => {
    if (/^-\d/.test(arg) && isBare(args[i - 1])) return [];
    return isBare(arg) && /^-\d/.test(args[i + 1] ?? "") ? [`${arg}=${args[i + 1]}`] : [arg];
  });

const isBare = (arg: string | undefined): boolean => names.some((name) => arg === `--${name}`);

/** The parser's fault in one line, without its advice on arguments that begin with a dash. */
function plainly(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, message } = error as NodeJS.ErrnoException;
  const [option] = /--?[\w-]+/.exec(message) ?? [];
  if (code === "ERR_PARSE_ARGS_INVALID_OPTION_VALUE") return `${option} wants a value.`;
  if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") return `There is no option ${option}.`;
  return `${message}.`;
}

const said = (value: string): string => (value.trim() === "" ? "nothing" : value);

/** The options, or in words what is wrong with them. */
export function simOptions(args: readonly string[]): SimOptions | string {
  let values: Record<string, string | undefined>;
  try {
    ({ values } = parseArgs({
      args: withValues(args),
      options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
    }));
  } catch (error) {
    return plainly(error);
  }
  const { seed, seeds, first, minutes, log, mutant } = values;
  for (const [name, value] of Object.entries({ seeds, first, seed }))
    if (value !== undefined && !(/^\d{1,15}$/.test(value) && Number(value) >= 1))
      return `--${name} wants a whole number from 1 on, of 15 digits at most, not ${said(value)}.`;
  if (minutes !== undefined && !(Number(minutes) > 0 && Number(minutes) <= 10_000))
    return `--minutes wants a number above 0, 10000 at most, not ${said(minutes)}.`;
  if (seed !== undefined && (seeds ?? first ?? minutes) !== undefined)
    return "--seed runs one seed alone; leave out --seeds, --first and --minutes.";
  if (seeds !== undefined && minutes !== undefined) return "Give --seeds or --minutes, not both.";
  if (log !== undefined && seed === undefined) return "--log wants --seed: it is the log of one run.";
  return {
    first: Number(seed ?? first ?? 1),
    seeds: seed !== undefined ? 1 : minutes !== undefined ? MANY : Number(seeds ?? 20),
    minutes: minutes === undefined ? undefined : Number(minutes),
    single: seed !== undefined,
    log,
    mutant,
  };
}
