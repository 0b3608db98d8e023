import { describe, expect, it } from "vitest";
import { seeded } from "../../shared/seeded.ts";
import { workflows } from "../workflows/index.ts";
import { SiteCore } from "./core/core.ts";
import { SITE, sha256, siteOf } from "./core/test-world.ts";
import { NodeSql } from "./node-sql.ts";
import { verifyEd25519 } from "./platform.ts";
import { SiteShell } from "./shell.ts";

function bench() {
  const at = {
    now: 1_800_000_000_000,
    alarms: [] as number[],
    defects: 0,
    d1: "up",
    asked: 0,
    delivered: 0,
    forgets: 0,
  };
  const sql = new NodeSql();
  const shell = new SiteShell(new SiteCore(sql, { sha256, verify: verifyEd25519, workflows }), {
    now: () => at.now,
    random: seeded(1),
    setAlarm: (t) => at.alarms.push(t),
    ring() {},
    broadcast() {},
    hangUp() {},
    budget: () => ({
      async permit() {
        at.asked += 1;
        return null;
      },
      release: async () => undefined,
    }),
    async deliver(_, entries) {
      if (at.d1 === "defect") throw new Error("constraint");
      at.delivered += entries.length;
      return entries.length;
    },
    async forget() {
      at.forgets += 1;
      if (at.d1 === "away") throw new Error("Network connection lost.");
      return 0;
    },
    defect: () => (at.defects += 1),
  });
  shell.apply("site.create", { ...SITE, locationHint: "weur", jurisdiction: "eu", actor: "token:t" });
  return { at, shell, sql };
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

  it("[C3] asks a database that is away during a rebuild less and less often", async () => {
    const { at, shell } = bench();
    shell.apply("outbox.rebuild", { actor: "token:t" });
    at.d1 = "away";
    const start = at.now;
    at.now += 3_000;
    for (let n = 0; n < 40 && at.now < start + 3_600_000; n++) {
      await shell.alarm();
      at.now = Math.max(at.now, at.alarms.at(-1) ?? 0);
    }
    expect(at.forgets).toBeGreaterThan(10);
    expect(at.forgets).toBeLessThan(25);
    at.d1 = "up";
    await shell.alarm();
    await shell.alarm();
    expect([at.delivered > 0, at.defects]).toEqual([true, 0]);
  });

  it("[C1] an alarm that meets a defect each time is set again each time, so that no limit of the platform's tries is met", async () => {
    const { at, shell, sql } = bench();
    // A defect that no code of ours foresaw: the tick cannot read its table.
    sql.run("ALTER TABLE job RENAME TO gone");
    for (let n = 1; n <= 10; n++) {
      at.now += 10_000;
      const before = at.alarms.length;
      await shell.alarm();
      expect(at.defects).toBe(n);
      expect(at.alarms.slice(before)).toEqual([at.now + 5_000]);
    }
    sql.run("ALTER TABLE gone RENAME TO job");
    at.now += 10_000;
    await shell.alarm();
    expect(at.defects).toBe(10);
  });

  it("[C1] sets the alarm when it wakes without the one that it had set, and none that it still has", () => {
    const { at, shell } = bench();
    const [set] = at.alarms;
    at.alarms.length = 0;
    shell.woken(set ?? null);
    expect(at.alarms).toEqual([]);
    shell.woken(null);
    expect(at.alarms).toEqual([set]);
  });

  it("[C1][J10] a row that no code can read holds up neither the permit nor the read model", async () => {
    const { at, shell, sql } = bench();
    shell.apply("site.import", { site: siteOf(1), actor: "token:t" });
    const job = {
      key: "k",
      body: "k",
      actor: "token:t",
      workflow: "server.install",
      targets: ["srv00000"],
      params: {},
    };
    expect(shell.apply("job.create", job).ok).toBe(true);
    // Overdue, and unreadable for what comes then.
    sql.run("UPDATE step SET state = 'leased', at = 1, lease = 'l', leased_at = 1, body = '{' WHERE n = 0");
    at.now += 10_000;
    await shell.alarm();
    expect([at.defects, at.asked, at.delivered > 0]).toEqual([1, 1, true]);
  });
});
