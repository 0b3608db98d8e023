/**
 * The object's hibernating WebSockets: agents' doorbells and watchers of jobs. The platform answers heartbeats while the
 * object sleeps; who is there, and since when, is read back from the sockets themselves, so that nothing is lost with
 * the object's memory.
 */
import type { Millis } from "../../shared/deps.ts";
import type { JobEvent } from "../../shared/model/job.ts";

/** Chosen by the client among the subprotocols it offers; the token travels as another of them. */
export const SUBPROTOCOL = "turnup.v1";
const AGENT = "agent:";
const JOB = "job:";

interface Attachment {
  agent?: string;
  since: Millis;
}

export class Sockets {
  readonly #ctx: DurableObjectState;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("hb", "ok"));
  }

  /** Takes an agent's doorbell; one it had before is closed, and its close event then finds nothing to undo. */
  doorbell(agent: string, now: Millis): Response {
    const [client, server] = pair();
    for (const old of this.#ctx.getWebSockets(AGENT + agent)) close(old, 4000, "replaced");
    this.#ctx.acceptWebSocket(server, [AGENT + agent, "doorbell"]);
    server.serializeAttachment({ agent, since: now } satisfies Attachment);
    return upgraded(client);
  }

  /** Takes a watcher of a job and sends it what has happened so far, in the same turn: nothing can fall between. */
  watch(job: string, backlog: readonly JobEvent[], now: Millis): Response {
    const [client, server] = pair();
    this.#ctx.acceptWebSocket(server, [JOB + job]);
    server.serializeAttachment({ since: now } satisfies Attachment);
    for (const event of backlog) server.send(JSON.stringify(event));
    return upgraded(client);
  }

  /** Tells every agent to sync now. */
  ring(): void {
    for (const socket of this.#ctx.getWebSockets("doorbell")) send(socket, "sync");
  }

  broadcast(events: readonly JobEvent[]): void {
    for (const event of events) {
      const watchers = this.#ctx.getWebSockets(JOB + event.job);
      if (watchers.length === 0) continue;
      const text = JSON.stringify(event);
      for (const socket of watchers) send(socket, text);
    }
  }

  /** One agent, which was revoked; or all, agents and watchers: the site has moved to another object. */
  hangUp(agent: string | "all"): void {
    if (agent === "all") for (const socket of this.#ctx.getWebSockets()) close(socket, 4002, "moved");
    else for (const socket of this.#ctx.getWebSockets(AGENT + agent)) close(socket, 4001, "revoked");
  }

  /** Agents with a doorbell, and when each was last heard: its newest heartbeat, else its connect. */
  doorbells(): Map<string, Millis> {
    const out = new Map<string, Millis>();
    for (const socket of this.#ctx.getWebSockets("doorbell")) {
      const { agent, since } = socket.deserializeAttachment() as Attachment;
      if (agent === undefined || socket.readyState !== WebSocket.OPEN) continue;
      const heard = this.#ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? since;
      out.set(agent, Math.max(heard, since, out.get(agent) ?? 0));
    }
    return out;
  }
}

function pair(): [WebSocket, WebSocket] {
  const sockets = new WebSocketPair();
  return [sockets[0], sockets[1]];
}

const upgraded = (webSocket: WebSocket): Response =>
  new Response(null, { status: 101, webSocket, headers: { "sec-websocket-protocol": SUBPROTOCOL } });

/** A socket may close between being listed and being written to; that costs nothing but this message. */
function send(socket: WebSocket, text: string): void {
  try {
    socket.send(text);
  } catch {
    close(socket, 1011, "not writable");
  }
}

export function close(socket: WebSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason);
  } catch {
    // Closed already.
  }
}
