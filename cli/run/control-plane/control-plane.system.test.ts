/** The control plane as a real process, ended in every way that there is. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { type ClientRequest, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { makeSite } from "../../../lab/make-site.ts";
import { SYNC_MAX_BYTES } from "../../../shared/protocol/agent.ts";
import { commandOf } from "./processes.ts";

const home = mkdtempSync(join(tmpdir(), "turnup-control-plane-"));
const main = join(import.meta.dirname, "../control-plane.ts");
const file = (name: string) => join(home, ".turnup", name);
const pidOf = (name: string) => Number(readFileSync(file(`pids/${name}`), "utf8"));
let child: ChildProcess | undefined;
let output = "";

async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 30): Promise<void> {
  for (let n = 0; n < seconds * 20; n++) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error(`never: ${what}\n${output}`);
}

async function start(...options: string[]): Promise<void> {
  output = "";
  child = spawn(process.execPath, [main, ...options], { cwd: home, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout?.on("data", (text) => (output += String(text)));
  child.stderr?.on("data", (text) => (output += String(text)));
  await until("listening", () => output.includes('"listening"'));
}

async function end(signal: NodeJS.Signals): Promise<number | null> {
  const running = child;
  if (!running || running.exitCode !== null || running.signalCode !== null) return null;
  const exit = once(running, "exit");
  running.kill(signal);
  await exit;
  return running.exitCode;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const { url, token } = JSON.parse(readFileSync(file("control-plane.json"), "utf8")) as { url: string; token: string };
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** As `call`, or nothing while the runtime is away. */
const tryCall = (...input: Parameters<typeof call>) => call(...input).catch(() => undefined);

const devicesInReadModel = async (site: string): Promise<number> => {
  const answer = await tryCall("GET", `/v1/devices?site=${site}&state=planned&limit=500`);
  return Array.isArray(answer?.body.items) ? answer.body.items.length : 0;
};

async function fill(name: string, seed: number): Promise<number> {
  const { document, types } = makeSite({ servers: 10, seed, name });
  expect((await call("POST", "/v1/device-types", { types })).status).toBe(200);
  expect((await call("POST", "/v1/sites", document.site)).status).toBe(201);
  expect((await call("PUT", `/v1/sites/${name}/document`, document)).status).toBe(200);
  return document.devices.length;
}

afterAll(async () => {
  await end("SIGTERM");
  rmSync(home, { recursive: true, force: true });
});

describe("the local control plane", { timeout: 120_000 }, () => {
  it("listens, with its token readable by its owner only", async () => {
    await start();
    expect(statSync(file("control-plane.json")).mode & 0o777).toBe(0o600);
    expect(statSync(file("control-plane/admin-token")).mode & 0o777).toBe(0o600);
    expect((await call("GET", "/v1/sites")).body).toEqual({ items: [], next: null });
    const { url } = JSON.parse(readFileSync(file("control-plane.json"), "utf8")) as { url: string };
    const script = await fetch(`${url}/docs/scalar.js`);
    expect([script.status, (await script.text()).length > 1_000_000]).toEqual([200, true]);
    expect((await fetch(`${url}/v1/sites`)).status).toBe(401);
  });

  it("[S4] refuses a sync of 10 MB without a token: by its length before it is sent, and without one at the limit", async () => {
    const { url } = JSON.parse(readFileSync(file("control-plane.json"), "utf8")) as { url: string };
    const post = (headers: Record<string, string>, send: (request: ClientRequest) => void) =>
      new Promise<unknown[]>((resolve, reject) => {
        const outgoing = request(`${url}/agent/v1/sync`, { method: "POST", headers, timeout: 10_000 }, (answer) => {
          text(answer).then((body) => {
            resolve([answer.statusCode, answer.headers["content-type"], (JSON.parse(body) as { code: string }).code]);
            outgoing.destroy();
          }, reject);
        });
        outgoing.on("error", reject).on("timeout", () => reject(new Error("no answer")));
        send(outgoing);
      });
    const large = [413, "application/problem+json", "body_too_large"];
    const announced = { "content-length": "10000000", expect: "100-continue" };
    const asked = await post(announced, (outgoing) => {
      outgoing.on("continue", () => outgoing.destroy(new Error("the body was wanted")));
      outgoing.flushHeaders();
    });
    expect(asked).toEqual(large);
    // It never ends: who waited for the end of it would not answer.
    expect(await post({}, (outgoing) => outgoing.write(Buffer.alloc(SYNC_MAX_BYTES + 1, " ")))).toEqual(large);
  });

  it("[J1] loses nothing that was answered when workerd is killed, and alarms set before fire after", async () => {
    const devices = await fill("killed", 1);
    const before = pidOf("workerd");
    const answered: string[] = [];
    const writers = [0, 1, 2, 3].map(async (writer) => {
      for (let n = 0; n < 60; n++) {
        const name = `w${writer}-${n}`;
        const answer = await tryCall("POST", "/v1/tokens", { name, role: "viewer" });
        if (answer?.status === 201) answered.push(String(answer.body.id));
      }
    });
    await sleep(150);
    process.kill(before, "SIGKILL");
    await Promise.all(writers);
    await until("workerd again", () => output.includes('"workerd-restarted"'));
    expect(pidOf("workerd")).not.toBe(before);
    await until("an answer", async () => (await tryCall("GET", "/v1/health"))?.status === 200);
    const { body } = await call("GET", "/v1/tokens?limit=500");
    const kept = new Set((body.items as { id: string }[]).map((token) => token.id));
    expect(answered.length).toBeGreaterThan(0);
    expect(answered.filter((id) => !kept.has(id))).toEqual([]);
    await until("the read model", async () => (await devicesInReadModel("killed")) === devices);
  });

  it("goes on, on the same port, after both were killed", async () => {
    const devices = await fill("both", 2);
    const { url } = JSON.parse(readFileSync(file("control-plane.json"), "utf8")) as { url: string };
    process.kill(pidOf("workerd"), "SIGKILL");
    await end("SIGKILL");
    await start();
    expect((JSON.parse(readFileSync(file("control-plane.json"), "utf8")) as { url: string }).url).toBe(url);
    await until("the read model", async () => (await devicesInReadModel("both")) === devices);
  });

  it("fires the cron trigger, which opens an audit window at each site", async () => {
    await end("SIGTERM");
    await start("--cron", "* * * * * *");
    await until("an audit", async () => {
      const { body } = await call("GET", "/v1/sites/both/audits");
      return Array.isArray(body.items) && body.items.length > 0;
    });
  });

  it("ends the workerd that a killed control plane left, before it starts its own", async () => {
    const orphan = pidOf("workerd");
    await end("SIGKILL");
    await start();
    expect(pidOf("workerd")).not.toBe(orphan);
    expect(await commandOf(orphan)).toBeUndefined();
    expect((await call("GET", "/v1/sites/both")).status).toBe(200);
  });

  it("refuses to start beside a live one", async () => {
    const second = spawn(process.execPath, [main], { cwd: home, stdio: "ignore" });
    const [code] = (await once(second, "exit")) as [number];
    expect(code).toBe(2);
    expect((await call("GET", "/v1/health")).status).toBe(200);
  });

  it("stops in peace on SIGTERM, and takes away the files that say it runs", async () => {
    const workerd = pidOf("workerd");
    expect(await end("SIGTERM")).toBe(0);
    expect(
      ["control-plane.json", "pids/control-plane", "pids/workerd"].filter((name) => existsSync(file(name))),
    ).toEqual([]);
    expect(await commandOf(workerd)).toBeUndefined();
  });
});
