/** `npm run sim`: runs seeds, tells how far it is, and what broke, with the one command that repeats it. */
import { writeFileSync } from "node:fs";
import { mutants } from "./mutants.ts";
import { mutantNamed } from "./mutate.ts";
import { type SimOptions, simOptions, usage } from "./options.ts";
import { type Progress, runPool } from "./pool.ts";
import { progressLine } from "./progress.ts";
import type { RunResult } from "./run.ts";

/** From so many seeds on everything must have been met. */
const WHOLE = 200;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    process.stdout.write(usage);
    return 0;
  }
  const options = simOptions(args);
  const bad =
    typeof options === "string"
      ? options
      : options.mutant !== undefined && !mutantNamed(options.mutant)
        ? `There is no mutant ${options.mutant}; there are ${mutants.map((m) => m.name).join(", ")}.`
        : undefined;
  if (typeof options === "string" || bad !== undefined) {
    process.stderr.write(`${bad}\n\n${usage}`);
    return 2;
  }
  const { first, seeds, minutes, single, mutant } = options;
  console.log(single ? `seed ${first}` : `seeds from ${first} on${minutes === undefined ? `, ${seeds} of them` : ""}`);
  const progress = progressLine(minutes === undefined ? seeds : undefined);
  const done = await runPool({
    first,
    seeds,
    minutes,
    mutant,
    wholeLog: options.log !== undefined,
    told: progress.told,
  });
  progress.end();
  if (options.log !== undefined && done.log) writeFileSync(options.log, `${done.log.join("\n")}\n`);
  return tell(options, done);
}

function tell(options: SimOptions, { seeds, events, coverage, failed }: Progress): number {
  for (const each of failed.slice(0, 3)) console.log(failure(options, each));
  if (failed.length > 3)
    console.log(
      `and ${failed.length - 3} more: ${failed
        .slice(3)
        .map((f) => f.seed)
        .join(", ")}`,
    );
  const missed = options.mutant === undefined && seeds >= WHOLE ? coverage.allMissed() : [];
  for (const each of missed) console.log(`never met: ${each}`);
  console.log(`${seeds} seeds, ${events} events, ${failed.length} violations; ${coverage.summary()}`);
  return failed.length > 0 || missed.length > 0 ? 1 : 0;
}

function failure({ mutant }: SimOptions, { seed, violation, log }: RunResult): string {
  const command = `npm run -s sim -- --seed ${seed}${mutant === undefined ? "" : ` --mutant ${mutant}`}`;
  return `${log.map((line) => `  ${line}`).join("\n")}
seed ${seed} broke [${violation?.rule}] at event ${violation?.event}: ${violation?.text}
repeat it: ${command}`;
}
