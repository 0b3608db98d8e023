/** The agent as a real process, against a control plane, BMCs and machines that really listen. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import type { FakeBmcOptions } from "./testing/fake-bmc.ts";
import { type FakeControlPlane, fakeControlPlane, type StepOrder } from "./testing/fake-control-plane.ts";
import { type FakeMachine, fakeMachine } from "./testing/fake-machine.ts";
import { bom, target } from "./testing/fixtures.ts";
import { AGENT_VERSION } from "./version.ts";

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, "main.ts");
/** Makes this Node one that calls itself 20 and has no node:sqlite, as that one has none. */
const asNode20 = [
  "--import",
  `data:text/javascript,${encodeURIComponent(`
    import { registerHooks } from "node:module";
    registerHooks({ resolve(name, context, next) {
      if (name === "node:sqlite") throw new Error("No such built-in module: node:sqlite");
      return next(name, context);
    } });
    Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });
  `)}`,
];
const PASSWORD = "S3cret-of-the-BMC";

interface Rig {
  folder: string;
  control: FakeControlPlane;
  machines: FakeMachine[];
  agent: ChildProcess | undefined;
  output: string;
  metricsPort: number;
  start(program?: string): void;
  order(machine: FakeMachine): void;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });

async function rig(machineOptions: FakeBmcOptions[]): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "turnup-agent-"));
  const control = await fakeControlPlane();
  const [netbootPort, metricsPort] = [await freePort(), await freePort()];
  const machines = machineOptions.map((options, i) =>
    fakeMachine(target(i + 1), () => `http://127.0.0.1:${netbootPort}`, { ...options, password: PASSWORD }),
  );
  const connect: Record<string, string> = {};
  for (const machine of machines) {
    const listening = await machine.bmc.listen();
    cleanups.push(listening.close, machine.stop);
    connect[`${machine.target.bmc.address}:80`] = `127.0.0.1:${listening.port}`;
  }
  mkdirSync(join(folder, "images"));
  const bytes = Buffer.alloc(3_000_000, "turnup");
  writeFileSync(join(folder, "images", "demo.img"), bytes);
  const image = { name: "demo.img", sha256: createHash("sha256").update(bytes).digest("hex"), sizeBytes: bytes.length };
  writeFileSync(join(folder, "connect-to.json"), JSON.stringify(connect));
  const secrets = machines.map((m) => [m.target.bmc.secret, { username: "root", password: PASSWORD }]);
  writeFileSync(join(folder, "vault.json"), JSON.stringify(Object.fromEntries(secrets)), { mode: 0o600 });
  writeFileSync(join(folder, "token"), "one-time\n", { mode: 0o600 });
  writeFileSync(
    join(folder, "agent.yaml"),
    `controlPlane: ${control.url}
name: test-a
stateDir: state
enrolTokenFile: token
vault: vault.json
images: images
netboot: { host: 127.0.0.1, port: ${netbootPort} }
metrics: { port: ${metricsPort} }
bmc: { connectTo: connect-to.json, pollMs: 20, gapMs: 0 }
timing: { speed: 60 }
logLevel: debug
`,
  );
  const r: Rig = {
    folder,
    control,
    machines,
    agent: undefined,
    output: "",
    metricsPort,
    start(program = main) {
      const child = spawn(process.execPath, [program, "--config", join(folder, "agent.yaml")], { cwd: folder });
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (piece: Buffer) => {
          r.output += piece.toString();
        });
      r.agent = child;
      cleanups.push(() => child.kill("SIGKILL"));
    },
    order: (machine) => control.add(machine.target, install(machine, image)),
  };
  cleanups.push(() => control.close());
  return r;
}

function install(machine: FakeMachine, image: { name: string; sha256: string; sizeBytes: number }): StepOrder[] {
  const chosen = machine.target.media.find((m) => m.chosen);
  const medium = { medium: chosen?.id ?? "", serial: chosen?.serial ?? "", sizeBytes: chosen?.sizeBytes ?? 0 };
  const parts = { bom: { ...bom, macs: [machine.target.boot.mac] } };
  return [
    { action: "bmc.identify" },
    { action: "bmc.inventory", params: parts },
    { action: "netboot.arm" },
    { action: "bmc.bootOverride" },
    { action: "bmc.power" },
    { action: "ramdisk.await" },
    { action: "ramdisk.inventory", params: parts },
    { action: "ramdisk.proveBlank", params: { medium } },
    { action: "ramdisk.writeImage", params: { medium, image } },
    { action: "ramdisk.bootDisk", params: { medium } },
    { action: "os.firstBoot" },
    { action: "bmc.accept" },
  ];
}

async function until(what: string, check: () => boolean | Promise<boolean>, r: Rig): Promise<void> {
  for (let i = 0; i < 1200; i++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 60 s: ${what}\n${r.output.slice(-4000)}`);
}
const ended = (r: Rig, m: FakeMachine) => r.control.outcome(m.target.device) !== "open";
const outcomes = (r: Rig) => r.machines.map((m) => r.control.outcome(m.target.device));
const exit = (child: ChildProcess | undefined): Promise<number | null> =>
  new Promise((resolve) => {
    if (!child || child.exitCode !== null) return resolve(child?.exitCode ?? null);
    child.once("exit", (code) => resolve(code));
  });

const everyByte = (folder: string): string =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((f) => f.isFile() && f.name !== "vault.json" && f.name !== "demo.img")
    .map((f) => readFileSync(join(f.parentPath, f.name), "latin1"))
    .join("\n");

it("installs machines of several dialects, tells no secret, and drains on SIGTERM", async () => {
  const r = await rig([
    {},
    { manufacturer: "Dell Inc.", systemPath: "/redfish/v1/Systems/System.Embedded.1" },
    { etags: "required", settings: true },
    {},
    {},
  ]);
  const [, , , refusing, locked] = r.machines;
  if (refusing) refusing.bmc.faults.echo = true;
  if (locked) locked.bmc.faults.badLogin = true;
  for (const machine of r.machines) r.order(machine);
  r.start();
  await until(
    "the good machines are done and the refusing one has failed",
    () => r.machines.slice(0, 4).every((m) => ended(r, m)),
    r,
  );
  await until("the locked one has failed", () => ended(r, r.machines[4] as FakeMachine), r);
  expect(outcomes(r)).toEqual(["done", "done", "done", "failed", "failed"]);
  expect(r.control.failure(locked?.target.device ?? "")?.code).toBe("bmc_auth_failed");
  // A3: the breaker held all the tries of the locked one back.
  expect(locked?.bmc.state.logins).toBe(1);
  expect(r.control.doorbells).toBe(1);

  const metrics = await (await fetch(`http://127.0.0.1:${r.metricsPort}/metrics`)).text();
  expect(metrics).toContain('turnup_agent_steps_total{action="bmc.accept",outcome="succeeded"} 3');
  const health = await fetch(`http://127.0.0.1:${r.metricsPort}/healthz`);
  expect([health.status, await health.json()]).toMatchObject([200, { state: "working", doorbell: true, unsent: 0 }]);

  r.control.audit(
    "w1",
    r.machines.map((m) => m.target),
  );
  await until("the audit is answered", () => r.control.observations.length === 5, r);
  expect(r.control.observations.filter((o) => o.power === "On" && o.serial !== undefined)).toHaveLength(3);
  expect(r.control.observations.filter((o) => o.failure?.code === "bmc_auth_failed")).toHaveLength(1);

  r.agent?.kill("SIGTERM");
  expect(await exit(r.agent)).toBe(0);
  for (const machine of r.machines) expect(machine.bmc.state.sessions.size).toBe(0);
  // [A7] Neither the password nor its Basic form in any byte that the agent wrote or sent.
  const all = [r.output, metrics, ...r.control.received, everyByte(r.folder)].join("\n");
  expect(all).toContain("step ended");
  for (const secret of [PASSWORD, Buffer.from(`root:${PASSWORD}`).toString("base64")])
    expect(all).not.toContain(secret);
}, 90_000);

it("[A2] [J4] goes on after a SIGKILL in the middle of a write, without a second write", async () => {
  const r = await rig([{}]);
  const machine = r.machines[0] as FakeMachine;
  let release = () => {};
  machine.holdWrite = new Promise((resolve) => {
    release = resolve;
  });
  r.order(machine);
  r.start();
  await until("the write has begun", () => machine.events.some((e) => e.startsWith("write")), r);
  r.agent?.kill("SIGKILL");
  await exit(r.agent);
  r.start();
  await until("the attempt is told as unknown", () => r.control.reports.some((x) => x.outcome === "unknown"), r);
  release();
  await until("the machine is done", () => ended(r, machine), r);
  expect(outcomes(r)).toEqual(["done"]);
  expect(machine.events.filter((e) => e.startsWith("write"))).toHaveLength(1);
  expect(machine.events.filter((e) => e === "power On")).toHaveLength(1);
}, 90_000);

it("rides out a control plane that is down for a while", async () => {
  const r = await rig([{}]);
  const machine = r.machines[0] as FakeMachine;
  let release = () => {};
  machine.holdWrite = new Promise((resolve) => {
    release = resolve;
  });
  r.order(machine);
  r.start();
  await until("the write has begun", () => machine.events.some((e) => e.startsWith("write")), r);
  r.control.down = 503;
  const before = r.control.requests.length;
  release();
  await until("the agent has tried", () => r.control.requests.length > before + 1, r);
  r.control.down = undefined;
  await until("the machine is done", () => ended(r, machine), r);
  expect(outcomes(r)).toEqual(["done"]);
}, 90_000);

it("refuses to start beside another agent on the same state, and with a vault that others may read", async () => {
  const r = await rig([{}]);
  r.start();
  await until("the agent has enrolled", () => r.control.requests.length > 0, r);
  const config = join(r.folder, "agent.yaml");
  writeFileSync(join(r.folder, "second.yaml"), readFileSync(config, "utf8").replace(/port: \d+/g, "port: 0"));
  const second = spawnSync(process.execPath, [main, "--config", join(r.folder, "second.yaml")], { encoding: "utf8" });
  expect([second.status, second.stderr]).toEqual([1, expect.stringContaining("Another agent works in")]);
  const missing = spawnSync(process.execPath, [main, "--config", join(r.folder, "none.yaml")], { encoding: "utf8" });
  expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining("none.yaml cannot be read")]);
}, 60_000);

it("is one file that works from an empty folder with Node alone", async () => {
  const r = await rig([{}]);
  const empty = mkdtempSync(join(tmpdir(), "turnup-bundle-"));
  const bundle = join(empty, "agent.mjs");
  const script = join(here, "..", "..", "scripts", "build-agent.mjs");
  const built = spawnSync(process.execPath, [script, bundle], { encoding: "utf8" });
  expect([built.status, existsSync(bundle)], built.stderr).toEqual([0, true]);
  expect(readdirSync(empty)).toEqual(["agent.mjs"]);
  const oldNode = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...asNode20, bundle, ...args], {
      encoding: "utf8",
    });
    return [status, stdout, stderr];
  };
  const tooOld = "The agent needs Node ≥ 22.13; this is 20.20.2.\n";
  expect(oldNode("--config", "agent.yaml")).toEqual([2, "", tooOld]);
  expect(oldNode("--version")).toEqual([0, `${AGENT_VERSION}\n`, ""]);
  expect(oldNode("--help")).toEqual([0, expect.stringMatching(/^Usage: agent --config/), ""]);
  r.order(r.machines[0] as FakeMachine);
  r.start(bundle);
  await until("the machine is done", () => ended(r, r.machines[0] as FakeMachine), r);
  expect(outcomes(r)).toEqual(["done"]);
}, 90_000);
