import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readSiteFile } from "./site-file.ts";

const switchOf = (manufacturer: string, model: string) =>
  `manufacturer: ${manufacturer}\nmodel: ${model}\nslug: x\nu_height: 1\nis_full_depth: true\ninterfaces:\n  - { name: e1, type: 1000base-t }\n`;

/** A site with one switch of the type, its libraries and what else stands in it. */
const siteOf = (deviceType: string, library = "[types]", more = "") => `schema: turnup/site/v1
site: { name: ams01, locationHint: weur, jurisdiction: eu }
deviceTypeLibrary: ${library}
racks: [{ name: r01, heightU: 4 }]
devices:
  - { name: sw-1, role: tor-switch, rack: r01, u: 1, deviceType: ${deviceType}, asset: { serial: SW1 } }
${more}`;

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "turnup-site-file-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(name: string, text: string): string {
  const file = join(dir, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}
async function faultsOf(file: string): Promise<string[]> {
  const read = await readSiteFile(file);
  return read.ok
    ? []
    : read.faults.map((one) => `${one.file.slice(dir.length + 1)}:${one.line} ${one.code} ${one.write}`);
}

it("reads the site, its document and the device types that it names, and no others", async () => {
  put("types/Acme/one.yaml", switchOf("Acme", "One"));
  put("types/Acme/two.yaml", switchOf("Acme", "Two"));
  put("types/Zeta/three.yaml", switchOf("Zeta", "Three"));
  const read = await readSiteFile(put("site.yaml", siteOf("Acme/One")));
  if (!read.ok) expect.fail(JSON.stringify(read.problem));
  expect(read.value.site.devices[0]).toMatchObject({
    name: "sw-1",
    deviceType: { manufacturer: "Acme", model: "One" },
  });
  expect(read.value.document).toMatchObject({ schema: "turnup/site/v1", devices: [{ name: "sw-1" }] });
  expect(read.value.deviceTypes.map(({ type }) => type.model)).toEqual(["One"]);
});

it("finds a type in the second library, and prefers the later one of two", async () => {
  put("public/Acme/one.yaml", switchOf("Acme", "One"));
  put("own/Acme/one.yaml", switchOf("Acme", "One").replace("u_height: 1", "u_height: 2"));
  const read = await readSiteFile(put("site.yaml", siteOf("Acme/One", "[public, own]")));
  if (!read.ok) expect.fail(JSON.stringify(read.problem));
  expect(read.value.site.devices[0]?.uHeight).toBe(2);
});

describe("the library", () => {
  it("is shown where it is named when the folder is missing, and no type is missed beside it", async () => {
    const lost = "site.yaml:3 library_missing a folder, relative to this file";
    expect(await faultsOf(put("site.yaml", siteOf("Acme/One")))).toEqual([lost]);
    put("own/Acme/one.yaml", switchOf("Acme", "One"));
    expect(await faultsOf(put("site.yaml", siteOf("Zeta/Two", "[types, own]")))).toEqual([lost]);
  });

  it("hides no other fault when the folder is missing", async () => {
    const node = (name: string, u: number) =>
      `  - { name: ${name}, role: compute, rack: r01, u: ${u}, hardwareClass: web, asset: { serial: S-${name} }, ` +
      `media: { Bay 0: D-${name} }, bmc: { address: 10.0.0.${u}, secret: vault:a } }\n`;
    const more = `${node("n1", 2)}${node("n2", 2)}${node("n3", 9)}hardwareClasses:
  - { name: web, deviceType: Acme/Two, cpus: { count: 1 }, memory: { modules: 1, sizeMiBEach: 1024 }, bootPort: e1,
      drives: [{ bay: Bay 0, sizeBytes: 9, protocol: SATA, mediaType: SSD }], systemDrive: Bay 1, image: none }
prefixes: [{ prefix: 10.0.0.0/24 }]
`;
    const codes = (await faultsOf(put("site.yaml", siteOf("Acme/One", "[types]", more)))).map((line) =>
      line.split(" ").slice(0, 2).join(" "),
    );
    expect(codes.sort()).toEqual([
      "site.yaml:12 image_unknown",
      "site.yaml:12 system_drive_empty",
      "site.yaml:3 library_missing",
      "site.yaml:8 address_duplicate",
      "site.yaml:8 u_overlap",
      "site.yaml:9 u_beyond_rack",
    ]);
  });

  it("is searched as a whole for the nearest name when the maker is misspelt", async () => {
    put("types/Acme/one.yaml", switchOf("Acme", "One"));
    expect(await faultsOf(put("site.yaml", siteOf("Amce/One")))).toEqual(["site.yaml:6 device_type_unknown Acme/One"]);
  });

  it("may hold a broken file as long as no wanted type can be in it", async () => {
    put("types/Acme/one.yaml", switchOf("Acme", "One"));
    put("types/Acme/two.yaml", "manufacturer: [\n");
    expect((await readSiteFile(put("site.yaml", siteOf("Acme/One")))).ok).toBe(true);
    const faults = await faultsOf(put("site.yaml", siteOf("Acme/Two")));
    expect(faults).toEqual([expect.stringMatching(/^types\/Acme\/two\.yaml:\d+ yaml_syntax /), expect.anything()]);
    expect(faults[1]).toMatch(/^site\.yaml:6 device_type_unknown /);
  });
});

it("shows faults of the YAML and of the site together", async () => {
  put("types/Acme/one.yaml", switchOf("Acme", "One"));
  const twice = "vlans: []\nvlans: []\n";
  expect(await faultsOf(put("site.yaml", siteOf("Acme/One", "[types]", twice)))).toEqual([
    "site.yaml:8 yaml_duplicate_key each key once",
  ]);
  const both = siteOf("Acme/One", "[types]", twice).replace("rack: r01", "rack: r02");
  expect((await faultsOf(put("site.yaml", both))).map((line) => line.split(" ")[1]).sort()).toEqual([
    "rack_unknown",
    "yaml_duplicate_key",
  ]);
});

it("takes any document for what it is: a fault, and no crash", async () => {
  for (const text of ["", "null\n", "7\n", "[]\n", "devices: 7\n", "devices: [null]\n", "__proto__: { a: 1 }\n"]) {
    const read = await readSiteFile(put("site.yaml", text));
    expect(read.ok, text).toBe(false);
    if (!read.ok) expect(read.faults.length, text).toBeGreaterThan(0);
  }
});
