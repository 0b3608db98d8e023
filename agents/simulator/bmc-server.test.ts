import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
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
  const device = testDevice(1, manufacturer);
  const machine: ServedMachine = {
    device,
    personality: personalityOf(manufacturer),
    identity: device.asset.serial,
    macs: device.install?.bom.macs ?? [],
    power: () => "Off",
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
    struck: () => undefined,
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
  return { url, port, ask, login, token, resets, override: () => override };
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

it("has a limit of sessions, as Dell's has", async () => {
  const { login } = await setUp("Dell");
  for (let i = 0; i < 8; i++) expect((await login()).status).toBe(201);
  expect((await login()).status).toBe(503);
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
])("[P2] %s's answers 'off already' in its own way, and switches on", async (vendor, id, status) => {
  const { ask, token, resets } = await setUp(vendor);
  const auth = await token();
  const reset = (ResetType: string) =>
    ask("POST", `/redfish/v1/Systems/${id}/Actions/ComputerSystem.Reset`, { ResetType }, auth);
  expect((await reset("ForceOff")).status).toBe(status);
  expect((await reset("Explode")).status).toBe(400);
  expect((await reset("On")).status).toBe(204);
  expect(resets).toEqual(["On"]);
});

it("answers 503 as often as planted", async () => {
  const { ask } = await setUp("Acme", [{ machine: "r01u01", fault: "bmc-503", count: 2 }]);
  const statuses = [];
  for (let i = 0; i < 3; i++) statuses.push((await ask("GET", "/redfish/v1/")).status);
  expect(statuses).toEqual([503, 503, 200]);
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
