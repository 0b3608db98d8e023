import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Cli } from "../../cli/context.ts";
import { readSiteFile } from "../../cli/input/site-file.ts";
import { turnup } from "../../cli/program.ts";

const FILE = "examples/broken/site.yaml";
const root = join(import.meta.dirname, "../..");
const source = readFileSync(join(root, FILE), "utf8");

/** Every line of the file that has a fault: the fault's code, and the line as it should be. */
const planted: [line: number, code: string, mended: [from: string, to: string]][] = [
  [36, "system_drive_empty", ["Bay 3", "Bay 1"]],
  [46, "gateway_outside_prefix", ["10.40.2.1", "10.40.20.1"]],
  [48, "vlan_unknown", ["prodution", "production"]],
  [65, "device_type_unknown", ["S5248F", "S5248F-ON"]],
  [76, "unknown_key", ["adresses", "addresses"]],
  [83, "u_overlap", ["u: 1", "u: 2"]],
  [89, "address_outside_prefix", ["10.40.21.12", "10.40.20.12"]],
  [97, "serial_duplicate", ["X01", "X03"]],
  [101, "mac_duplicate", ["f6:40:02", "f6:40:03"]],
  [106, "rack_unknown", ["r11", "r01"]],
  [111, "media_serial_missing", ['00A1" }', '00A1", "Box 1 Bay 2": "S64HNE0T400A2" }']],
  [114, "mac_malformed", ["b8ce.f640.0410", "b8:ce:f6:40:04:10"]],
  [121, "class_unknown", ["wbe", "web"]],
  [123, "not_text", ["0021405", '"0021405"']],
  [128, "secret_malformed", ['"calvin"', '"vault:ams02/bmc/web-05"']],
  [133, "cable_port_unknown", ["Ethernet49", "Ethernet49/1"]],
  [135, "port_cabled_twice", ["tor-a:Ethernet1", "tor-a:Ethernet3"]],
];

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "turnup-broken-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it("prints one line per fault and exits 2, and asks no control plane", async () => {
  const lines: string[] = [];
  const away = () => {
    throw new Error("nothing may be asked of a control plane");
  };
  const cli: Cli = {
    env: {},
    cwd: dir,
    columns: undefined,
    rows: undefined,
    fetch: away,
    WebSocket,
    now: Date.now,
    newKey: away,
    ask: away,
    sleep: away,
    out: (line) => void lines.push(line),
    err: (line) => void lines.push(line),
    draw: away,
  };
  expect(await turnup(["site", "import", join(root, FILE)], cli)).toBe(2);
  const form = /^(.+?):(\d+):(\d+) ([a-z_]+) .+\. Write: .+$/;
  const found = lines.map((line) => form.exec(line) ?? expect.fail(line));
  expect(found.map(([, , line, , code]) => [Number(line), code])).toEqual(planted.map(([line, code]) => [line, code]));
  expect(found.every(([, file]) => file === join(root, FILE))).toBe(true);
  expect(lines.join("\n")).not.toContain("calvin");
});

it("points to the very word that is wrong", async () => {
  const read = await readSiteFile(join(root, FILE));
  if (read.ok) expect.fail("the file should have faults");
  const rows = source.split("\n");
  const at = (code: string) => {
    const fault = read.faults.find((one) => one.code === code) ?? expect.fail(code);
    return rows[fault.line - 1]?.slice(fault.col - 1);
  };
  expect(at("gateway_outside_prefix")).toMatch(/^10\.40\.2\.1,/);
  expect(at("unknown_key")).toMatch(/^adresses:/);
  expect(at("serial_duplicate")).toMatch(/^"CZJ2140X01", assetTag: "AMS-2003"/);
  expect(at("mac_malformed")).toMatch(/^"b8ce\.f640\.0410"/);
  expect(at("cable_port_unknown")).toMatch(/^"tor-a:Ethernet49"/);
  // Something missing is shown where it should stand.
  expect(at("media_serial_missing")).toMatch(/^\{ "Box 1 Bay 1"/);
});

it("says above each fault what it is, and has no other", async () => {
  const rows = source.split("\n");
  for (const [line, code, [from, to]] of planted) {
    expect(rows[line - 2], code).toMatch(/^ *# /);
    const row = rows[line - 1] ?? "";
    expect(row.split(from), code).toHaveLength(2);
    rows[line - 1] = row.replace(from, to);
  }
  const library = join(root, "examples/device-types");
  const file = join(dir, "mended.yaml");
  writeFileSync(file, rows.join("\n"));
  // The library is named relative to the file, and this one lies elsewhere.
  const lost = await readSiteFile(file);
  expect(lost.ok ? [] : lost.faults.map((fault) => fault.code)).toContain("library_missing");
  writeFileSync(file, rows.join("\n").replace("../device-types", relative(dir, library)));
  const read = await readSiteFile(file);
  expect(read.ok ? [] : read.faults).toEqual([]);
});
