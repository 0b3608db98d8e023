/** `npm start` under test: real processes in a folder of their own, things to do to them, and what must hold after. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { judge, readWitness } from "../agents/simulator/witness.ts";

const root = join(import.meta.dirname, "..");

const Result = z.object({
  machines: z.array(
    z.object({
      device: z.string(),
      serial: z.string(),
      state: z.enum(["active", "failed", "waiting"]),
      serveSeconds: z.number().nullable(),
      hardwareSeconds: z.number().nullable(),
      deadSeconds: z.number().nullable(),
      retries: z.number(),
      reason: z.string().nullable(),
    }),
  ),
  rowsPerInstall: z.number().nullable(),
  stepDeadMs: z.object({ p50: z.number().nullable(), p95: z.number().nullable() }),
});
export type Result = z.infer<typeof Result>;

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The last line of standard output, where the run came that far. */
  result: Result | undefined;
}

/** Longest run of 24 machines that is waited for, with everything done to it. */
const RUN_MS = 240_000;

export class LocalRun {
  readonly dir = mkdtempSync(join(tmpdir(), "turnup-run-"));
  readonly #children = new Set<ChildProcess>();
  /** Everything that any process of this folder's runs has said. */
  said = "";

  #spawn(...args: string[]): ChildProcess & { stdout: Readable; stderr: Readable } {
    const child = spawn(process.execPath, [join(root, "cli/run/start.ts"), "--json", ...args], {
      cwd: this.dir,
      env: { ...process.env, INIT_CWD: this.dir },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.add(child);
    return child;
  }

  /** Starts `npm start -- --json`, which stays up; resolves with the result once the rack is done. */
  stay(...args: string[]): Promise<Result> {
    const child = this.#spawn(...args);
    child.stderr.on("data", (chunk: Buffer) => {
      this.said += chunk.toString();
    });
    let stdout = "";
    return new Promise((resolve, reject) => {
      child.stdout.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
        const parsed = Result.safeParse(json(stdout.trimEnd().split("\n").at(-1) ?? ""));
        if (parsed.success) resolve(parsed.data);
      });
      child.once("close", (code) => reject(new Error(`It ended with ${code}; it said:\n${this.said.slice(-2_000)}`)));
    });
  }

  /** Starts `npm start -- --once --json` with more options. */
  start(...args: string[]): Promise<Ended> {
    const child = this.#spawn("--once", ...args);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      this.said += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      this.said += chunk.toString();
    });
    const limit = setTimeout(() => child.kill("SIGTERM"), RUN_MS);
    return new Promise((resolve) =>
      child.once("close", (code) => {
        clearTimeout(limit);
        this.#children.delete(child);
        const parsed = Result.safeParse(json(stdout.trimEnd().split("\n").at(-1) ?? ""));
        resolve({ code, stdout, stderr, result: parsed.success ? parsed.data : undefined });
      }),
    );
  }

  path(...parts: string[]): string {
    return join(this.dir, ".turnup", ...parts);
  }

  /** Waits, bounded, until the witness log has so many records of an event. */
  async until(event: string, count = 1): Promise<void> {
    for (let n = 0; n < 4_000; n++) {
      if (this.witness().filter((record) => record.event === event).length >= count) return;
      await sleep(50);
    }
    throw new Error(`${count} × ${event} was not seen; it said:\n${this.said.slice(-2_000)}`);
  }

  witness() {
    const file = this.path("sim/witness.ndjson");
    return existsSync(file) ? readWitness(readFileSync(file, "utf8")) : [];
  }

  /** kill -9 of one of `.turnup/pids/`, as a person would do it. */
  kill(name: string): void {
    const pid = Number(readFileSync(this.path("pids", name), "utf8"));
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It is just being started again.
    }
  }

  killAll(): void {
    for (const name of readdirSync(this.path("pids"))) if (!name.endsWith(".tmp")) this.kill(name);
  }

  async end(): Promise<void> {
    await Promise.all(
      [...this.#children].map((child) => {
        const closed = new Promise((resolve) => child.once("close", resolve));
        child.kill("SIGTERM");
        return closed;
      }),
    );
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** What the witness saw that may never be, and disks that are not what they should be; empty when all is well. */
  violations(result: { machines: Pick<Result["machines"][number], "device" | "state">[] }): string[] {
    const out = judge(this.witness());
    const [image = ""] = readdirSync(this.path("images"));
    const size = statSync(this.path("images", image)).size;
    const wanted = hashOf(this.path("images", image), size);
    for (const { device, state } of result.machines) {
      const disk = this.path("sim/disks", `${device}.img`);
      const same = existsSync(disk) && hashOf(disk, size) === wanted;
      if (state === "active" && !same) out.push(`${device} is active and its drive does not hold the image`);
      const others = this.path("sim/disks", device);
      for (const bay of existsSync(others) ? readdirSync(others) : [])
        if (statSync(join(others, bay)).blocks > 0) out.push(`${device}: the drive ${bay} was written`);
    }
    return out;
  }

  /** [A7] Files, and what was said, that hold a BMC password outside of the two vaults. */
  leaks(): string[] {
    const Vault = z.record(z.string(), z.object({ password: z.string() }));
    const vault = Vault.parse(json(readFileSync(this.path("agent/vault.json"), "utf8")));
    const secrets = Object.values(vault).map(({ password }) => password);
    const out = secrets.some((secret) => this.said.includes(secret)) ? ["standard output or error"] : [];
    const own = [this.path("agent/vault.json"), this.path("sim/secrets.json")];
    for (const entry of readdirSync(this.path(), { recursive: true, withFileTypes: true })) {
      const file = join(entry.parentPath, entry.name);
      if (!entry.isFile() || own.includes(file) || file.endsWith(".img")) continue;
      const bytes = readFileSync(file);
      if (secrets.some((secret) => bytes.includes(secret))) out.push(file);
    }
    return out;
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function hashOf(file: string, size: number): string {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(1 << 20);
  const handle = openSync(file, "r");
  for (let at = 0; at < size; ) {
    const read = readSync(handle, buffer, 0, Math.min(buffer.length, size - at), at);
    if (read === 0) break;
    hash.update(buffer.subarray(0, read));
    at += read;
  }
  closeSync(handle);
  return hash.digest("hex");
}

/** A cable between agent and control plane that can be pulled: connections break, and new ones are refused. */
export class Cable {
  /** What the control plane at its other end writes when it listens. */
  #endpoint: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #pulled = false;
  /** HTTP requests that the agent has sent through it, a doorbell's among them. */
  requests = 0;

  private constructor(run: LocalRun) {
    this.#endpoint = run.path("control-plane.json");
    this.#server = createServer((near) => this.#join(near));
  }

  static async lay(run: LocalRun): Promise<Cable> {
    const cable = new Cable(run);
    await new Promise<void>((resolve) => cable.#server.listen(0, "127.0.0.1", resolve));
    return cable;
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  }

  #join(near: Socket): void {
    near.on("error", () => near.destroy());
    const Endpoint = z.object({ url: z.url() });
    const file = this.#endpoint;
    const target = existsSync(file) ? Endpoint.safeParse(json(readFileSync(file, "utf8"))) : undefined;
    if (this.#pulled || !target?.success) {
      near.destroy();
      return;
    }
    const { hostname, port } = new URL(target.data.url);
    const far = connect(Number(port), hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.on("data", (chunk: Buffer) => {
      this.requests += chunk.toString("latin1").match(/(?:GET|POST) \/agent\/v1\/\w+ HTTP\/1\.1\r\n/g)?.length ?? 0;
    });
    near.pipe(far);
    far.pipe(near);
  }

  async pull(ms: number): Promise<void> {
    this.unplug();
    await sleep(ms);
    this.#pulled = false;
  }

  unplug(): void {
    this.#pulled = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Plugs it into the control plane that writes this file. */
  plug(endpoint: string): void {
    this.unplug();
    this.#endpoint = endpoint;
    this.#pulled = false;
  }

  async remove(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
