import { expect, it } from "vitest";
import { readDeviceType } from "./read.ts";

const server = { manufacturer: "Acme", model: "Box 1+", u_height: 1, is_full_depth: true, interfaces: [] };

it("takes a type as it is and keeps fields nobody declared, reporting them", () => {
  const read = readDeviceType({
    ...server,
    slug: "acme-box",
    colour: "red",
    interfaces: [{ name: "a", type: "other", speed: 1 }],
  });
  expect(read).toMatchObject({ ok: true, value: { type: { colour: "red", interfaces: [{ speed: 1 }] } } });
  if (!read.ok) return;
  expect(read.value.report).toEqual({
    tolerated: ["colour: not in the schema, kept as it is", "interfaces[0].speed: not in the schema, kept as it is"],
    missing: [],
  });
});

it("derives slug, height and depth as NetBox does and says so", () => {
  const read = readDeviceType({ manufacturer: "Acme", model: "Box 1+" });
  expect(read).toMatchObject({
    ok: true,
    value: { type: { slug: "acme-box-1-plus", u_height: 1, is_full_depth: true } },
  });
  if (read.ok) expect(read.value.report.missing).toHaveLength(4);
});

it("reads numbers as text and text as numbers where that needs no guess", () => {
  const read = readDeviceType({
    ...server,
    model: 7210,
    u_height: "2",
    is_full_depth: "yes",
    "module-bays": [{ name: 1 }],
  });
  expect(read).toMatchObject({
    ok: true,
    value: { type: { model: "7210", u_height: 2, is_full_depth: true, "module-bays": [{ name: "1" }] } },
  });
  if (read.ok) expect(read.value.report.tolerated).toHaveLength(4);
});

it("reports a port listed twice", () => {
  const port = { name: "eth0", type: "1000base-t" };
  const read = readDeviceType({ ...server, interfaces: [port, port] });
  if (!read.ok) expect.fail(read.problem.detail);
  expect(read.value.report.tolerated).toEqual(['interfaces: "eth0" is listed twice; the first counts']);
});

it("refuses what it cannot understand, every fault with a pointer", () => {
  const read = readDeviceType({ model: "x", u_height: 0.7, interfaces: [{ type: "other" }, "eth1"] });
  expect(read.ok).toBe(false);
  if (read.ok) return;
  expect(read.problem.errors?.map((fault) => fault.pointer).sort()).toEqual([
    "/interfaces/0/name",
    "/interfaces/1",
    "/manufacturer",
    "/u_height",
  ]);
  for (const fault of read.problem.errors ?? []) expect(fault.write).toBeTruthy();
});

it.each([null, undefined, 7, "text", []])("refuses %j as a whole", (document) => {
  expect(readDeviceType(document)).toMatchObject({ ok: false, problem: { errors: [{ code: "not_a_device_type" }] } });
});
