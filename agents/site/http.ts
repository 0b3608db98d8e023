/** The one shape of an outgoing HTTP call, small enough that a simulation can be the other side. */
export interface HttpRequest {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  url: string;
  headers?: Record<string, string>;
  body?: string;
  /** For the whole exchange, ms. */
  timeoutMs: number;
}

export interface HttpResponse {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
}

/** Resolves with any answer, whatever its status; rejects with a HttpFailure when there was none. */
export type Http = (request: HttpRequest) => Promise<HttpResponse>;

export class HttpFailure extends Error {
  override readonly name = "HttpFailure";
  /** `refused`: nothing was sent. `reset` and `timeout`: it may have been done (S8: an unknown outcome, never sent again blindly). */
  readonly kind: "refused" | "reset" | "timeout";
  constructor(kind: HttpFailure["kind"], detail: string) {
    super(detail);
    this.kind = kind;
  }
}

/** JSON or undefined: a BMC may send HTML with a 403 (S13). */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
