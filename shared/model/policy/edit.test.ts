import { describe, expect, it } from "vitest";
import { withHold, withoutHolds } from "./edit.ts";

const hold = { on: "device:web-03", owner: "anna", reason: "data rescue" };
const line = "  - { on: device:web-03, owner: anna, reason: data rescue }\n";
const text = `# What protects ams01.
schema: turnup/policy/v1
site: ams01

pools:
  - name: web # the front
    members: { roles: [web] }
    floor: { count: 4 }

freezes:
  - { name: peak, from: "2026-11-27T00:00:00+01:00", until: "2026-11-30T00:00:00+01:00", reason: "peak" }
`;

describe("a hold", () => {
  it("is put behind a text that has none, which stays as it was", () => {
    const held = withHold(text, "ams01", hold);
    expect(held).toBe(`${text}holds:\n${line}`);
    expect(withoutHolds(held, hold.on, undefined)).toBe(text);
  });
  it("is put behind others, and taken from among them", () => {
    const others = `${text}holds:\n  # Ask bo first.\n  - { on: site, owner: bo, reason: launch, until: "2026-12-01T00:00:00Z" }\n`;
    const held = withHold(others, "ams01", hold);
    expect(held).toBe(`${others}${line}`);
    expect(withoutHolds(held, hold.on, "anna")).toBe(others);
    expect(withoutHolds(held, hold.on, "bo")).toBeUndefined();
    expect(withoutHolds(text, "site", undefined)).toBeUndefined();
  });
  it("makes a policy where there was none", () => {
    expect(withHold(undefined, "ams01", hold)).toBe(`schema: turnup/policy/v1\nsite: "ams01"\nholds:\n${line}`);
  });
  it("is put into JSON too, and into an empty list", () => {
    const json = withHold(JSON.stringify({ schema: "turnup/policy/v1", site: "ams01", holds: [] }), "ams01", hold);
    expect(JSON.parse(withoutHolds(json, "site", undefined) ?? JSON.stringify("as it was"))).toBe("as it was");
    expect(json).toContain("device:web-03");
  });
  it("keeps what would be read as something else in quotes", () => {
    const held = withHold(undefined, "ams01", { ...hold, reason: "no", owner: "# a: b\n  - x" });
    expect(withoutHolds(held, hold.on, "# a: b\n  - x")).not.toContain("device");
  });
});
