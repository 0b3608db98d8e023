import { z } from "zod";
import { type ErrorCode, errorCatalog, type Fault } from "../../shared/errors.ts";

/** A refusal or failure of the control plane, or that none could be reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: string;
  readonly detail: string;
  /** What to do, in words. */
  readonly next: string;
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  readonly errors: Fault[];

  constructor(problem: { code: string; detail: string; next: string; status: number; errors?: Fault[] | undefined }) {
    super(`${problem.code}: ${problem.detail}`);
    this.code = problem.code;
    this.detail = problem.detail;
    this.next = problem.next;
    this.status = problem.status;
    this.errors = problem.errors ?? [];
  }
}

const FOREIGN = "Check that TURNUP_URL is the address of a Turnup control plane, of this version.";
const AWAY = "Check that TURNUP_URL is right and that the control plane runs; then try again.";

const apiError = (code: ErrorCode, detail: string, status: number, next: string): ApiError =>
  new ApiError({ code, detail, next, status });

const Problem = z.object({
  code: z.string(),
  detail: z.string().default(""),
  title: z.string().default(""),
  next: z.string().default(""),
  errors: z
    .array(z.object({ code: z.string(), pointer: z.string(), text: z.string(), write: z.string().optional() }))
    .optional(),
});

export interface HttpDeps {
  url: string;
  token: string;
  fetch: typeof fetch;
  sleep: (ms: number) => Promise<void>;
  /** A fresh key for each POST, so that a repeat after a lost answer cannot act twice (J1). */
  newKey: () => string;
  /** How long a request is repeated while the control plane cannot be reached or says 503, ms. */
  patienceMs: number;
}

export interface Ask {
  query?: Record<string, string | number | undefined>;
  body?: unknown;
  /** Idempotency-Key of a POST; a fresh one if absent. */
  key?: string;
  /** How long one exchange may take, where that is longer than usual, ms; Node itself waits 5 minutes for an answer. */
  timeoutMs?: number;
}

/** One exchange may take so long; the site object answers within milliseconds, an import within seconds. */
const TIMEOUT_MS = 30_000;
const BACKOFF_MS = [100, 200, 400, 800, 1_000];

export type Http = <T extends z.ZodType>(method: string, path: string, schema: T, ask?: Ask) => Promise<z.infer<T>>;

/** Sends requests and reads answers by their schema. Throws `ApiError`. Every request is safe to repeat, and is. */
export function createHttp(deps: HttpDeps): Http {
  return async (method, path, schema, ask = {}) => {
    const url = new URL(path, deps.url);
    for (const [name, value] of Object.entries(ask.query ?? {}))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const headers: Record<string, string> = { authorization: `Bearer ${deps.token}`, accept: "application/json" };
    if (method !== "GET") headers["content-type"] = "application/json";
    if (method === "POST") headers["idempotency-key"] = ask.key ?? deps.newKey();
    const init: RequestInit = { method, headers };
    if (method === "POST" || method === "PUT") init.body = JSON.stringify(ask.body ?? {});

    let waited = 0;
    for (let attempt = 0; ; attempt++) {
      const { answer, error } = await exchange(deps, url, init, ask.timeoutMs ?? TIMEOUT_MS);
      const again = error !== undefined && (error.status === 0 || error.status === 503) && waited < deps.patienceMs;
      if (!again) {
        if (error) throw error;
        const parsed = schema.safeParse(answer);
        if (parsed.success) return parsed.data;
        const where = parsed.error.issues[0];
        throw apiError(
          "internal",
          `${url.origin} answered ${method} ${path} with something else than agreed: ${where?.message} at ${where?.path.join(".") || "its root"}.`,
          errorCatalog.internal.status,
          FOREIGN,
        );
      }
      const pause = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 1_000;
      waited += pause;
      await deps.sleep(pause);
    }
  };
}

async function exchange(
  deps: HttpDeps,
  url: URL,
  init: RequestInit,
  timeoutMs: number,
): Promise<{ answer?: unknown; error?: ApiError }> {
  let response: Response;
  let text: string;
  try {
    response = await deps.fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
    text = await response.text();
  } catch (cause) {
    return { error: apiError("unavailable", `${url.origin} cannot be reached (${reasonOf(cause)}).`, 0, AWAY) };
  }
  const answer = readJson(text);
  if (response.ok && answer !== undefined) return { answer };
  return { error: refusalOf(url, response, answer) };
}

/** What an answer that is not the one agreed says. */
export function refusalOf(url: URL, response: Response, answer: unknown): ApiError {
  const problem = Problem.safeParse(answer);
  if (problem.success && !response.ok) {
    const { code, next, errors, detail, title } = problem.data;
    return new ApiError({ code, next, errors, detail: detail || title, status: response.status });
  }
  return apiError(
    "unavailable",
    `${url.origin} answered ${response.status}, and not as a Turnup control plane does.`,
    // Whatever it says of itself, it is nothing that the caller asked wrongly.
    response.status >= 500 ? response.status : 502,
    FOREIGN,
  );
}

export function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The innermost cause in few words: `fetch failed` alone says nothing. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "no reason given";
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
