/** The client against the captures of real BMCs, read by their own links. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sharedData } from "../../../lab/shared-data.ts";
import { readInventory } from "./inventory.ts";
import type { BmcOwner } from "./owner.ts";
import { type Bmc, readSystem } from "./redfish.ts";

const data = sharedData();
const folder = data === undefined ? undefined : join(data, "redfish");
const files =
  folder !== undefined && existsSync(folder)
    ? readdirSync(folder).filter((f) => f.endsWith(".json") && !f.startsWith("samples-"))
    : [];

/** Serial, CPUs, memory modules and drives, as read from the captures. */
const parts: Record<string, unknown[]> = {
  "dell-r750-idrac9-6.00.30.00.json": ["F54P1G3", 2, 16, 3],
  "gigabyte-h262z63-megarac-12.84.13.json": ["GJG9NF512A000302", 2, 16, 1],
  "hpe-dl380agen11-ilo6-1.66.json": ["2M2D2J00L4", 2, 16, 7],
  // This iLO keeps its drives in an extension of its own: told as "not reported", never as "none".
  "hpe-dl325gen10plus-ilo5-2.46.json": ["MXQ019020B", 1, 4, undefined],
  "supermicro-x10sdv-bmc4.00.json": [undefined, 1, 4, undefined],
};

/** A BMC that answers every read from one capture. */
function captured(file: string): { bmc: Bmc; reads: string[] } {
  const whole = JSON.parse(readFileSync(join(folder ?? "", file), "utf8")) as { resources?: Record<string, unknown> };
  const bodies = whole.resources ?? {};
  const slim = (path: string) => path.replace(/\/+$/, "");
  const map = new Map(Object.entries(bodies).map(([path, body]) => [slim(path), body]));
  const root = map.get("/redfish/v1") as { Systems?: { "@odata.id": string } } | undefined;
  if (!root?.Systems) throw new Error(`${file} has no service root`);
  const reads: string[] = [];
  const owner: BmcOwner = {
    async send(_fence, method, path) {
      reads.push(`${method} ${path}`);
      const json = map.get(slim(path));
      return { status: json === undefined ? 404 : 200, login: 1, etag: undefined, location: undefined, json };
    },
    root: async () => root as Awaited<ReturnType<BmcOwner["root"]>>,
    memo: new Map(),
    close: async () => {},
  };
  return { bmc: { owner, fence: { admit: async () => {} }, name: file }, reads };
}

describe.skipIf(files.length === 0)("captures of real BMCs", () => {
  it.each(files)("%s: finds the host's system and its parts, with reads alone", async (file) => {
    const capture = captured(file);
    const system = await readSystem(capture.bmc);
    expect(system.path).not.toMatch(/Capabilities/);
    const seen = await readInventory(capture.bmc, system);
    expect(capture.reads.every((r) => r.startsWith("GET "))).toBe(true);
    expect(capture.reads.length).toBeLessThan(400);
    for (const nic of seen.nics ?? []) expect(nic.mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    for (const dimm of seen.memory ?? []) expect(dimm.sizeMiB).toBeGreaterThan(0);
    if (system.manufacturer?.startsWith("Dell")) expect(system.serial).toBe(system.raw.SKU);
    const known = parts[file];
    if (known) expect([system.serial, seen.cpus?.length, seen.memory?.length, seen.drives?.length]).toEqual(known);
  });
});
