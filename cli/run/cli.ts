import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cli } from "../context.ts";

/** The real world of a command: this process. */
export function processCli(): Cli {
  return {
    env: process.env,
    cwd: process.cwd(),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    fetch,
    WebSocket,
    now: Date.now,
    newKey: randomUUID,
    sleep: (ms) => sleep(ms),
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    draw: (text) => void process.stdout.write(text),
  };
}
