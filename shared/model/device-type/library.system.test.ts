import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { sharedData } from "../../../lab/shared-data.ts";
import { checkInstallable } from "./installable.ts";
import { readDeviceType } from "./read.ts";

const data = sharedData();
const root = data && join(data, "device-types");
const files = root
  ? readdirSync(root, { recursive: true, encoding: "utf8" })
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
  : [];

describe.skipIf(!root)("the device types of the NetBox library, as they are", () => {
  const read = (name: string) => {
    const result = readDeviceType(parse(readFileSync(join(root ?? "", name), "utf8")));
    if (!result.ok) expect.fail(`${name}: ${JSON.stringify(result.problem)}`);
    return result.value;
  };

  it("finds them", () => expect(files.length).toBeGreaterThanOrEqual(63));

  it.each(files)("reads %s and loses nothing", (name) => {
    const original = parse(readFileSync(join(root ?? "", name), "utf8"));
    expect(read(name).type).toMatchObject(original);
  });

  it("reports what is really missing or odd", () => {
    expect(read("Lenovo/ThinkSystem-SR630.yaml").report.missing).toEqual([
      "u_height: taken as 1, as NetBox does",
      "slug: derived as lenovo-thinksystem-sr630",
    ]);
    expect(read("Supermicro/AS-1115CS-TNR.yml").report).toEqual({ tolerated: [], missing: [] });
  });

  it("says why a sled, a power strip and a chassis without ports cannot be installed as they are", () => {
    const codes = (name: string) => checkInstallable(read(name).type).map((gap) => gap.code);
    expect(codes("HPE/Synergy-480-Gen10.yaml")).toContain("no_place");
    expect(codes("APC/AP8941.yaml")).toContain("not_a_machine");
    expect(codes("Dell/PowerEdge-C6400.yaml")).toContain("management_port_missing");
    expect(codes("Mellanox/SN2010.yml")).toContain("network_gear");
    expect(codes("Dell/PowerEdge-R650.yaml")).toEqual(["boot_port_open", "parts_missing"]);
  });
});
