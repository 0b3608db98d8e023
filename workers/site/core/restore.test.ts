import { describe, expect, it } from "vitest";
import type { Queries } from "./commands.ts";
import { begun, busy, exported, hashOf, restored } from "./test-export.ts";
import { World } from "./test-world.ts";

describe("an export", () => {
  it("is the same however it is paged, and holds no permit, outbox or enrolment token", () => {
    const w = busy();
    const lines = exported(w);
    expect(exported(w, 1)).toEqual(lines);
    const tables = new Set(lines.slice(1).map((line) => (JSON.parse(line) as { t: string }).t));
    for (const table of ["device", "asset", "medium", "job", "step", "event", "ledger", "finding", "lock", "agent"])
      expect(tables).toContain(table);
    for (const table of ["outbox", "enrol_token", "told_agent", "schema_version"]) expect(tables).not.toContain(table);
    expect(lines.join("\n")).not.toMatch(/"permit"|"meter"|hash-a/);
    const before = lines.join("\n");
    w.drain();
    w.permit();
    expect(exported(w).join("\n")).toBe(before);
  });

  it("has no page far above its limit, whatever texts the site holds: one has to fit a message of 32 MiB", () => {
    const w = new World(1);
    for (let n = 0; n < 200; n++) w.sql.run("INSERT INTO text_part VALUES (?, 0, ?)", `t${n}`, "x".repeat(400_000));
    let after: Queries["export.page"]["in"]["after"];
    let pages = 0;
    do {
      const page = w.ask("export.page", { token: "t", after, maxChars: 4_000_000 });
      const chars = page.lines.reduce((sum, line) => sum + line.length, 0);
      expect(chars).toBeLessThan(7_000_000);
      after = page.next ?? undefined;
      pages += 1;
    } while (after);
    expect(pages).toBeGreaterThan(10);
  });

  it("gives the same bytes after it was restored, and after an eviction", () => {
    const w = busy();
    const lines = exported(w);
    const copy = restored(lines, w);
    expect(exported(copy)).toEqual(lines);
    copy.evict();
    copy.do("tick", {});
    copy.do("outbox.rebuild", { actor: "t" });
    copy.drain();
    expect(exported(copy)).toEqual(lines);
    expect(copy.ask("site", {})).toMatchObject({
      generation: 2,
      hold: { waitingOn: expect.stringContaining("release") },
    });
  });
});

describe("a restore", () => {
  const loads = (lines: readonly string[], change: (rest: string[]) => void) => {
    const rest = lines.slice(1);
    const w = begun(lines);
    change(rest);
    return { w, code: w.refusal("restore.load", { restore: "r1", from: 1, lines: rest }) };
  };

  it("refuses a line that is no row, of an unknown table, with other columns, or twice", () => {
    const lines = exported(busy());
    for (const broken of [
      "",
      "{",
      '{"t":"nothing","r":{}}',
      '{"t":"lock","r":{"device":"x"}}',
      '{"t":"meta","r":{"key":"permit","value":"1"}}',
    ])
      expect(loads(lines, (rest) => rest.splice(2, 1, broken)).code).toBe("export_broken");
    expect(loads(lines, (rest) => rest.push(rest.at(-1) ?? "")).code).toBe("export_broken");
    expect(loads(lines, () => undefined).code).toBeUndefined();
  });

  it("refuses a row that no site could have written, with its line", () => {
    const lines = exported(busy());
    const at = lines.findIndex((line) => line.includes('"state":"leased"'));
    const changed = lines.with(at, lines[at]?.replace('"leased"', '"flying"') ?? "");
    const w = begun(changed);
    expect(() => w.do("restore.load", { restore: "r1", from: 1, lines: changed.slice(1) })).toThrow(
      new RegExp(`^export_broken: Line ${at + 1}: step job_\\S+ \\d+: state: `),
    );
  });

  it("[E1] refuses a ledger that is not one chain", () => {
    const lines = exported(busy());
    const at = lines.findIndex((line) => line.startsWith('{"t":"ledger"'));
    expect(loads(lines, (rest) => rest.splice(at, 1)).code).toBe("export_broken");
    expect(loads(lines, (rest) => rest.splice(at, 1, rest[at]?.replace("token:t", "token:x") ?? "")).code).toBe(
      "export_broken",
    );
  });

  it("is nobody's site before it is finished, and can be begun anew", () => {
    const source = busy();
    const lines = exported(source);
    const w = begun(lines);
    w.do("restore.load", { restore: "r1", from: 1, lines: lines.slice(1, 40) });
    w.evict();
    expect(w.refusal("tick", {})).toBe("site_unknown");
    expect(w.core.nextAlarm(w.now)).toBeNull();
    expect(w.refusal("restore.finish", { restore: "r1" })).toBe("export_broken");
    expect(w.refusal("restore.load", { restore: "r0", from: 40, lines: [] })).toBe("restore_unknown");
    expect(w.refusal("restore.load", { restore: "r1", from: 41, lines: ["x"] })).toBe("restore_unknown");
    // The answer was lost, and the same lines come again.
    expect(w.do("restore.load", { restore: "r1", from: 1, lines: lines.slice(1, 40) })).toEqual({ loaded: 40 });
    const header = JSON.parse(lines[0] ?? "");
    w.do("restore.begin", { restore: "r2", header, generation: 2, sha256: hashOf(lines), lines: lines.length });
    w.do("restore.load", { restore: "r2", from: 1, lines: lines.slice(1) });
    w.do("restore.finish", { restore: "r2" });
    expect(w.do("restore.finish", { restore: "r2" })).toMatchObject({ name: "ams01" });
    expect(exported(w)).toEqual(lines);
  });

  it("is compared and finished only when all lines have come and there is a site in them", () => {
    const lines = exported(busy());
    const header = JSON.parse(lines[0] ?? "");
    const w = begun(lines);
    expect(w.refusal("restore.check", { restore: "r1" })).toBe("export_broken");
    expect(w.refusal("restore.check", { restore: "r2" })).toBe("restore_unknown");
    w.do("restore.begin", { restore: "r2", header, generation: 2, sha256: hashOf(lines.slice(0, 1)), lines: 1 });
    for (const kind of ["restore.check", "restore.finish"] as const)
      expect(w.refusal(kind, { restore: "r2" })).toBe("export_broken");
    w.do("restore.begin", { restore: "r3", header, generation: 2, sha256: hashOf(lines), lines: lines.length });
    w.do("restore.load", { restore: "r3", from: 1, lines: lines.slice(1) });
    w.do("restore.check", { restore: "r3" });
    w.do("restore.finish", { restore: "r3" });
    // The answer to the finish was lost, and all is asked again.
    w.do("restore.check", { restore: "r3" });
    expect(new World(0, { empty: true }).refusal("restore.check", { restore: "r3" })).toBe("restore_unknown");
  });

  it("refuses a format or tables of a version that are not known, and an object in which a site is at work", () => {
    const source = busy();
    const lines = exported(source);
    const header = JSON.parse(lines[0] ?? "");
    const input = { restore: "r", generation: 2, sha256: hashOf(lines), lines: lines.length };
    const w = new World(0, { empty: true });
    expect(w.refusal("restore.begin", { ...input, header: { ...header, schema: 1_000 } })).toBe("export_version");
    expect(w.refusal("restore.begin", { ...input, header: { ...header, format: 2 } })).toBe("export_version");
    expect(source.refusal("restore.begin", { ...input, header })).toBe("site_exists");
  });
});

describe("an older generation", () => {
  it("[L2] does nothing any more once it is fenced", () => {
    const w = busy();
    w.effects.length = 0;
    w.do("site.fence", { generation: 2 });
    w.do("site.fence", { generation: 2 });
    expect(w.effects.filter((e) => e.kind === "hang-up")).toEqual([{ kind: "hang-up", agent: "all" }]);
    expect(w.core.nextAlarm(w.now)).toBeNull();
    expect(w.refusal("tick", {})).toBe("site_fenced");
    const request = { v: 1, instance: "i", version: "1", free: 1, holding: [], reports: [], progress: [] };
    expect(w.refusal("agent.sync", { agent: w.agent, request })).toBe("site_fenced");
    expect(() => w.ask("site", {})).toThrow("site_fenced");
    expect(exported(w).length).toBeGreaterThan(100);
  });

  it("[L2] gives nothing to an agent that has seen a newer one, told of it or not", () => {
    const w = busy();
    expect(() => w.sync({ generation: 2 })).toThrow("site_fenced");
    expect(w.sync({ generation: 1 }).generation).toBe(1);
  });
});
