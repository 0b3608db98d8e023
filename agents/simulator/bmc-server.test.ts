import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { BmcServer } from "./bmc-server.ts";
import { Faults, type PlantedFault, seededRandom } from "./faults.ts";
import { personalityOf } from "./personality.ts";
import type { BootOverride, ServedMachine } from "./redfish.ts";
import { testDevice, user } from "./testing/site.ts";
import { Witness } from "./witness.ts";

let dir: string;
let server: BmcServer;

async function setUp(manufacturer: string, planted: PlantedFault[] = []) {
  dir = mkdtempSync(join(tmpdir(), "turnup-bmc-"));
  let override: BootOverride = {
    BootSourceOverrideTarget: "None",
    BootSourceOverrideEnabled: "Disabled",
    BootSourceOverrideMode: "UEFI",
  };
  const resets: string[] = [];
  const now: { power: ReturnType<ServedMachine["power"]> } = { power: "Off" };
  let strikes = 0;
  const device = testDevice(1, manufacturer);
  const machine: ServedMachine = {
    device,
    personality: personalityOf(manufacturer),
    identity: device.asset.serial,
    macs: device.install?.bom.macs ?? [],
    power: () => now.power,
    override: () => override,
    setOverride: (next) => {
      override = next;
    },
    reset: (type) => resets.push(type),
  };
  server = new BmcServer({
    machine,
    credentials: user,
    faults: new Faults(planted, {}, seededRandom(1)),
    struck: () => {
      strikes += 1;
    },
    witness: new Witness(join(dir, "witness.ndjson"), Date.now),
    speed: 1_000,
  });
  const port = await server.listen("127.0.0.1", 0);
  const url = `http://127.0.0.1:${port}`;
  const ask = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
    fetch(url + path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
  const login = async (password = user.password) =>
    ask("POST", "/redfish/v1/SessionService/Sessions", { UserName: user.username, Password: password });
  const token = async () => ({ "x-auth-token": (await login()).headers.get("x-auth-token") ?? "" });
  return { url, port, ask, login, token, resets, now, override: () => override, strikes: () => strikes };
}
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

it("opens the root only, gives a session for the password, and forgets it when it is deleted", async () => {
  const { ask, login } = await setUp("Acme");
  expect((await ask("GET", "/redfish/v1/")).status).toBe(200);
  expect((await ask("GET", "/redfish/v1/Systems")).status).toBe(401);
  expect((await login("guess")).status).toBe(401);
  const opened = await login();
  const auth = { "x-auth-token": opened.headers.get("x-auth-token") ?? "" };
  expect(opened.status).toBe(201);
  expect((await ask("GET", "/redfish/v1/Systems", undefined, auth)).status).toBe(200);
  expect((await ask("DELETE", opened.headers.get("location") ?? "", undefined, auth)).status).toBe(204);
  expect((await ask("GET", "/redfish/v1/Systems", undefined, auth)).status).toBe(401);
});

it("[S1] has a limit of sessions, as Dell's has; the end of one makes room", async () => {
  const { ask, login } = await setUp("Dell");
  const first = await login();
  for (let i = 1; i < 8; i++) expect((await login()).status).toBe(201);
  const refused = await login();
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "30"]);
  const auth = { "x-auth-token": first.headers.get("x-auth-token") ?? "" };
  const list = (await (await ask("GET", "/redfish/v1/SessionService/Sessions", undefined, auth)).json()) as object;
  expect(list).toMatchObject({ "Members@odata.count": 8 });
  expect((await ask("DELETE", first.headers.get("location") ?? "", undefined, auth)).status).toBe(204);
  expect((await login()).status).toBe(201);
});

it("ends a session that nobody used for as long as it says", async () => {
  const { ask, token } = await setUp("Lenovo");
  const auth = await token();
  const read = async () => (await ask("GET", "/redfish/v1/SessionService", undefined, auth)).status;
  const timeout = (await (await ask("GET", "/redfish/v1/SessionService", undefined, auth)).json()) as object;
  expect(timeout).toMatchObject({ SessionTimeout: 300 });
  const now = vi.spyOn(Date, "now");
  const start = Date.now();
  now.mockImplementation(() => start + 299_000);
  expect(await read()).toBe(200);
  now.mockImplementation(() => start + 299_000 + 301_000);
  expect(await read()).toBe(401);
  now.mockRestore();
});

it("takes the password as well, for one request, and says how it wants to be asked", async () => {
  const { ask } = await setUp("Acme");
  const basic = (password: string) => ({
    authorization: `Basic ${Buffer.from(`${user.username}:${password}`).toString("base64")}`,
  });
  expect((await ask("GET", "/redfish/v1/Systems", undefined, basic(user.password))).status).toBe(200);
  const refused = await ask("GET", "/redfish/v1/Systems", undefined, basic("guess"));
  expect(refused.status).toBe(401);
  expect(refused.headers.get("www-authenticate")).toContain("Basic");
  // Nobody is told the password back.
  expect(await refused.text()).not.toContain("guess");
});

it("refuses what it does not understand, and stays", async () => {
  const { ask, token, url } = await setUp("Acme");
  const auth = await token();
  const system = "/redfish/v1/Systems/Self";
  const raw = (body: string) => fetch(url + system, { method: "PATCH", headers: auth, body });
  expect((await raw("{")).status).toBe(400);
  expect((await raw("")).status).toBe(400);
  expect((await raw(JSON.stringify({ Boot: "x".repeat(70_000) }))).status).toBe(413);
  const deleted = await ask("DELETE", system, undefined, auth);
  expect([deleted.status, deleted.headers.get("allow")]).toEqual([405, "GET, HEAD, PATCH"]);
  expect((await ask("GET", "/redfish/v1/Systems/Nobody", undefined, auth)).status).toBe(404);
  const head = await ask("HEAD", system, undefined, auth);
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

it.each(["Dell", "HPE", "Lenovo", "Supermicro", "Acme"])(
  "[B8] %s's gives back the override that was set, and refuses values that it does not list",
  async (vendor) => {
    const { ask, token, override } = await setUp(vendor);
    const auth = await token();
    const path = `/redfish/v1/Systems/${personalityOf(vendor).system}`;
    const patch = (Boot: object) => ask("PATCH", path, { Boot }, { ...auth, "if-match": "*" });
    const pxe = { BootSourceOverrideTarget: "Pxe", BootSourceOverrideEnabled: "Once", BootSourceOverrideMode: "UEFI" };
    expect((await patch(pxe)).ok).toBe(true);
    const read = (await (await ask("GET", path, undefined, auth)).json()) as { Boot: Record<string, unknown> };
    expect(read.Boot).toMatchObject(pxe);
    expect(read.Boot["BootSourceOverrideTarget@Redfish.AllowableValues"]).toContain("Pxe");
    for (const [name, value] of [
      ["BootSourceOverrideTarget", "Moon"],
      ["BootSourceOverrideEnabled", "Twice"],
      ["BootSourceOverrideMode", 7],
    ])
      expect((await patch({ ...pxe, [String(name)]: value })).status).toBe(400);
    expect(override()).toEqual(pxe);
    await patch({ BootSourceOverrideTarget: "None" });
    expect(override().BootSourceOverrideEnabled).toBe("Disabled");
  },
);

it.each(["Dell", "HPE", "Lenovo", "Supermicro", "Acme"])(
  "%s's tells which resets it takes, inline or behind ActionInfo, and takes exactly these",
  async (vendor) => {
    const { ask, token, now, resets } = await setUp(vendor);
    const auth = await token();
    const { system, actionInfo } = personalityOf(vendor);
    const read = async (path: string) => (await (await ask("GET", path, undefined, auth)).json()) as object;
    const { Actions } = (await read(`/redfish/v1/Systems/${system}`)) as { Actions: Record<string, object> };
    const action = Actions["#ComputerSystem.Reset"] as Record<string, unknown>;
    const info = action["@Redfish.ActionInfo"];
    expect(info !== undefined).toBe(actionInfo);
    const types =
      info === undefined
        ? (action["ResetType@Redfish.AllowableValues"] as string[])
        : ((await read(String(info))) as { Parameters: { AllowableValues: string[] }[] }).Parameters[0]
            ?.AllowableValues;
    expect(types).toEqual(expect.arrayContaining(["On", "ForceOff"]));
    now.power = "On";
    const reset = async (ResetType: string) => (await ask("POST", String(action.target), { ResetType }, auth)).status;
    expect(await reset("ForceOff")).toBe(204);
    expect(await reset("Unplug")).toBe(400);
    // One that is on its way up can be stopped.
    now.power = "PoweringOn";
    expect(await reset("ForceOff")).toBe(204);
    expect(resets).toEqual(["ForceOff", "ForceOff"]);
  },
);

it("HPE's tells no drives while the machine is off", async () => {
  const { ask, token, now } = await setUp("HPE");
  const auth = await token();
  const drives = async () =>
    (await ask("GET", "/redfish/v1/Systems/1/Storage/DE00C000/Drives/1/", undefined, auth)).status;
  expect(await drives()).toBe(404);
  now.power = "On";
  expect(await drives()).toBe(200);
});

it.each([
  ["Dell", "/redfish/v1/Systems/System.Embedded.1", "SKU"],
  ["HPE", "/redfish/v1/Systems/1/", "SerialNumber"],
  ["Lenovo", "/redfish/v1/Systems/1", "SerialNumber"],
  ["Supermicro", "/redfish/v1/Systems/1", "SerialNumber"],
  ["Acme", "/redfish/v1/Systems/Self", "SerialNumber"],
])(
  "every link of %s leads somewhere, and the identity stands where the vendor puts it",
  async (vendor, system, field) => {
    const { ask, token } = await setUp(vendor);
    const auth = await token();
    const seen = new Map<string, Record<string, unknown>>();
    const todo = ["/redfish/v1/"];
    for (let path = todo.pop(); path !== undefined && seen.size < 200; path = todo.pop()) {
      if (seen.has(path)) continue;
      const response = await ask("GET", path, undefined, auth);
      // Drives that cannot be read while the machine is off.
      if (response.status === 404 && path.includes("/Storage")) continue;
      expect(response.status, path).toBe(200);
      const text = await response.text();
      seen.set(path, JSON.parse(text) as Record<string, unknown>);
      for (const [, link] of text.matchAll(/"@(?:odata\.id|Redfish\.ActionInfo)":"([^"#]+)"/g))
        if (link) todo.push(link);
    }
    expect(seen.get(system)?.[field]).toBe("SN-1");
  },
);

it("[B1] Lenovo's wants If-Match, and refuses one that is stale", async () => {
  const { ask, token, override } = await setUp("Lenovo");
  const auth = await token();
  const path = "/redfish/v1/Systems/1";
  const patch = (headers: Record<string, string>) =>
    ask(
      "PATCH",
      path,
      { Boot: { BootSourceOverrideTarget: "Pxe", BootSourceOverrideEnabled: "Once" } },
      { ...auth, ...headers },
    );
  expect((await patch({})).status).toBe(428);
  expect((await patch({ "if-match": '"stale"' })).status).toBe(412);
  const etag = (await ask("GET", path, undefined, auth)).headers.get("etag") ?? "";
  expect((await patch({ "if-match": etag })).status).toBe(204);
  expect(override()).toMatchObject({ BootSourceOverrideTarget: "Pxe", BootSourceOverrideEnabled: "Once" });
});

it("[B4] Supermicro's resets what a boot override leaves out", async () => {
  const { ask, token, override } = await setUp("Supermicro");
  const auth = await token();
  await ask("PATCH", "/redfish/v1/Systems/1", { Boot: { BootSourceOverrideTarget: "Pxe" } }, auth);
  expect(override()).toMatchObject({ BootSourceOverrideEnabled: "Once", BootSourceOverrideMode: "Legacy" });
});

it.each([
  ["Dell", "System.Embedded.1", 409],
  ["HPE", "1", 400],
  ["Lenovo", "1", 204],
])("[P2] %s's answers 'off already' and 'on already' in its own way, and does nothing", async (vendor, id, status) => {
  const { ask, token, resets, now } = await setUp(vendor);
  const auth = await token();
  const reset = (ResetType: string) =>
    ask("POST", `/redfish/v1/Systems/${id}/Actions/ComputerSystem.Reset`, { ResetType }, auth);
  expect((await reset("ForceOff")).status).toBe(status);
  expect((await reset("Explode")).status).toBe(400);
  expect((await reset("On")).status).toBe(204);
  expect(resets).toEqual(["On"]);
  for (const power of ["PoweringOn", "On"] as const) {
    now.power = power;
    expect((await reset("On")).status).toBe(status);
  }
  expect(resets).toEqual(["On"]);
});

it("answers 503 as often as planted, and says when to try again", async () => {
  const { ask, strikes } = await setUp("Acme", [{ machine: "r01u01", fault: "bmc-503", count: 2 }]);
  const answers = [];
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await ask("GET", "/redfish/v1/");
    answers.push([status, headers.get("retry-after")]);
  }
  expect(answers).toEqual([
    [503, "5"],
    [503, "5"],
    [200, null],
  ]);
  // Each was kept, so that a restart of the simulator does not strike again.
  expect(strikes()).toBe(2);
});

it("restarts once when planted: it breaks connections for a while, and has forgotten its sessions", async () => {
  const { ask, token } = await setUp("Acme", [{ machine: "r01u01", fault: "bmc-reboot" }]);
  const auth = await token();
  const read = () =>
    ask("GET", "/redfish/v1/Systems", undefined, auth).then(
      (r) => r.status,
      () => "broken",
    );
  const seen = [];
  for (let i = 0; i < 1_000 && seen.at(-1) !== 401; i++) {
    seen.push(await read());
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect([...new Set(seen)]).toEqual([200, "broken", 401]);
  expect((await ask("GET", "/redfish/v1/Systems", undefined, await token())).status).toBe(200);
});

it("outlives a caller that breaks off within its request", async () => {
  const { ask, port } = await setUp("Acme");
  await new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(
        "POST /redfish/v1/SessionService/Sessions HTTP/1.1\r\nhost: b\r\ncontent-length: 99\r\n\r\n{",
        () => {
          socket.destroy();
          resolve();
        },
      );
    });
  });
  expect((await ask("GET", "/redfish/v1/")).status).toBe(200);
});
