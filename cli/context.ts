import { errorCatalog, type Problem } from "../shared/errors.ts";
import { type Client, createClient } from "./client/client.ts";
import { ApiError } from "./client/http.ts";
import { findEndpoint } from "./config.ts";
import { type ExitCode, exitOfStatus } from "./exit.ts";

/** What a command may use of the world. */
export interface Cli {
  env: Record<string, string | undefined>;
  cwd: string;
  /** Columns and rows of the terminal; undefined where output is no terminal. */
  columns: number | undefined;
  rows: number | undefined;
  fetch: typeof fetch;
  WebSocket: typeof WebSocket;
  now: () => number;
  newKey: () => string;
  sleep: (ms: number) => Promise<void>;
  /** Whole lines, without their end. */
  out: (line: string) => void;
  err: (line: string) => void;
  /** What a person types after a question, which goes to standard error; undefined when nothing comes any more. */
  ask: (question: string) => Promise<string | undefined>;
  /** Text as it is, for lines that are drawn again. */
  draw: (text: string) => void;
}

/** How long a command keeps trying when the control plane does not answer. */
const PATIENCE_MS = 3_000;

/** The client for the control plane that the environment names. Throws `ApiError` when none is named. */
export function clientOf(cli: Cli): Client {
  const found = findEndpoint(cli.env, cli.cwd);
  if (!found.ok) throw problemError(found.problem);
  const { fetch, sleep, newKey } = cli;
  return createClient({ ...found.value, fetch, sleep, newKey, patienceMs: PATIENCE_MS });
}

/** A problem found on this side, in the shape of one from the control plane; `next` where there is a better one. */
export function problemError(problem: Problem, next: string = errorCatalog[problem.code].next): ApiError {
  return new ApiError({ ...problem, next, status: errorCatalog[problem.code].status || 422 });
}

/** The command line asks for what cannot be; nothing was sent. */
export const usageError = (detail: string, next?: string): ApiError => problemError({ code: "usage", detail }, next);

/** A file or folder that could not even be opened. */
export function fileError(problem: Problem): ApiError {
  if (problem.code === "body_too_large") return problemError(problem, "Name a smaller file; nothing was sent.");
  // Its reader speaks as the API does, of a request; here it is a path that someone typed.
  const code = problem.code === "bad_request" ? "file_unreadable" : problem.code;
  return problemError({ ...problem, code }, errorCatalog.file_unreadable.next);
}

/** Prints an error and tells the exit code it means. */
export function printError(cli: Pick<Cli, "out" | "err">, error: unknown, json: boolean): ExitCode {
  const known = error instanceof ApiError ? error : undefined;
  const { code, detail, next, errors, status } = known ?? {
    code: "internal",
    detail: error instanceof Error ? error.message : String(error),
    next: "",
    errors: [],
    status: 500,
  };
  if (json) cli.out(JSON.stringify({ error: { code, detail, next, ...(errors.length > 0 && { errors }) } }));
  cli.err(`${code}: ${detail}`);
  for (const fault of errors)
    cli.err(`  ${fault.pointer || "/"} ${fault.code} ${fault.text}.${fault.write ? ` Write: ${fault.write}` : ""}`);
  if (next) cli.err(next);
  return exitOfStatus(status);
}
