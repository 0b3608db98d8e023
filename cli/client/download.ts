import { type HttpDeps, readJson, refusalOf } from "./http.ts";

/** A file may be large and its site busy; what stalls for so long is given up, ms. */
const STALLED_MS = 60_000;

/** Streams what a path answers, in pieces of text. Throws `ApiError` before the first piece, or where it breaks off. */
export async function* download(deps: HttpDeps, path: string): AsyncGenerator<Uint8Array> {
  const url = new URL(path, deps.url);
  const abort = new AbortController();
  let timer = setTimeout(() => abort.abort(), STALLED_MS);
  try {
    const response = await deps.fetch(url, {
      headers: { authorization: `Bearer ${deps.token}` },
      signal: abort.signal,
    });
    if (!response.ok || !response.body) throw refusalOf(url, response, readJson(await response.text()));
    for await (const piece of response.body) {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), STALLED_MS);
      yield piece;
    }
  } finally {
    clearTimeout(timer);
  }
}
