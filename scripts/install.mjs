// Brings node_modules up to the lock file, once, even when two commands start at the same moment.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "node_modules", ".turnup-lock");
const guard = join(root, ".turnup-install");

/** The holder touches the guard every 2 s; one that was not touched for this long was left by a killed install. */
const GUARD_DEAD_MS = 15_000;

/** Node 24 from the dev dependency, whatever Node runs this. */
export function nodeOf() {
  const file = process.platform === "win32" ? "node.exe" : "node";
  const own = join(root, "node_modules", "node", "bin", file);
  return existsSync(own) ? own : process.execPath;
}

const lockHash = () =>
  createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");

/** npm writes its own record after an install; one that is not older than the lock file is as good as our stamp. */
function isCurrent(hash) {
  if (existsSync(stamp)) return readFileSync(stamp, "utf8") === hash;
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record) || statSync(record).mtimeMs < statSync(join(root, "package-lock.json")).mtimeMs) return false;
  writeFileSync(stamp, hash);
  return true;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Returns true once this process holds the guard, or false when another one finished the install meanwhile. */
async function takeGuard(hash) {
  let told = false;
  for (;;) {
    try {
      mkdirSync(guard);
      return true;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    let touched = 0;
    try {
      touched = statSync(guard).mtimeMs;
    } catch {
      continue;
    }
    if (Date.now() - touched > GUARD_DEAD_MS) {
      try {
        rmdirSync(guard);
      } catch {
        // Another one removed it in the same moment.
      }
      continue;
    }
    if (!told) console.error("Another command is installing dependencies; waiting for it.");
    told = true;
    await sleep(500);
    if (!existsSync(guard) && isCurrent(hash)) return false;
  }
}

/** Installs exactly what the lock file says when node_modules is missing or belongs to another lock file. */
export async function ensureInstalled() {
  const hash = lockHash();
  if (isCurrent(hash)) return;
  if (!(await takeGuard(hash))) return;
  const touch = setInterval(() => utimesSync(guard, new Date(), new Date()), 2000);
  try {
    if (isCurrent(hash)) return;
    console.error("Installing dependencies (npm ci), once; this takes a minute or so.");
    const started = Date.now();
    // Standard output belongs to the command that follows: with --json its last line is read by a program.
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const code = await runChild(npm, ["ci", "--no-progress"], { cwd: root, stdio: ["ignore", 2, 2] });
    if (code !== 0) {
      throw new Error(`npm ci failed with exit code ${code}. Mend what it says above, then run the command again.`);
    }
    writeFileSync(stamp, hash);
    console.error(`Installed in ${Math.round((Date.now() - started) / 1000)} s.`);
  } finally {
    clearInterval(touch);
    rmdirSync(guard);
  }
}

/** Runs a child in the foreground, hands signals on, and resolves to its exit code (128 + n if signal n ended it). */
export function runChild(file, args, options = {}) {
  const env = { ...process.env, ...options.env };
  env.PATH = [dirname(nodeOf()), join(root, "node_modules", ".bin"), env.PATH].join(delimiter);
  const child = spawn(file, args, { stdio: "inherit", ...options, env });
  const forward = (signal) => child.kill(signal);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  // A terminal sends SIGINT to the whole group: the child hears it by itself, and this process must outlive it.
  const handler = (signal) => (signal === "SIGINT" && process.stdin.isTTY ? undefined : forward(signal));
  for (const signal of signals) process.on(signal, handler);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      for (const name of signals) process.off(name, handler);
      resolve(signal ? 128 + constants.signals[signal] : (code ?? 1));
    });
  });
}
