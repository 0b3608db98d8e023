/**
 * How long a sync takes in workerd: the control plane as `npm start` runs it, and an agent that has 1,000 machines of a
 * site at work and brings 200 reports at a time, one sync right after the other, until all are in service.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { tokens } from "../../agents/site/link/token.ts";
import { type Client, createClient } from "../../cli/client/client.ts";
import { sendDeviceTypes } from "../../cli/commands/device-type-batches.ts";
import { makeSite } from "../../lab/make-site.ts";
import { AGENT_PROTOCOL, EnrollReply, type Lease, SyncReply } from "../../shared/protocol/agent.ts";
import { seeded } from "../../shared/seeded.ts";
import { resultOf } from "../../workers/site/core/test-results.ts";
import { BATCH } from "./load.ts";

const root = join(import.meta.dirname, "../..");
const MACHINES = 1_000;
const PLAN = 500;
const READY_MS = 60_000;
/** Longest wait for the first lease: the alarm fetches the site's permit first. */
const PERMIT_MS = 30_000;
/** Many times the syncs that one site needs. */
const MAX_SYNCS = 2_000;

/** One control plane, in a folder of its own. */
export class LivePlane {
  readonly #dir = mkdtempSync(join(tmpdir(), "turnup-bench-"));
  readonly #child: ChildProcess;
  #said = "";

  constructor() {
    this.#child = spawn(process.execPath, [join(root, "cli/run/control-plane.ts"), "--dir", this.#dir], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-4_000);
      });
  }

  async client(): Promise<Client> {
    const Endpoint = z.object({ url: z.url(), token: z.string() });
    for (let waited = 0; waited < READY_MS && this.#child.exitCode === null; waited += 50) {
      await sleep(50);
      if (!this.#said.includes('"listening"')) continue;
      const text = readFileSync(join(this.#dir, "control-plane.json"), "utf8");
      const deps = { fetch, sleep: (ms: number) => sleep(ms), newKey: () => randomUUID(), patienceMs: 0 };
      return createClient({ ...Endpoint.parse(JSON.parse(text)), ...deps });
    }
    throw new Error(`The control plane did not start; it said:\n${this.#said}`);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode === null && this.#child.kill("SIGTERM")) await ended;
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** Installs one site's machines and returns how long each sync of a full batch took, ms, from the request to the whole reply. */
export async function syncTimes(client: Client, n: number): Promise<number[]> {
  const name = `load${n}`;
  // No serial may stand at two sites (T4).
  const { document, types } = makeSite({ servers: MACHINES, seed: n, name });
  // All 1,000 are to be at work, whatever they do.
  const all = MACHINES * 2;
  const atOnce = { steps: all, actions: { "bmc.power": all, "ramdisk.writeImage": all } };
  await sendDeviceTypes(client, types);
  const site = await client.createSite(document.site);
  await client.importSite(name, { ...document, atOnce });
  const sync = await agentOf(client, name);
  const targets = document.devices.filter(({ role }) => role === "compute").map((device) => device.name);
  for (let from = 0; from < targets.length; from += PLAN) {
    const part = targets.slice(from, from + PLAN);
    const { plan, hash } = await client.plan({ site: name, workflow: "server.install", targets: part, params: {} });
    await client.apply(plan.id, hash, { key: `${name}-${from}` });
  }
  const times: number[] = [];
  const held: Lease[] = [];
  let full = false;
  for (let n = 0, waited = 0; n < MAX_SYNCS; n++) {
    full ||= held.length === MACHINES;
    // First all machines are taken on, then the oldest come to their step's end.
    const batch = full ? held.slice(0, BATCH) : [];
    const { reply, ms } = await sync(held, batch);
    held.splice(0, batch.length);
    held.push(...reply.leases);
    if (batch.length === BATCH && held.length === MACHINES) times.push(ms);
    if (held.length > 0) continue;
    if (full) return times;
    if (waited > PERMIT_MS) throw new Error(`The site ${site.name} gave nothing to do.`);
    await sleep(100);
    waited += 100;
  }
  throw new Error(`The site ${site.name} does not come to an end.`);
}

type Sync = (held: readonly Lease[], batch: readonly Lease[]) => Promise<{ reply: SyncReply; ms: number }>;

/** An enrolled agent, as its one exchange. */
async function agentOf(client: Client, name: string): Promise<Sync> {
  const { token } = await client.enrolToken(name, 600);
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const jwk = { kty: "OKP" as const, crv: "Ed25519" as const, x: publicKey.export({ format: "jwk" }).x ?? "" };
  const request = { v: AGENT_PROTOCOL, token, name: "agent-a", version: "bench", publicKey: jwk };
  const enrolled = EnrollReply.parse(
    JSON.parse(await post(`${client.url}/agent/v1/enroll`, "", JSON.stringify(request))),
  );
  const clock = { now: () => Date.now(), monotonic: () => performance.now() };
  const bearer = tokens({ publicKey: jwk, sign: (data) => sign(null, data, privateKey) }, clock, seeded(1));
  return async (held, batch) => {
    const at = Date.now();
    const reports = batch.map((lease) => ({
      lease: lease.id,
      epoch: lease.epoch,
      job: lease.job,
      step: lease.step,
      outcome: "succeeded",
      result: resultOf(lease),
      startedAt: at,
      finishedAt: at,
    }));
    const body = JSON.stringify({
      v: AGENT_PROTOCOL,
      instance: "bench",
      version: "bench",
      free: Math.min(BATCH, MACHINES - held.length + batch.length),
      holding: held.map((lease) => lease.id),
      reports,
      progress: [],
    });
    const authorization = `Bearer ${bearer.bearer(enrolled.agent, enrolled.site)}`;
    const began = performance.now();
    const text = await post(`${client.url}/agent/v1/sync`, authorization, body);
    const ms = performance.now() - began;
    return { reply: SyncReply.parse(JSON.parse(text)), ms };
  };
}

async function post(url: string, authorization: string, body: string): Promise<string> {
  const headers = { "content-type": "application/json", ...(authorization && { authorization }) };
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 500)}`);
  return text;
}
