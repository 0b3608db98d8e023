import { JobEvent } from "../../shared/model/job.ts";
import type { Client } from "./client.ts";

export interface WatchDeps {
  client: Pick<Client, "url" | "token" | "events">;
  WebSocket: typeof WebSocket;
  sleep: (ms: number) => Promise<void>;
}

/** Pause before the stream is opened again, and while it cannot be opened: then events are polled at this interval. */
const RECONNECT_MS = 500;

/**
 * A job's events as they happen, each stored one once and in order, from `after` on. The live stream may end at any
 * time (the control plane restarts): what was missed is read by sequence number, and the stream is opened again.
 * Ends when `signal` is aborted, or when the last event that was seen is there no more: the site was restored from an
 * older export, and the job has to be read anew. An `ApiError` ends it too.
 */
export async function* watchJob(
  deps: WatchDeps,
  job: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, void> {
  let seq = after;
  while (!signal.aborted) {
    for await (const event of stream(deps, job, seq, signal)) {
      // Progress carries the number of the last stored event, which may come after it: only stored ones are counted.
      if (event.kind !== "step.progress") {
        if (event.seq <= seq) continue;
        seq = event.seq;
      }
      yield event;
    }
    if (signal.aborted) return;
    await deps.sleep(RECONNECT_MS);
    const newest = seq;
    const missed = await deps.client.events(job, Math.max(0, newest - 1));
    if (newest > 0 && !missed.some((event) => event.seq === newest)) return;
    for (const event of missed) {
      if (event.seq <= seq) continue;
      seq = event.seq;
      yield event;
    }
  }
}

/** One WebSocket, until it ends for any reason. */
async function* stream(
  { client, WebSocket: Socket }: WatchDeps,
  job: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, void> {
  const url = new URL(`/v1/jobs/${encodeURIComponent(job)}/watch?after=${after}`, client.url);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  // A WebSocket cannot carry an Authorization header everywhere; the token travels as a subprotocol.
  const socket = new Socket(url, ["turnup.v1", `bearer.${client.token}`]);
  const waiting: JobEvent[] = [];
  let ended = false;
  let wake = (): void => undefined;
  const end = () => {
    ended = true;
    wake();
  };
  socket.addEventListener("message", ({ data }) => {
    const event = JobEvent.safeParse(typeof data === "string" ? safeJson(data) : undefined);
    // What a newer control plane sends beside events is not for this version (C5).
    if (event.success) waiting.push(event.data);
    wake();
  });
  socket.addEventListener("close", end);
  socket.addEventListener("error", end);
  signal.addEventListener("abort", end);
  try {
    for (;;) {
      const event = waiting.shift();
      if (event) yield event;
      else if (ended) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    signal.removeEventListener("abort", end);
    socket.close();
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
