import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import type { PlantedFault } from "./faults.ts";
import { loadState } from "./machine-state.ts";
import { type FakeAgent, type FakeAgentOptions, fakeAgent, installCommands } from "./testing/fake-agent.ts";
import { image, imageBytes, secretsOf, testDevice, testSite, user } from "./testing/site.ts";
import { judge, readWitness } from "./witness.ts";

const basic = { authorization: `Basic ${Buffer.from(`${user.username}:${user.password}`).toString("base64")}` };
const device = testDevice(1);

let dir: string;
let agent: FakeAgent;
let child: ChildProcess | undefined;
let speed = 1_000;

async function setUp(
  options: Partial<FakeAgentOptions> = {},
  faults: PlantedFault[] = [],
  devices = [device],
): Promise<void> {
  dir = mkdtempSync(join(tmpdir(), "turnup-sim-"));
  const commands = installCommands("SYS-1", 512 << 20, image, () => agent.url);
  agent = await fakeAgent({ image: { ...image, bytes: imageBytes }, commands, ...options });
  writeFileSync(join(dir, "site.json"), JSON.stringify(testSite(devices)));
  writeFileSync(join(dir, "secrets.json"), JSON.stringify(secretsOf(devices)));
  writeFileSync(join(dir, "faults.json"), JSON.stringify({ faults }));
  await start();
}

async function start(): Promise<void> {
  const at = (name: string) => join(dir, name);
  const args = ["--site", at("site.json"), "--secrets", at("secrets.json"), "--faults", at("faults.json")];
  child = spawn(
    process.execPath,
    [join(import.meta.dirname, "main.ts"), ...args, "--dir", dir, "--netboot", agent.url, "--speed", String(speed)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  await new Promise((resolve) => child?.stdout?.once("data", resolve));
}

/** Ends the simulator; resolves with its exit code, null after SIGKILL. */
function end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
  const ending = child;
  child = undefined;
  return new Promise((resolve) => {
    if (!ending) return resolve(null);
    ending.once("exit", (code) => resolve(code));
    ending.kill(signal);
  });
}

const witness = () => readWitness(readFileSync(join(dir, "witness.ndjson"), "utf8"));
const count = (event: string) => witness().filter((r) => r.event === event).length;
async function until(event: string, times = 1): Promise<void> {
  for (let i = 0; i < 2_500; i++) {
    if (count(event) >= times) return;
    await sleep(20);
  }
  throw new Error(`${event} × ${times} was not seen: ${JSON.stringify(witness().slice(-5))}`);
}

const connectTo = () => JSON.parse(readFileSync(join(dir, "connect-to.json"), "utf8")) as Record<string, string>;
const bmc = (): string => `http://${connectTo()["10.20.0.1:80"]}`;
const call = (method: string, path: string, body: object) =>
  fetch(`${bmc()}/redfish/v1/Systems/Self${path}`, {
    method,
    headers: { ...basic, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const reset = (ResetType: string) => call("POST", "/Actions/ComputerSystem.Reset", { ResetType });
async function netboot(nonce: string): Promise<void> {
  agent.armed.set("3c:ec:ef:00:10:01", nonce);
  const Boot = { BootSourceOverrideTarget: "Pxe", BootSourceOverrideEnabled: "Once", BootSourceOverrideMode: "UEFI" };
  expect((await call("PATCH", "", { Boot })).status).toBe(204);
  expect((await reset("On")).status).toBe(204);
}

const onDisk = () => readFileSync(join(dir, "disks/r01u01.img")).subarray(0, imageBytes.length);

afterEach(async () => {
  speed = 1_000;
  await end("SIGKILL");
  await agent.close();
  rmSync(dir, { recursive: true });
});

it("installs one machine: its own bytes on the chosen drive, one write, and the system's phone-home", async () => {
  await setUp();
  await netboot("n1");
  await until("first-boot");
  expect(onDisk().equals(imageBytes)).toBe(true);
  expect(statSync(join(dir, "disks/r01u01.img")).size).toBe(512 << 20);
  // The other drive was never touched.
  expect(statSync(join(dir, "disks/r01u01/Bay_1.img")).blocks).toBe(0);
  expect(agent.firstBoots).toEqual([{ v: 1, nonce: "n1", serial: "SN-1", bootedFrom: "disk SYS-1" }]);
  expect(count("disk.write.start")).toBe(1);
  expect(judge(witness())).toEqual([]);
  expect(await end("SIGTERM")).toBe(0);
});

it("[T5] killed within a write it goes on from its offset, in the same boot and without a second start", async () => {
  await setUp({ holdAt: 9 << 20 });
  await netboot("n1");
  await until("disk.write.start");
  const state = () => loadState(join(dir, "machines/r01u01.json"));
  for (let i = 0; i < 300 && (state().ram?.write?.offset ?? 0) < 8 << 20; i++) await sleep(20);
  const before = bmc();
  await end("SIGKILL");
  agent.release();
  await start();
  expect(bmc()).toBe(before);
  await until("first-boot");
  expect([count("disk.write.start"), count("disk.write.resume"), count("power.on")]).toEqual([1, 1, 1]);
  expect(agent.ranges).toEqual(["bytes=0-", `bytes=${8 << 20}-`]);
  expect(agent.states.get("n1/3")?.result).toMatchObject({ readBackSha256: image.sha256 });
  expect(onDisk().equals(imageBytes)).toBe(true);
  expect(judge(witness())).toEqual([]);
});

it("killed in each of its phases it goes on, powered on once", async () => {
  // Slow enough that the kill meets the phase.
  speed = 60;
  await setUp();
  await netboot("n1");
  for (const event of ["post.start", "boot.fetch", "ram.start", "disk.write.verified", "os.start"]) {
    await until(event);
    await end("SIGKILL");
    await start();
  }
  await until("first-boot");
  expect([count("power.on"), count("disk.write.start"), count("simulator.start")]).toEqual([1, 1, 6]);
  expect(agent.firstBoots).toHaveLength(1);
  expect(judge(witness())).toEqual([]);
  // What is done is not done again.
  await end("SIGKILL");
  await start();
  expect((await (await fetch(`${bmc()}/redfish/v1/Systems/Self`, { headers: basic })).json()) as object).toMatchObject({
    PowerState: "On",
  });
  expect([agent.firstBoots.length, count("first-boot")]).toEqual([1, 1]);
});

it("stays off when power is cut within a write, and its next boot finds the drive not blank", async () => {
  await setUp({ holdAt: 9 << 20 });
  await netboot("n1");
  await until("disk.write.start");
  for (let i = 0; i < 300 && statSync(join(dir, "disks/r01u01.img")).blocks === 0; i++) await sleep(20);
  expect((await reset("ForceOff")).status).toBe(204);
  await until("power.off");
  agent.release();
  await netboot("n2");
  for (let i = 0; i < 600 && agent.states.get("n2/2")?.state !== "failed"; i++) await sleep(20);
  expect(agent.states.get("n2/2")?.failure?.code).toBe("disk_not_blank");
  expect([count("disk.write.start"), count("disk.write.verified")]).toEqual([1, 0]);
});

it("[T5] a drive with data is not written", async () => {
  await setUp({}, [{ machine: "r01u01", fault: "disk-not-blank" }]);
  await netboot("n1");
  for (let i = 0; i < 600 && agent.states.get("n1/2")?.state !== "failed"; i++) await sleep(20);
  expect(agent.states.get("n1/2")?.failure?.code).toBe("disk_not_blank");
  expect(count("disk.write.start")).toBe(0);
});

it.each([
  ["lying-drive", "verify_failed"],
  ["failing-drive", "write_failed"],
] as const)("a %s is found out: %s", async (fault, code) => {
  await setUp({}, [{ machine: "r01u01", fault }]);
  await netboot("n1");
  for (let i = 0; i < 600 && agent.states.get("n1/3")?.state !== "failed"; i++) await sleep(20);
  expect(agent.states.get("n1/3")?.failure?.code).toBe(code);
});

it("a machine without an armed boot has nothing to start from", async () => {
  await setUp();
  expect((await reset("On")).status).toBe(204);
  await until("no-boot-device");
  expect(count("boot.fetch")).toBe(0);
});

it("loses a power command, ignores an override and drops a link, each as often as planted", async () => {
  const machine = "r01u01";
  await setUp({}, [
    { machine, fault: "lost-power", count: 1 },
    { machine, fault: "ignored-boot-override", count: 1 },
    { machine, fault: "flapping-link", count: 1 },
  ]);
  await netboot("n1");
  expect(count("power.on")).toBe(0);
  // The second time it is switched on, and starts from its empty drive in spite of the override.
  await reset("On");
  await until("no-boot-device");
  await reset("ForceOff");
  await until("power.off");
  await netboot("n2");
  await until("first-boot");
  expect(witness().flatMap((r) => (r.event === "fault" ? [r.detail] : []))).toEqual([
    "lost-power",
    "ignored-boot-override",
    "flapping-link",
  ]);
  expect(agent.states.get("n2/3")?.result).toMatchObject({ resumed: 1 });
  expect(judge(witness())).toEqual([]);
});

it("gives each BMC a port of its own, IPv6 ones on ::1, and the same ones after a kill; another BMC answers there", async () => {
  const devices = [device, testDevice(2, "Dell"), testDevice(3, "HPE", "fd00:20::3")];
  await setUp({}, [], devices);
  const before = connectTo();
  expect(Object.keys(before)).toEqual(["10.20.0.1:80", "10.20.0.2:80", "[fd00:20::3]:80"]);
  expect(new Set(Object.values(before)).size).toBe(3);
  expect(before["[fd00:20::3]:80"]).toMatch(/^\[::1\]:\d+$/);
  const products = () =>
    Promise.all(
      Object.values(connectTo()).map(async (at) => {
        const response = await fetch(`http://${at}/redfish/v1/`);
        return ((await response.json()) as { Product: string }).Product;
      }),
    );
  const kinds = ["BMC", "Integrated Dell Remote Access Controller", "ProLiant"];
  expect(await products()).toEqual(kinds);
  await end("SIGKILL");
  await start();
  expect(connectTo()).toEqual(before);
  expect(await products()).toEqual(kinds);
});

it("[T2] another machine in the rack tells its own serial, to the BMC's caller and to the agent", async () => {
  await setUp({}, [{ machine: "r01u01", fault: "wrong-serial" }]);
  const read = await fetch(`${bmc()}/redfish/v1/Systems/Self`, { headers: basic });
  const { SerialNumber } = (await read.json()) as { SerialNumber: string };
  expect(SerialNumber).not.toBe("SN-1");
  await netboot("n1");
  await until("ram.start");
  for (let i = 0; i < 600 && agent.hellos.length === 0; i++) await sleep(20);
  expect(agent.hellos[0]?.serial).toBe(SerialNumber);
});

it("a dead port is missing in the inventory of the BMC and of the RAM environment", async () => {
  await setUp({}, [{ machine: "r01u01", fault: "dead-nic" }]);
  const read = await fetch(`${bmc()}/redfish/v1/Systems/Self/EthernetInterfaces`, { headers: basic });
  expect(await read.json()).toMatchObject({ "Members@odata.count": 1 });
  await netboot("n1");
  for (let i = 0; i < 600 && agent.states.get("n1/1")?.state !== "succeeded"; i++) await sleep(20);
  expect(agent.states.get("n1/1")?.result).toMatchObject({ nics: [{ mac: "3c:ec:ef:00:10:01" }] });
});

it.each([
  ["--dir, --secrets, --netboot: missing", () => ["--site", join(dir, "site.json")]],
  ["above 0", () => [...allFiles(), "--speed", "0"]],
  ["faults.0.fault", () => [...allFiles(), "--faults", join(dir, "broken.json")]],
  ["none.json cannot be read: ENOENT", () => [...allFiles(), "--faults", join(dir, "none.json")]],
])("refuses to start, and says why: %s", async (why, args) => {
  await setUp();
  writeFileSync(join(dir, "broken.json"), JSON.stringify({ faults: [{ machine: "r01u01", fault: "gremlin" }] }));
  const refused = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args()], { encoding: "utf8" });
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain(why);
  expect(refused.stderr).toContain("Usage: turnup sim");
});
const allFiles = () => [
  ...["--site", join(dir, "site.json"), "--secrets", join(dir, "secrets.json")],
  ...["--dir", dir, "--netboot", agent.url],
];

it("tells its own options", async () => {
  await setUp();
  const { status, stdout } = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), "--help"], {
    encoding: "utf8",
  });
  expect(status).toBe(0);
  for (const option of ["site", "dir", "secrets", "netboot", "speed", "faults", "seed"])
    expect(stdout).toMatch(new RegExp(`^ {2}--${option} `, "m"));
});

it("starts anew when it is restarted from outside: what ran in RAM is gone, and the one-time override was used", async () => {
  await setUp({ holdAt: 9 << 20 });
  await netboot("n1");
  await until("disk.write.start");
  // Half an image lies on the drive: it has a partition table, and nothing starts from it.
  for (let i = 0; i < 2_500 && (loadState(join(dir, "machines/r01u01.json")).ram?.write?.offset ?? 0) < 8 << 20; i++)
    await sleep(20);
  expect((await reset("ForceRestart")).status).toBe(204);
  await until("no-boot-device");
  expect([count("power.off"), count("power.on"), count("boot.fetch"), count("first-boot")]).toEqual([1, 2, 1, 0]);
  agent.release();
  // Killed in this state it stays in it.
  await end("SIGKILL");
  await start();
  const read = await fetch(`${bmc()}/redfish/v1/Systems/Self`, { headers: basic });
  expect(await read.json()).toMatchObject({
    PowerState: "On",
    Boot: { BootSourceOverrideTarget: "None", BootSourceOverrideEnabled: "Disabled" },
  });
  expect(count("no-boot-device")).toBe(1);
});

it("[L5] does no more for a boot that the agent has ended, and keeps to that after a kill", async () => {
  await setUp({ holdAt: 9 << 20 });
  await netboot("n1");
  await until("disk.write.start");
  agent.armed.clear();
  await until("ram.idle");
  await end("SIGKILL");
  await start();
  await until("ram.idle", 2);
  agent.release();
  expect([count("disk.write.start"), count("disk.write.resume"), count("disk.write.verified")]).toEqual([1, 0, 0]);
});
