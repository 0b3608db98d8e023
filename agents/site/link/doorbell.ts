import type { Clock } from "../../../shared/deps.ts";
import { HEARTBEAT_MS, HEARTBEAT_TIMEOUT_MS } from "../../../shared/protocol/agent.ts";
import type { Timers } from "../deps.ts";
import type { Backoff } from "./backoff.ts";

export interface SocketEvents {
  open(): void;
  message(text: string): void;
  /** Also after a connection that was never made; at most once. */
  close(): void;
}
export interface Socket {
  send(text: string): void;
  close(): void;
}
export type OpenSocket = (url: string, protocols: string[], events: SocketEvents) => Socket;

/** A connection that held this long was a good one: the next failure starts the backoff anew. */
const GOOD_MS = 60_000;
/** A connection attempt that says nothing for this long has failed. */
const CONNECT_TIMEOUT_MS = 15_000;

export interface Doorbell {
  start(): void;
  stop(): void;
  up(): boolean;
}

interface DoorbellOptions {
  url: string;
  /** A header cannot be set on a browser-like WebSocket: the token travels as a subprotocol. */
  bearer(): string;
  openSocket: OpenSocket;
  clock: Clock;
  timers: Timers;
  backoff: Backoff;
  rang(): void;
  changed(up: boolean): void;
}

/**
 * Keeps one socket to the control plane, on which "sync" means "sync now". Connecting anew is routine: the platform
 * may close at any time. "hb" every 30 s, an "ok" is due within 10 s; so a dead socket is found within 40 s.
 */
export function doorbell(o: DoorbellOptions): Doorbell {
  let running = false;
  let up = false;
  // Events of a socket that was replaced must not touch its successor: each carries the number of its own socket.
  let generation = 0;
  let socket: Socket | undefined;
  let cancelTimer: () => void = () => {};

  const timer = (ms: number, fire: () => void) => {
    cancelTimer();
    cancelTimer = o.timers.after(ms, fire);
  };

  const lost = (mine: number, openedAt: number | undefined) => {
    if (mine !== generation) return;
    generation += 1;
    const old = socket;
    socket = undefined;
    cancelTimer();
    old?.close();
    if (up) {
      up = false;
      o.changed(false);
    }
    if (!running) return;
    if (openedAt !== undefined && o.clock.monotonic() - openedAt >= GOOD_MS) o.backoff.reset();
    timer(o.backoff.next(), connect);
  };

  const connect = () => {
    generation += 1;
    const mine = generation;
    let openedAt: number | undefined;
    const beat = () => {
      if (mine !== generation) return;
      socket?.send("hb");
      timer(HEARTBEAT_TIMEOUT_MS, () => lost(mine, openedAt));
    };
    timer(CONNECT_TIMEOUT_MS, () => lost(mine, openedAt));
    try {
      socket = o.openSocket(o.url, ["turnup.v1", `bearer.${o.bearer()}`], {
        open() {
          if (mine !== generation) return;
          openedAt = o.clock.monotonic();
          up = true;
          timer(HEARTBEAT_MS, beat);
          o.changed(true);
        },
        message(text) {
          if (mine !== generation) return;
          if (text === "ok") timer(HEARTBEAT_MS, beat);
          else if (text === "sync") o.rang();
        },
        close: () => lost(mine, openedAt),
      });
    } catch {
      lost(mine, undefined);
    }
  };

  return {
    start() {
      if (running) return;
      running = true;
      connect();
    },
    stop() {
      running = false;
      lost(generation, undefined);
    },
    up: () => up,
  };
}
