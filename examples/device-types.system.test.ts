import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readDeviceTypeFile } from "../cli/input/device-type-file.ts";
import { sharedData } from "../lab/shared-data.ts";
import { type DeviceType, typeName } from "../shared/model/device-type/device-type.ts";
import { readDeviceType } from "../shared/model/device-type/read.ts";

const yamlFiles = (root: string) =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.ya?ml$/.test(name))
    .sort();
const ours = join(import.meta.dirname, "device-types");
const examples = yamlFiles(ours);

const data = sharedData();
const library = new Map<string, DeviceType>();
for (const name of data ? yamlFiles(join(data, "device-types")) : []) {
  const read = readDeviceType(parse(readFileSync(join(data ?? "", "device-types", name), "utf8")));
  if (read.ok) library.set(typeName(read.value.type), read.value.type);
}

it.each(examples)("%s is read without a remark", async (name) => {
  expect(await readDeviceTypeFile(join(ours, name))).toMatchObject({
    ok: true,
    value: { report: { tolerated: [], missing: [] } },
  });
});

/** What a cable, a rack or an order depends on; words are ours and may differ. */
function facts(type: DeviceType) {
  const sorted = <T extends { name: string }>(list: T[] | undefined, pick: (one: T) => unknown) =>
    [...(list ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1)).map(pick);
  return {
    u_height: type.u_height,
    is_full_depth: type.is_full_depth,
    airflow: type.airflow,
    part_number: type.part_number,
    weight: type.weight,
    weight_unit: type.weight_unit,
    subdevice_role: type.subdevice_role,
    interfaces: sorted(type.interfaces, (one) => [one.name, one.type, one.mgmt_only ?? false]),
    console: sorted(type["console-ports"], (one) => [one.name, one.type]),
    power: sorted(type["power-ports"], (one) => [one.name, one.type, one.maximum_draw, one.allocated_draw]),
    modules: sorted(type["module-bays"], (one) => [one.name, one.position]),
    sleds: sorted(type["device-bays"], (one) => one.name),
  };
}

describe.skipIf(!data)("the examples have the facts of the real models", () => {
  it.each(examples)("%s", async (name) => {
    const read = await readDeviceTypeFile(join(ours, name));
    if (!read.ok) expect.fail(read.problem.detail);
    const real = library.get(typeName(read.value.type));
    if (!real) expect.fail(`${typeName(read.value.type)} is not in the library, so nothing vouches for it`);
    expect(facts(read.value.type)).toEqual(facts(real));
  });
});
