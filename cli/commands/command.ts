import type { Command } from "commander";
import { type Cli, printError } from "../context.ts";
import { type ExitCode, exitCode } from "../exit.ts";

/** What a command answers: a value for --json, lines for people, and the exit code (done, if absent). */
export interface Answer {
  json: unknown;
  lines: readonly string[];
  /** For people too, beside what a script takes from standard output: they go to standard error. */
  notes?: readonly string[];
  exit?: ExitCode;
}

/** Where the exit code of the command that ran is left. */
export interface Exit {
  code: ExitCode;
}

export interface Options {
  json?: boolean;
  [name: string]: unknown;
}

/**
 * Wires a body to a command: prints its answer, turns an error into words and an exit code. A body that has printed
 * everything by itself (a watch, a daemon) returns its exit code alone.
 */
export function does(
  command: Command,
  { cli, exit }: { cli: Cli; exit: Exit },
  body: (args: string[], options: Options) => Promise<Answer | ExitCode>,
): Command {
  return command.action(async () => {
    const options: Options = command.optsWithGlobals();
    const json = options.json === true;
    try {
      const answer = await body(command.processedArgs.flat() as string[], options);
      if (typeof answer === "number") {
        exit.code = answer;
        return;
      }
      exit.code = answer.exit ?? exitCode.done;
      if (json) cli.out(JSON.stringify(answer.json));
      else {
        for (const line of answer.lines) cli.out(line);
        for (const line of answer.notes ?? []) cli.err(line);
      }
    } catch (error) {
      exit.code = printError(cli, error, json);
    }
  });
}

/** The value of a text option, or undefined. */
export const text = (options: Options, name: string): string | undefined => {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
};
