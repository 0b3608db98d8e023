import { describe, expect, it } from "vitest";
import { workflows } from "../workflows/index.ts";
import { SiteCore } from "./core/core.ts";
import { SITE, seeded, sha256 } from "./core/test-world.ts";
import { NodeSql } from "./node-sql.ts";
import { SiteShell } from "./shell.ts";

function bench() {
  const at = { now: 1_800_000_000_000, alarms: [] as number[], defects: 0, d1: "up" };
  const shell = new SiteShell(new SiteCore(new NodeSql(), { sha256, workflows }), {
    now: () => at.now,
    random: seeded(1),
    setAlarm: (t) => at.alarms.push(t),
    ring() {},
    broadcast() {},
    hangUp() {},
    budget: () => ({ permit: async () => null, release: async () => undefined }),
    async deliver(_, entries) {
      if (at.d1 === "defect") throw new Error("constraint");
      return entries.length;
    },
    forget: async () => 0,
    defect: () => (at.defects += 1),
  });
  shell.apply("site.create", { ...SITE, locationHint: "weur", jurisdiction: "eu", actor: "token:t" });
  return { at, shell };
}

describe("the shell around the core", () => {
  it("[C1] sets the alarm once for what is due, and no other while that one is to come", () => {
    const { at, shell } = bench();
    expect(at.alarms).toHaveLength(1);
    shell.apply("outbox.rebuild", { actor: "token:t" });
    expect(at.alarms).toHaveLength(1);
  });

  it("[C1] sets it again when the platform has dropped it although the object never slept", () => {
    const { at, shell } = bench();
    at.now += 119_000;
    shell.apply("outbox.rebuild", { actor: "token:t" });
    expect(at.alarms).toHaveLength(1);
    at.now += 10_000;
    shell.apply("outbox.rebuild", { actor: "token:t" });
    expect(at.alarms.slice(1)).toEqual([at.now]);
  });

  it("[C1] sets it anew at its end, and after what it was set for it sets none", async () => {
    const { at, shell } = bench();
    at.now += 5_000;
    at.d1 = "defect";
    await shell.alarm();
    expect(at.alarms.at(-1)).toBeGreaterThan(at.now);
    at.d1 = "up";
    at.now += 60_000;
    const before = at.alarms.length;
    await shell.alarm();
    expect(at.alarms).toHaveLength(before);
    expect(at.defects).toBe(0);
  });
});
