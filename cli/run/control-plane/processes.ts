/** Files by which the processes of a local run are found: one pid each, and what a killed one left behind. */
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Whole or not at all: readers never see half a file, and secrets are never readable by others, not even briefly. */
export async function writeAtomic(file: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const temp = `${file}.${process.pid}.tmp`;
  await writeFile(temp, text, { mode });
  await chmod(temp, mode);
  await rename(temp, file);
}

export async function readText(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch {
    return undefined;
  }
}

/** How a process was started, or undefined when none of this pid runs (one that ended but was not waited for does not). */
export async function commandOf(pid: number): Promise<string | undefined> {
  const proc = await readText(`/proc/${pid}/cmdline`);
  if (proc !== undefined) return proc === "" ? undefined : proc;
  try {
    return (await run("ps", ["-p", String(pid), "-o", "args="])).stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process that a pid file names still runs and is what it was; pids are used again. */
export async function isRunning(pidFile: string, marker: string): Promise<boolean> {
  const pid = Number(await readText(pidFile));
  if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) return false;
  return (await commandOf(pid))?.includes(marker) === true;
}

/**
 * Ends a process that a killed parent left running, such as the workerd of a control plane: two on one store would each
 * hold the same sites, so the new one starts only when the old is gone. A pid that meanwhile belongs to something else
 * is left alone.
 */
export async function endOrphan(pidFile: string, marker = "workerd"): Promise<boolean> {
  const pid = Number(await readText(pidFile));
  if (!Number.isInteger(pid) || pid <= 1) return false;
  const left = () => isRunning(pidFile, marker);
  if (!(await left())) return false;
  signal(pid, "SIGKILL");
  for (let n = 0; n < 100 && (await left()); n++) await sleep(50);
  if (await left()) throw new Error(`${marker} (pid ${pid}) of an earlier run cannot be ended; end it by hand.`);
  await rm(pidFile, { force: true });
  return true;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
}

/**
 * A stand-in for workerd that writes its pid before it becomes workerd. The runtime starts workerd anew when it dies, and
 * tells nobody the pid; so the pid file is always right.
 */
export async function writeLauncher(file: string, workerd: string, pidFile: string): Promise<void> {
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const script = `#!/bin/sh\necho $$ > ${quote(`${pidFile}.tmp`)} && mv ${quote(`${pidFile}.tmp`)} ${quote(pidFile)}\nexec ${quote(workerd)} "$@"\n`;
  await writeAtomic(file, script, 0o755);
}
