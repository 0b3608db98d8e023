import { z } from "zod";
import { errorCatalog, type Problem } from "../shared/errors.ts";

/** An error as it goes over the wire: RFC 9457, with our stable code and what to do next. */
export const ProblemBody = z.object({
  type: z.string(),
  code: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  next: z.string(),
  errors: z
    .array(z.object({ code: z.string(), pointer: z.string(), text: z.string(), write: z.string().optional() }))
    .optional(),
});
export type ProblemBody = z.infer<typeof ProblemBody>;

/** At most so many faults are listed in one answer. */
const MAX_FAULTS = 1_000;

export function problemBody(problem: Problem): ProblemBody {
  const { status, title, next } = errorCatalog[problem.code];
  return {
    type: `urn:turnup:error:${problem.code}`,
    code: problem.code,
    title,
    // Codes that belong to steps have no status; should one ever be answered, it is a conflict with the state of things.
    status: status || 409,
    detail: problem.detail,
    next,
    ...(problem.errors && { errors: problem.errors.slice(0, MAX_FAULTS) }),
  };
}

/** `extra` is for what a client needs beside the error, such as the coordinator's clock. */
export function problemResponse(
  problem: Problem,
  extra: Record<string, unknown> = {},
  headers: HeadersInit = {},
): Response {
  const body = problemBody(problem);
  const out = new Headers(headers);
  out.set("content-type", "application/problem+json");
  if (body.status === 401) out.set("www-authenticate", 'Bearer realm="turnup"');
  if (problem.code === "upgrade_required") out.set("upgrade", "websocket");
  return new Response(JSON.stringify({ ...body, ...extra }), { status: body.status, headers: out });
}
