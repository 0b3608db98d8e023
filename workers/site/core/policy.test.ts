import { describe, expect, it } from "vitest";
import { TurnupError } from "../../../shared/errors.ts";
import { exported, restored } from "./test-export.ts";
import { server, siteOf, World } from "./test-world.ts";

const text = (more: object = {}) => JSON.stringify({ schema: "turnup/policy/v1", site: "ams01", ...more });
const floorOf = (count: number) =>
  text({ pools: [{ name: "all", members: { roles: ["compute"] }, floor: { count } }] });
const apply = (w: World, base: number, policy: string) =>
  w.do("policy.apply", { base, text: policy, reason: "tested", actor: "token:admin" });

function refused(act: () => unknown): TurnupError["problem"] {
  try {
    act();
  } catch (error) {
    if (error instanceof TurnupError) return error.problem;
    throw error;
  }
  throw new Error("it was taken");
}

describe("a site's policy", () => {
  it("is kept in versions, each with who, when and why, and in the ledger", () => {
    const w = new World(3);
    expect(refused(() => w.ask("policy", {})).code).toBe("policy_unknown");
    expect(apply(w, 0, floorOf(1))).toMatchObject({ created: true, policy: { version: 1, actor: "token:admin" } });
    w.now += 1_000;
    const { policy } = apply(w, 1, floorOf(2));
    expect(policy).toMatchObject({
      version: 2,
      at: w.now,
      reason: "tested",
      text: floorOf(2),
      floors: [{ of: "pool all", machines: 3, least: 2 }],
    });
    expect(w.ask("policy", {})).toEqual(policy);
    expect(w.ask("policy", { version: 1 })).toMatchObject({ version: 1, text: floorOf(1), floors: null });
    expect(refused(() => w.ask("policy", { version: 3 })).code).toBe("policy_unknown");
    expect(w.ask("policy.history", { limit: 1 })).toMatchObject({ items: [{ version: 2 }], next: "2" });
    expect(w.ask("policy.history", { limit: 1, cursor: "2" })).toMatchObject({ items: [{ version: 1 }], next: null });
    const events = w.ask("ledger", { after: 0, limit: 1_000 }).filter(({ kind }) => kind === "policy.applied");
    expect(events.map(({ actor, data }) => [actor, data.version, data.sha256, data.reason])).toEqual([
      ["token:admin", 1, expect.stringMatching(/^[0-9a-f]{64}$/), "tested"],
      ["token:admin", 2, policy.sha, "tested"],
    ]);
  });

  it("is applied only to the version that it was compared with; the same text again changes nothing", () => {
    const w = new World(3);
    apply(w, 0, floorOf(1));
    const problem = refused(() => apply(w, 0, floorOf(2)));
    expect(problem.code).toBe("policy_moved");
    expect(problem.detail).toContain("token:admin");
    expect(apply(w, 0, floorOf(1))).toMatchObject({ created: false, policy: { version: 1 } });
    apply(w, 1, floorOf(2));
    // What held before may hold again, as a version of its own.
    expect(apply(w, 2, floorOf(1))).toMatchObject({ created: true, policy: { version: 3 } });
  });

  it("with faults is refused with all of them, and nothing is written", () => {
    const w = new World(3);
    const before = w.sql.written();
    const problem = refused(() => apply(w, 0, text({ site: "fra01", roles: { compute: { count: 4 } } })));
    expect(problem.code).toBe("validation_failed");
    expect(problem.errors?.map(({ code }) => code).sort()).toEqual(["floor_above_pool", "site_other"]);
    const yaml = refused(() => apply(w, 0, "schema: turnup/policy/v1\nsite: ams01\nsite: ams01\n"));
    expect(yaml.errors?.map(({ code, text }) => [code, text])).toEqual([
      ["yaml_duplicate_key", expect.stringContaining("line 3:1")],
    ]);
    expect(refused(() => apply(w, 0, "{")).errors?.[0]?.code).toBe("yaml_syntax");
    expect(w.sql.written()).toBe(before);
  });

  it("goes with the site's export, and holds in the restored site", () => {
    const w = new World(3);
    apply(w, 0, floorOf(1));
    apply(w, 1, floorOf(2));
    const next = restored(exported(w), w);
    expect(next.ask("policy", {})).toEqual(w.ask("policy", {}));
    expect(next.ask("policy.history", { limit: 10 })).toEqual(w.ask("policy.history", { limit: 10 }));
  });
});

it("many long versions go out in pages that fit a message", () => {
  const w = new World(1);
  const versions = 40;
  for (let n = 0; n < versions; n++) apply(w, n, `${text()}${" ".repeat(256 * 1024 - 100 - n)}`);
  const maxChars = 1_000_000;
  let after: Parameters<typeof w.ask<"export.page">>[1]["after"];
  let rows = 0;
  do {
    const page = w.ask("export.page", { token: "t", after, maxChars });
    // 32 MiB is a message's limit.
    expect(page.lines.reduce((sum, line) => sum + line.length, 0)).toBeLessThan(8_000_000);
    rows += page.rows.policy ?? 0;
    after = page.next ?? undefined;
  } while (after);
  expect(rows).toBe(versions);
});

describe("an import after which the policy does not fit", () => {
  it("is refused with the policy's faults, until another policy is applied", () => {
    const w = new World(3);
    apply(w, 0, floorOf(3));
    const problem = refused(() => w.do("site.import", { site: siteOf(2), actor: "token:t" }));
    expect(problem.code).toBe("policy_unfit");
    expect(problem.errors?.map(({ code, pointer }) => `${code} ${pointer}`)).toEqual([
      "floor_above_pool /pools/0/floor/count",
    ]);
    expect(w.ask("site", {}).devices).toBe(3);
    apply(w, 1, floorOf(2));
    w.do("site.import", { site: siteOf(2), actor: "token:t" });
    expect(w.ask("policy", {}).floors).toEqual([{ of: "pool all", machines: 2, least: 2 }]);
  });

  it("that keeps it right goes through, and the floors follow the site", () => {
    const w = new World(2);
    apply(w, 0, text({ roles: { compute: { percent: 50 } } }));
    expect(w.ask("policy", {}).floors).toEqual([{ of: "role compute", machines: 2, least: 1 }]);
    const { install: _, ...gear } = server(9);
    w.do("site.import", {
      site: { ...siteOf(4), devices: [...siteOf(4).devices, { ...gear, role: "tor-switch" }] },
      actor: "token:t",
    });
    expect(w.ask("policy", {}).floors).toEqual([{ of: "role compute", machines: 4, least: 2 }]);
  });
});

describe("[G7] a hold", () => {
  const on = { on: "device:srv00001", actor: "token:anna", owner: "anna", reason: "data rescue" };

  it("is a new version of the policy, also where there was none, and is ended by another", () => {
    const w = new World(3);
    const held = w.do("policy.hold", on);
    expect(held).toMatchObject({
      version: 1,
      actor: "token:anna",
      reason: "hold of anna on device:srv00001: data rescue",
    });
    expect(held.text).toContain("- { on: device:srv00001, owner: anna, reason: data rescue }");
    // A later one of the same owner takes its place.
    w.do("policy.hold", { ...on, until: "2030-01-01T00:00:00Z" });
    expect(w.ask("policy", {}).text.match(/device:srv00001/g)).toHaveLength(1);
    expect(w.do("policy.unhold", { on: on.on, reason: "done", actor: "token:bo" })).toMatchObject({
      version: 3,
      reason: "hold on device:srv00001 ended: done",
    });
    expect(w.ask("policy", {}).text).not.toContain("holds");
    expect(w.refusal("policy.unhold", { on: on.on, reason: "", actor: "token:bo" })).toBe("hold_unknown");
  });

  it("on what is not there, or of a site without a policy, is refused in words", () => {
    const w = new World(3);
    const problem = refused(() => w.do("policy.hold", { ...on, on: "device:srv" }));
    expect(problem.errors?.map(({ code }) => code)).toEqual(["device_missing"]);
    expect(w.refusal("policy.unhold", { on: "site", reason: "", actor: "token:bo" })).toBe("hold_unknown");
  });

  it("is not ended by applying a file that knows nothing of it", () => {
    const w = new World(3);
    apply(w, 0, floorOf(1));
    w.do("policy.hold", on);
    w.do("policy.hold", { ...on, on: "site", owner: "bo", until: new Date(w.now + 1_000).toISOString() });
    const problem = refused(() => apply(w, 3, floorOf(2)));
    expect(problem.code).toBe("hold_would_end");
    expect(problem.detail).toContain("anna on device:srv00001 (data rescue); bo on site");
    // What is over by itself protects nothing any more.
    w.now += 1_000;
    expect(refused(() => apply(w, 3, floorOf(2))).detail).not.toContain("bo on site");
    const input = { base: 3, text: floorOf(2), reason: "", actor: "token:admin" };
    expect(w.do("policy.apply", { ...input, endHolds: true }).policy.version).toBe(4);
  });

  it("on a device keeps it in the site's file", () => {
    const w = new World(3);
    w.do("policy.hold", { ...on, on: "device:srv00002" });
    expect(w.refusal("site.import", { site: siteOf(2), actor: "token:t" })).toBe("policy_unfit");
  });
});

describe("what another text would change", () => {
  it("is said in words, and changes nothing", () => {
    const w = new World(3);
    expect(w.ask("policy.diff", { text: floorOf(1) })).toEqual({
      base: 0,
      changes: ["pool all: new (floor 1; roles compute)"],
      same: false,
    });
    apply(w, 0, floorOf(1));
    expect(w.ask("policy.diff", { text: floorOf(2) })).toEqual({
      base: 1,
      changes: ["pool all: floor 1 → 2"],
      same: false,
    });
    expect(w.ask("policy.diff", { text: floorOf(1) })).toEqual({ base: 1, changes: [], same: true });
    expect(w.ask("policy.diff", { text: `${floorOf(1)} ` })).toEqual({ base: 1, changes: [], same: false });
    expect(refused(() => w.ask("policy.diff", { text: floorOf(4) })).code).toBe("validation_failed");
  });
});
