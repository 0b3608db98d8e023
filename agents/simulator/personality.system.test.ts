/** Our compact personalities against captures of the real BMCs: every link and property that we serve, they serve as well. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sharedData } from "../../lab/shared-data.ts";
import { personalityOf } from "./personality.ts";
import { answer, type ServedMachine } from "./redfish.ts";
import { testDevice } from "./testing/site.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Resource = { [key: string]: Json };

const shared = sharedData();

/** Vendors with a capture of their own (Lenovo has none), and what we serve that no capture of theirs shows, with the reason. */
const vendors: readonly { vendor: string; files: readonly string[]; exceptions: Readonly<Record<string, string>> }[] = [
  { vendor: "Dell", files: ["dell-r750-idrac9-6.00.30.00"], exceptions: {} },
  { vendor: "HPE", files: ["hpe-dl325gen10plus-ilo5-2.46", "hpe-dl380agen11-ilo6-1.66"], exceptions: {} },
  {
    vendor: "Supermicro",
    files: ["supermicro-x10sdv-bmc4.00", "samples-bmclib-fixtures"],
    exceptions: {
      ActionInfo: "newer ones link to it, but the samples stop at the link",
      Bios: "newer ones link to it, but the samples stop at the link",
      "EthernetInterface.LinkStatus": "the captured BMCs are too old to tell it; the agent reads it where it is told",
      "EthernetInterface.PermanentMACAddress":
        "the captured BMCs are too old to tell it; the agent takes either address",
    },
  },
];

/** Every resource of a capture; of the collected samples, those of Supermicro's newer BMCs. */
function resourcesOf(file: string): Resource[] {
  const path = join(shared ?? "", "redfish", `${file}.json`);
  expect(existsSync(path), path).toBe(true);
  const { resources, files = {} } = JSON.parse(readFileSync(path, "utf8")) as {
    resources?: Record<string, Resource>;
    files?: Record<string, Resource>;
  };
  const samples = Object.entries(files).filter(([name]) => /\/smc_|\/supermicro\//.test(name));
  return resources ? Object.values(resources) : samples.map(([, resource]) => resource);
}

const bare = (path: string): string => path.replace(/\/+$/, "");

/** Our whole service of this vendor's, powered on, by following its links. */
function served(vendor: string): Map<string, Resource> {
  const device = testDevice(1, vendor);
  const machine: ServedMachine = {
    device,
    personality: personalityOf(vendor),
    identity: device.asset.serial,
    macs: device.install?.bom.macs ?? [],
    power: () => "On",
    override: () => ({
      BootSourceOverrideTarget: "None",
      BootSourceOverrideEnabled: "Disabled",
      BootSourceOverrideMode: "UEFI",
    }),
    setOverride: () => undefined,
    reset: () => undefined,
  };
  const out = new Map<string, Resource>();
  const todo = ["/redfish/v1"];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    // Sessions are the server's own (bmc-server.ts).
    if (out.has(bare(path)) || bare(path).endsWith("/Sessions")) continue;
    const { status, body } = answer(machine, { method: "GET", path, headers: {}, body: null });
    expect(status, path).toBe(200);
    out.set(bare(path), body as Resource);
    for (const [, link] of JSON.stringify(body).matchAll(/"@(?:odata\.id|Redfish\.ActionInfo)":"([^"#]+)"/g))
      if (link) todo.push(link);
  }
  return out;
}

const typeOf = (resource: Resource): string => /#(\w+)\./.exec(String(resource["@odata.type"]))?.[1] ?? "?";

/** JSON types by property path; elements of lists under `[]`. */
function shape(value: Json, path = "", out = new Map<string, Set<string>>()): Map<string, Set<string>> {
  const kind = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  if (path !== "") out.set(path, (out.get(path) ?? new Set()).add(kind));
  if (Array.isArray(value)) for (const each of value) shape(each, `${path}[]`, out);
  else if (value !== null && typeof value === "object")
    for (const [key, each] of Object.entries(value)) shape(each, path === "" ? key : `${path}.${key}`, out);
  return out;
}

it.skipIf(shared === undefined).each(vendors)(
  "$vendor: what we serve is what the real one serves",
  ({ vendor, files, exceptions }) => {
    const captured = new Map<string, Map<string, Set<string>>>();
    const paths = new Set<string>();
    for (const resource of files.flatMap(resourcesOf)) {
      paths.add(bare(String(resource["@odata.id"])).toLowerCase());
      const type = typeOf(resource);
      captured.set(type, shape(resource, "", captured.get(type)));
    }
    const odd = new Set<string>();
    for (const [uri, resource] of served(vendor)) {
      const type = typeOf(resource);
      const theirs = captured.get(type);
      if (!theirs) {
        odd.add(type);
        continue;
      }
      // Names of parts are the machine's own; what leads to them is the vendor's.
      if (/Collection$|ServiceRoot|ComputerSystem|Chassis|Manager$/.test(type) && !paths.has(uri.toLowerCase()))
        odd.add(uri);
      for (const [name, kinds] of shape(resource)) {
        const real = theirs.get(name);
        if (!real || (!real.has("null") && ![...kinds].every((k) => real.has(k)))) odd.add(`${type}.${name}`);
      }
    }
    expect([...odd].sort()).toEqual(Object.keys(exceptions).sort());
  },
);
