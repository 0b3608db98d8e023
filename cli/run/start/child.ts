import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "../control-plane/processes.ts";
import { root } from "../foreground.ts";

export interface ChildSpec {
  name: string;
  /** Path from the project's root, and arguments. */
  script: string;
  args: readonly string[];
}

/** Pause before each restart in a row that ended soon after its start, ms; after the last one it is not tried again. */
const PAUSES_MS = [200, 500, 1_000, 2_000, 5_000, 5_000];
/** One that ran as long counts as having started well. */
const GOOD_MS = 10_000;
/**
 * One process that is kept running. It gets a process group of its own, so that a terminal's Ctrl-C reaches only the
 * supervisor, which ends its processes in the right order. Its output goes to a file.
 */
export class Child {
  readonly spec: ChildSpec;
  readonly #cwd: string;
  readonly #log: string;
  readonly #pidFile: string;
  readonly #say: (line: string) => void;
  readonly #givenUp: (reason: Error) => void;
  readonly #pauses: readonly number[];
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #stopping = false;
  #failures = 0;
  #restart: NodeJS.Timeout | undefined;

  constructor(
    spec: ChildSpec,
    world: {
      cwd: string;
      logs: string;
      pids: string;
      say: (line: string) => void;
      /** Told once, when it ended too often. */
      givenUp: (reason: Error) => void;
      pausesMs?: readonly number[];
    },
  ) {
    this.#pauses = world.pausesMs ?? PAUSES_MS;
    this.spec = spec;
    this.#cwd = world.cwd;
    this.#say = world.say;
    this.#givenUp = world.givenUp;
    mkdirSync(world.logs, { recursive: true });
    mkdirSync(world.pids, { recursive: true });
    this.#log = join(world.logs, `${spec.name}.log`);
    this.#pidFile = join(world.pids, spec.name);
  }

  start(): void {
    const { script, args, name } = this.spec;
    const log = openSync(this.#log, "a");
    const child = spawn(process.execPath, [join(root, script), ...args], {
      cwd: this.#cwd,
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#process = child;
    const started = performance.now();
    if (child.pid !== undefined) void writeAtomic(this.#pidFile, `${child.pid}\n`);
    this.#ended = new Promise((resolve) => {
      const ended = (how: string) => {
        if (this.#process === child) this.#process = undefined;
        resolve();
        if (!this.#stopping) this.#again(how, performance.now() - started);
      };
      child.once("error", (error) => ended(error.message));
      child.once("exit", (code, signal) => ended(signal ? `was ended by ${signal}` : `ended with exit code ${code}`));
    });
    if (this.#failures > 0) this.#say(`${name} runs again (pid ${child.pid}).`);
  }

  #again(how: string, ranMs: number): void {
    this.#failures = ranMs >= GOOD_MS ? 1 : this.#failures + 1;
    const { name } = this.spec;
    const pause = this.#pauses[this.#failures - 1];
    if (pause === undefined) {
      const log = `The end of ${this.#log}:\n${this.logTail()}`;
      this.#givenUp(new Error(`${name} ended ${this.#failures} times in a row. ${log}`));
      return;
    }
    this.#say(`${name} ${how}; it is started again in ${pause} ms.`);
    this.#restart = setTimeout(() => this.start(), pause);
  }

  /** The last lines it wrote, for a message. */
  logTail(lines = 15): string {
    try {
      return readFileSync(this.#log, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
    } catch {
      return "";
    }
  }

  /** Asks it to end, waits, and ends it for good if it does not. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restart);
    const child = this.#process;
    if (child) {
      child.kill("SIGTERM");
      const hard = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await this.#ended;
      clearTimeout(hard);
    }
    rmSync(this.#pidFile, { force: true });
  }

  /** Ends it at once, for when stopping takes too long for the one who waits. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#restart);
    this.#process?.kill("SIGKILL");
  }
}
