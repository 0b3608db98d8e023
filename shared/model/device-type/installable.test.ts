import { expect, it } from "vitest";
import type { DeviceType } from "./device-type.ts";
import { checkInstallable } from "./installable.ts";

const base: DeviceType = { manufacturer: "Acme", model: "Box", slug: "acme-box", u_height: 1, is_full_depth: true };
const codes = (extra: Partial<DeviceType>) =>
  checkInstallable({ ...base, ...extra }).map((gap) => `${gap.level} ${gap.code}`);
const bmc = { name: "BMC", type: "1000base-t", mgmt_only: true };

it("always asks the class for parts, which no type of the library has", () => {
  const full = { interfaces: [bmc, { name: "e0", type: "1000base-t" }], "module-bays": [{ name: "OCP" }] };
  expect(codes({ ...full, "power-ports": [{ name: "P", type: "c14", maximum_draw: 500 }] })).toEqual([
    "class boot_port_open",
    "class parts_missing",
  ]);
});

it("asks for the BMC port where none or several are marked", () => {
  expect(codes({ interfaces: [] })).toContain("class management_port_missing");
  expect(codes({ interfaces: [bmc, { ...bmc, name: "B2" }] })).toContain("class management_port_ambiguous");
  expect(codes({ interfaces: [bmc] })).toContain("class boot_port_missing");
});

it("says what no class can mend", () => {
  expect(codes({ u_height: 0 })).toContain("blocks no_place");
  expect(codes({ subdevice_role: "child" })).toContain("blocks no_place");
});

it("asks nothing more of gear that is no machine", () => {
  const ports = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ name: `e${n}`, type: "25gbase-x-sfp28" }));
  expect(codes({ "power-outlets": [{ name: "1", type: "iec-60320-c13" }] })).toEqual(["blocks not_a_machine"]);
  expect(codes({ interfaces: [bmc, ...ports(48)] })).toEqual(["blocks network_gear"]);
  expect(codes({ interfaces: [bmc, ...ports(8)] })).toContain("class boot_port_open");
});
