import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cli } from "../context.ts";

/** One line of standard input. The question goes beside the answer of a command, which may be JSON. */
async function askAtTerminal(question: string): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    process.stderr.write(question);
    for await (const line of lines) return line;
    return undefined;
  } finally {
    lines.close();
  }
}

/** The real world of a command: this process. */
export function processCli(): Cli {
  // The reader of a pipe may leave early (`| head`): what is left to say then has no one to hear it.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  return {
    env: process.env,
    cwd: process.cwd(),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    rows: process.stdout.isTTY ? process.stdout.rows : undefined,
    fetch,
    WebSocket,
    now: Date.now,
    newKey: randomUUID,
    sleep: (ms) => sleep(ms),
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    ask: askAtTerminal,
    draw: (text) => void process.stdout.write(text),
  };
}
