import { z } from "zod";
import { type ErrorCode, errorCatalog, type Problem } from "../../../shared/errors.ts";
import { type Http, HttpFailure, type HttpResponse, parseJson } from "../http.ts";
import { errorText } from "../log.ts";

/** How one request to the control plane ended; one place classifies. */
export type Exchange<T> =
  | { kind: "ok"; value: T }
  /** Try again later; nothing is lost. `status` is that of an answer, `date` the server's clock where it said so. */
  | { kind: "retry"; why: string; status?: number; date?: number }
  /** It makes no sense to try again: a person has to do something. */
  | { kind: "fatal"; problem: Problem };

/** Above the longest time in which a busy site answers. */
const TIMEOUT_MS = 30_000;

/**
 * Refusals that no repetition mends. `version_unsupported` is none: it ends when the other side is upgraded (C5), and
 * until then the agent says what it waits for.
 */
const FATAL: readonly ErrorCode[] = ["agent_revoked", "enrolment_refused", "wrong_site"];

const ProblemBody = z.object({ code: z.string(), detail: z.string().optional() });

export async function exchange<T>(
  http: Http,
  url: string,
  /** Undefined: it is a GET. */
  body: unknown,
  reply: z.ZodType<T>,
  bearer?: string,
): Promise<Exchange<T>> {
  let response: HttpResponse;
  try {
    response = await http({
      method: body === undefined ? "GET" : "POST",
      url,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(bearer && { authorization: `Bearer ${bearer}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      timeoutMs: TIMEOUT_MS,
    });
  } catch (error) {
    const why = error instanceof HttpFailure ? `${error.kind}: ${error.message}` : errorText(error);
    return { kind: "retry", why };
  }
  if (response.status === 200 || response.status === 201) {
    const parsed = reply.safeParse(parseJson(response.body));
    if (parsed.success) return { kind: "ok", value: parsed.data };
    return { kind: "retry", why: "the answer is not of this protocol" };
  }
  return classify(response);
}

function classify(response: HttpResponse): Exchange<never> {
  const problem = ProblemBody.safeParse(parseJson(response.body));
  const code = problem.success ? problem.data.code : undefined;
  const fatal = FATAL.find((c) => c === code);
  // A proxy's own 401 or 403 has no code of ours and ends nothing.
  if (fatal)
    return {
      kind: "fatal",
      problem: { code: fatal, detail: problem.data?.detail ?? errorCatalog[fatal].title },
    };
  const date = Date.parse(response.headers.date ?? "");
  return {
    kind: "retry",
    why: `HTTP ${response.status}${code ? ` ${code}` : ""}`,
    status: response.status,
    ...(Number.isFinite(date) && { date }),
  };
}
