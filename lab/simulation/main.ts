/** `npm run sim`: runs seeds, tells how far it is, and what broke, with the one command that repeats it. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { plural } from "../../cli/output/words.ts";
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
  if (typeof options === "string" || bad !== undefined)
    return wrong(`${bad} \`npm run -s sim -- --help\` shows the options.`);
  const { first, seeds, minutes, single, mutant, log } = options;
  // Before the run, which may be long; what an older run wrote there stays until this one has something to say.
  const unwritable = log === undefined ? undefined : fault(() => closeSync(openSync(log, "a")));
  if (unwritable !== undefined) return wrong(`--log ${log} cannot be written: ${unwritable}.`);
  console.log(single ? `seed ${first}` : `seeds from ${first} on${minutes === undefined ? `, ${seeds} of them` : ""}`);
  const progress = progressLine(minutes === undefined ? seeds : undefined);
  const done = await runPool({
    first,
    seeds,
    minutes,
    mutant,
    wholeLog: log !== undefined,
    told: progress.told,
  });
  progress.end();
  const lines = done.log;
  const unwritten = log && lines ? fault(() => writeFileSync(log, `${lines.join("\n")}\n`)) : undefined;
  const code = tell(options, done);
  return unwritten === undefined ? code : wrong(`--log ${log} was not written: ${unwritten}.`);
}

/** One line on what is wrong; the exit code. */
function wrong(line: string): number {
  process.stderr.write(`${line}\n`);
  return 2;
}

/** Why it cannot be done, in the system's words. */
function fault(act: () => void): string | undefined {
  try {
    act();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
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
  console.log(
    `${plural(seeds, "seed")}, ${plural(events, "event")}, ${plural(failed.length, "violation")}; ${coverage.summary()}`,
  );
  return failed.length > 0 || missed.length > 0 ? 1 : 0;
}

function failure({ mutant }: SimOptions, { seed, violation, log }: RunResult): string {
  const command = `npm run -s sim -- --seed ${seed}${mutant === undefined ? "" : ` --mutant ${mutant}`}`;
  return `${log.map((line) => `  ${line}`).join("\n")}
seed ${seed} broke [${violation?.rule}] at event ${violation?.event}: ${violation?.text}
repeat it: ${command}`;
}
