import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Cli } from "./context.ts";
import { turnup } from "./program.ts";
import { readJsonFile } from "./run/start/prepare.ts";
import { VERSION } from "./version.ts";

const root = join(import.meta.dirname, "..");
const site = join(root, "examples/sites/ams01.yaml");

let dir = "";
let controlPlane: ChildProcess;

async function run(...args: string[]) {
  return runWith({}, ...args);
}
async function runWith(env: Record<string, string>, ...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  let keys = 0;
  const cli: Cli = {
    env,
    cwd: dir,
    columns: undefined,
    rows: undefined,
    fetch,
    WebSocket,
    now: Date.now,
    newKey: () => `${Date.now()}-${++keys}`,
    sleep: (ms) => sleep(ms),
    ask: async () => undefined,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    draw: (text) => void out.push(text),
  };
  const code = await turnup(args, cli);
  const json = (): unknown => JSON.parse(out.join("\n"));
  return { code, out, err, json, text: out.join("\n"), said: err.join("\n") };
}

/** The example with a name, a serial and a type that are wrong. */
function brokenFile(): string {
  const file = join(dir, "site.yaml");
  const library = join(root, "examples/device-types");
  const text = readFileSync(site, "utf8")
    .replace("deviceTypeLibrary: [../device-types]", `deviceTypeLibrary: [${relative(dir, library)}]`)
    .replace("XKCB6ZY", "DZV67TQ")
    .replace("deviceType: Dell/PowerEdge R750", "deviceType: Dell/PowerEdge R757")
    .replace("bootPort: OCP 25G 1", "bootPort: OCP 25G 9");
  writeFileSync(file, text);
  return file;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "turnup-cli-"));
  controlPlane = spawn(process.execPath, [join(root, "cli/run/control-plane.ts")], { cwd: dir, stdio: "ignore" });
  const endpoint = join(dir, ".turnup/control-plane.json");
  for (let n = 0; n < 1_200 && !(await readJsonFile(endpoint, z.object({ url: z.string() }))); n++) await sleep(50);
}, 90_000);

afterAll(async () => {
  const ended = new Promise((resolve) => controlPlane.once("exit", resolve));
  controlPlane.kill("SIGTERM");
  await ended;
  rmSync(dir, { recursive: true, force: true });
}, 30_000);

describe("turnup, against a control plane of this machine", { timeout: 60_000 }, () => {
  it("imports device types, with a report per file", async () => {
    const good = await run("device-type", "import", join(root, "examples/device-types"));
    expect(good).toMatchObject({ code: 0 });
    expect(good.out.at(-1)).toMatch(/^\d+ device types imported, 0 refused$/);
    const mixed = await run("device-type", "import", join(root, "examples/device-types"), join(root, "package.json"));
    expect(mixed).toMatchObject({ code: 3 });
    expect(mixed.text).toContain(`${join(root, "package.json")}: refused`);
    const bad = join(dir, "bad.yaml");
    writeFileSync(bad, "model: Box\nu_height: tall\n");
    const refused = await run("device-type", "import", bad);
    expect(refused).toMatchObject({
      code: 2,
      out: [`${bad}: refused`, ...(await run("device-type", "check", bad)).out, "0 device types imported, 1 refused"],
    });
    expect(refused.out[2]).toBe(
      `${bad}:2:11 device_type_fault u_height is no number. Write: u_height: rack units in halves, as 1 or 0.5`,
    );
  });

  it("says of a switch that it is recorded and not installed", async () => {
    const { out } = await run("device-type", "check", join(root, "examples/device-types/Arista/DCS-7010TX-48-F.yaml"));
    expect(out.at(-1)).toBe("This is network gear, which Turnup records and does not install.");
  });

  it("imports a site, and the same again changes nothing", async () => {
    expect(await run("site", "import", site)).toMatchObject({ code: 0, out: [expect.stringContaining("27 added")] });
    expect(await run("site", "import", site)).toMatchObject({
      code: 0,
      out: [expect.stringContaining("0 added, 0 changed, 27 unchanged")],
    });
    const shown = await run("site", "show", "ams01");
    expect(shown.text).toMatch(/compute-01 .* planned/);
    expect(shown.out).toContain("At once: 2000 steps, 1 disruptive; 40 bmc.power, 64 ramdisk.writeImage");
  });

  it("prints each fault of a site file in one line, and imports nothing", async () => {
    const before = await run("site", "list", "--json");
    const broken = await run("site", "import", brokenFile());
    expect(broken.code).toBe(2);
    expect(broken.out.length).toBeGreaterThanOrEqual(3);
    for (const line of broken.out) expect(line).toMatch(/^\S+site\.yaml:\d+:\d+ [a-z0-9_]+ .+\. Write: .+/);
    expect((await run("site", "list", "--json")).text).toBe(before.text);
  });

  it("finds file faults without a control plane", async () => {
    const away = { TURNUP_URL: "http://127.0.0.1:9", TURNUP_TOKEN: "none" };
    expect(await runWith(away, "site", "import", brokenFile())).toMatchObject({ code: 2 });
    expect(await runWith(away, "site", "import", join(dir, "nothing.yaml"))).toMatchObject({ code: 2 });
    expect(await runWith(away, "site", "list")).toMatchObject({
      code: 1,
      said: expect.stringContaining("unavailable: "),
    });
  });

  it("gives mistakes made here a next step of their own", async () => {
    const tried = [
      [await run("site", "import", dir), "file_unreadable", "Name a file"],
      [await run("site", "import", join(dir, "nothing.yaml")), "not_found", "Name a file"],
      [await run("device-type", "check", dir), "file_unreadable", "Name a file"],
      [await run("plan", "server.install", "compute-01", "--params", "{"), "usage", "--help"],
      [await run("token", "create", "x", "--ttl", "5y"), "usage", "--help"],
      [await run("apply", "pln_x"), "usage", "`turnup plan` printed it"],
      [await run("fleet", "limit", "many"), "usage", "--help"],
      [await runWith({ TURNUP_URL: "notaurl" }, "site", "list"), "usage", "--help"],
      [await runWith({ TURNUP_URL: "http://127.0.0.1:9" }, "site", "list"), "no_control_plane", "TURNUP_TOKEN"],
    ] as const;
    for (const [{ code, said }, name, next] of tried) {
      expect(said).toMatch(new RegExp(`^${name}: `));
      expect(said).toContain(next);
      expect(said).not.toContain("openapi.json");
      expect(code).toBe(2);
    }
  });

  it("[T1] refuses a plan without targets or with unknown ones", async () => {
    expect(await run("plan", "server.install")).toMatchObject({ code: 2 });
    const unknown = await run("plan", "server.install", "compute-01", "nobody", "--json");
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.json()).toMatchObject({ error: { code: "target_unknown" } });
    expect(await run("plan", "server.paint", "compute-01")).toMatchObject({
      code: 2,
      said: expect.stringContaining("workflow_unknown"),
    });
  });

  it("plans, refuses a stale hash, applies once whatever is repeated, and cancels", async () => {
    const planned = await run("plan", "server.install", "compute-01", "--json");
    const { plan, hash } = planned.json() as { plan: { id: string }; hash: string };
    expect(await run("apply", plan.id, "--hash", "0".repeat(64))).toMatchObject({
      code: 2,
      said: expect.stringContaining("plan_stale"),
    });
    const first = await run("apply", plan.id, "--hash", hash, "--key", "k1", "--json");
    const again = await run("apply", plan.id, "--hash", hash, "--key", "k1", "--json");
    expect(first.code).toBe(0);
    const { id } = first.json() as { id: string };
    expect(again.json()).toMatchObject({ id });
    expect((await run("jobs")).text).toContain(id);
    const explained = await run("explain", "compute-01", "--json");
    expect(explained.json()).toMatchObject({ job: id, waitingOn: expect.any(String) });
    const held = await run("plan", "server.install", "compute-01");
    expect(held).toMatchObject({ code: 2, text: expect.stringContaining("It would be refused now: locks") });
    expect(held.text).not.toContain("turnup apply");
    expect(await run("cancel", id, "--reason", "test")).toMatchObject({
      code: 0,
      text: expect.stringContaining("nothing of it is still at work"),
    });
    const watched = await run("watch", id);
    expect(watched).toMatchObject({
      code: 1,
      text: expect.stringContaining("0 active, 0 failed, 0 waiting, 1 cancelled"),
    });
    expect((await run("jobs", id)).text).toContain("cancelled");
  });

  it("pauses, resumes, retries and skips, and says in words what a job waits for", async () => {
    const planned = (await run("plan", "server.install", "compute-02", "--json")).json();
    const { plan, hash } = planned as { plan: { id: string }; hash: string };
    expect(await run("apply", plan.id, "--hash", hash, "--priority", "10")).toMatchObject({
      code: 2,
      said: expect.stringContaining("usage: --priority takes a whole number from 0 to 9."),
    });
    const applied = await run("apply", plan.id, "--hash", hash, "--priority", "8", "--json");
    const { id } = applied.json() as { id: string };
    const paused = await run("pause", id, "--reason", "the power is tested");
    expect(paused).toMatchObject({ code: 0, out: [`Job ${id} is paused. It goes on with: turnup resume ${id}`] });
    const shown = (await run("jobs", id)).out;
    expect(shown[0]).toContain("paused, priority 8;");
    expect(shown[1]).toMatch(/^Paused by \S+, \d{4}-/);
    expect(shown[2]).toMatch(/^Waits for \S+ to resume the job \(`turnup resume \S+`\): the power is tested$/);
    expect(shown[3]).toMatch(/^Given up if it has not ended in (29 d 23|30 d 0) h$/);
    const explained = await run("explain", "compute-02");
    expect(explained.text).toContain(`Would change it: \`turnup resume ${id}\` lets it go on`);
    expect((await run("jobs")).text).toMatch(new RegExp(`${id} .* 8 +paused `));
    expect(await run("resume", id, "--json")).toMatchObject({ code: 0 });

    expect(await run("skip", id, "compute-02", "inventory")).toMatchObject({
      code: 2,
      said: expect.stringContaining("--reason is missing"),
    });
    expect(await run("skip", id, "compute-02", "8", "--reason", "haste")).toMatchObject({
      code: 2,
      said: expect.stringContaining("skip_refused: prove-blank proves blank"),
    });
    expect(await run("skip", id, "compute-02", "inventory", "--reason", "its BMC lists none")).toMatchObject({
      code: 0,
      out: [expect.stringContaining("compute-02 has left out inventory.")],
    });
    const left = (await run("jobs", id)).text;
    expect(left).toMatch(/compute-02 .* 1\/12 \(1 skipped\) /);
    expect(left).toMatch(/compute-02 +2 +inventory +skipped .* left out by \S+: its BMC lists none/);
    expect(await run("retry", id, "compute-02", "--watch")).toMatchObject({
      code: 2,
      said: expect.stringContaining("retry_refused"),
    });
    expect(await run("cancel", id)).toMatchObject({ code: 0 });
    expect(await run("pause", id)).toMatchObject({ code: 2, said: expect.stringContaining("job_final") });
  });

  it("[S3] a token may do what its role and sites allow, until it is revoked", async () => {
    const made = await run("token", "create", "looker", "--role", "viewer", "--site", "ams01", "--ttl", "1h", "--json");
    const { id, token } = made.json() as { id: string; token: string };
    const { url } = JSON.parse(
      JSON.stringify(await readJsonFile(join(dir, ".turnup/control-plane.json"), z.object({ url: z.string() }))),
    ) as { url: string };
    const as = { TURNUP_URL: url, TURNUP_TOKEN: token };
    expect(await runWith(as, "site", "list")).toMatchObject({ code: 0, text: expect.stringContaining("ams01") });
    expect(await runWith(as, "plan", "server.install", "compute-01")).toMatchObject({
      code: 2,
      said: expect.stringContaining("forbidden"),
    });
    const listed = (await run("token", "list")).text;
    expect(listed).not.toContain(token);
    expect(listed).toMatch(/looker +viewer +ams01 /);
    const told = await run("token", "create", "other", "--ttl", "1h");
    expect(told.out).toEqual([expect.stringMatching(/^\S+$/)]);
    expect(told.said).toMatch(/^Token \S+: viewer at all sites, until \d{4}-.* UTC/);
    expect(await run("token", "revoke", id)).toMatchObject({ code: 0 });
    expect(await runWith(as, "site", "list")).toMatchObject({
      code: 2,
      said: expect.stringContaining("unauthenticated"),
    });
  });

  it("freezes and thaws the fleet", async () => {
    expect(await run("fleet", "freeze")).toMatchObject({ code: 0, text: expect.stringContaining("Frozen") });
    expect(await run("fleet", "thaw")).toMatchObject({ code: 0, text: expect.stringContaining("Not frozen") });
    expect(await run("fleet", "limit", "3")).toMatchObject({ code: 0, text: expect.stringContaining("at most 3") });
  });

  it("makes an enrolment token and lists agents and findings", async () => {
    const invited = await run("agent", "enrol-token", "ams01");
    expect(invited.out).toEqual([expect.stringMatching(/^enr_/)]);
    expect(invited.said).toMatch(/^For one agent of ams01, once, until \d{4}-.* UTC\./);
    expect(await run("agent", "list", "--site", "ams01")).toMatchObject({ code: 0 });
    expect(await run("findings", "--json")).toMatchObject({ code: 0, out: ["[]"] });
  });

  it("refuses what it does not understand, and helps", async () => {
    expect(await run("levitate")).toMatchObject({ code: 2 });
    expect(await run("token", "create", "x", "--role", "king")).toMatchObject({ code: 2 });
    expect(await run("token", "create", "x", "--ttl", "soon")).toMatchObject({ code: 2 });
    expect(await run("--help")).toMatchObject({ code: 0, text: expect.stringContaining("Exit codes") });
    expect(await run("--version")).toMatchObject({ code: 0, out: [VERSION] });
  });
});
