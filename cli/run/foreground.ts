import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";

export const root = join(import.meta.dirname, "../..");

/** Runs one of our scripts in the foreground: signals are handed on, and its exit code is the answer. */
export function foreground(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(root, script), ...args], { stdio: "inherit" });
  // A terminal's Ctrl-C reaches the child by itself; this process must only outlive it.
  const onSignal = (signal: NodeJS.Signals) => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, onSignal);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      for (const name of signals) process.off(name, onSignal);
      resolve(signal ? 128 + constants.signals[signal] : (code ?? 1));
    });
  });
}
