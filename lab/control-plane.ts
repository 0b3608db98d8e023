/** A local control plane as a process in a folder of its own, and `turnup` as people run it: a process, told where it is. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, globSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

const root = join(import.meta.dirname, "..");

export interface Said {
  code: number | null;
  out: string;
  err: string;
}

export interface Run {
  /** Where standard output goes, as `> file` does it. */
  file?: string;
  /** Whose token it uses; else that of the folder's control plane. */
  token?: string;
  /** What is typed. */
  input?: string;
}

/** Runs `turnup` in a folder. */
export async function turnup(cwd: string, args: readonly string[], { file, token, input }: Run = {}): Promise<Said> {
  const sink = file === undefined ? undefined : openSync(file, "w");
  const { TURNUP_URL: _, TURNUP_TOKEN: __, ...env } = process.env;
  const child = spawn(process.execPath, [join(root, "cli/run/turnup.ts"), ...args], {
    cwd,
    env: { ...env, ...(token !== undefined && { TURNUP_TOKEN: token }) },
    stdio: [input === undefined ? "ignore" : "pipe", sink ?? "pipe", "pipe"],
  });
  child.stdin?.end(input);
  if (sink !== undefined) closeSync(sink);
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

export class ControlPlane {
  readonly dir = mkdtempSync(join(tmpdir(), "turnup-plane-"));
  readonly #child: ChildProcess;

  private constructor() {
    // No audit may fall into what is compared: 29 February comes once in four years.
    const args = [join(root, "cli/run/control-plane.ts"), "--cron", "0 0 29 2 *"];
    this.#child = spawn(process.execPath, args, { cwd: this.dir, stdio: "ignore" });
  }

  /** An empty one, which listens. */
  static async start(): Promise<ControlPlane> {
    const plane = new ControlPlane();
    for (let n = 0; globSync(plane.endpoint).length === 0; n++) {
      if (n === 1_200 || plane.#child.exitCode !== null) throw new Error("The control plane does not start.");
      await sleep(50);
    }
    return plane;
  }

  /** Where it says that it listens. */
  get endpoint(): string {
    return join(this.dir, ".turnup/control-plane.json");
  }

  turnup(...args: string[]): Promise<Said> {
    return turnup(this.dir, args);
  }
  /** As `turnup … > file`; returns what it said beside. */
  turnupTo(file: string, ...args: string[]): Promise<Said> {
    return turnup(this.dir, args, { file });
  }

  /** Rows of its database, by table: what a person with `wrangler d1 execute` would see. */
  fleet(...tables: readonly string[]): Record<string, unknown[]> {
    const out: Record<string, unknown[]> = {};
    for (const file of globSync(join(this.dir, ".turnup/control-plane/store/**/*.sqlite"))) {
      const db = new DatabaseSync(file, { readOnly: true });
      const known = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'd1_migrations'").get() !== undefined;
      if (known) for (const table of tables) out[table] = db.prepare(`SELECT * FROM "${table}"`).all();
      db.close();
    }
    return out;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill("SIGTERM");
      await once(this.#child, "exit");
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** What it printed, which was JSON. */
export const jsonOf = <T>({ code, out, err }: Said): T => {
  if (code !== 0) throw new Error(`It ended with ${code}: ${err}${out}`);
  return JSON.parse(out) as T;
};
