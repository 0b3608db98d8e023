import { beforeAll, describe, expect, it } from "vitest";
import type { AuditRun } from "../shared/model/finding.ts";
import type { Meter } from "../shared/model/views.ts";
import { windowKey } from "./audit-window.ts";
import { pokeSites } from "./scheduled.ts";
import { call, did, env, eventually, makeSite, objectOf, prepare, settled, TestAgent } from "./test-fleet.ts";

beforeAll(prepare);

const audits = (name: string) =>
  did<{ items: AuditRun[] }>("GET", `/v1/sites/${name}/audits`).then((answer) => answer.items);

describe("the cron trigger", () => {
  it("pokes every site with the window's key, and a repeat or a late one changes nothing", async () => {
    const site = await makeSite("cron-a");
    await makeSite("cron-b");
    await TestAgent.enrol(site);
    const at = Date.UTC(2026, 10, 25, 4, 15, 3);
    await pokeSites(env, at);
    expect(await audits("cron-a")).toMatchObject([{ window: "audit:2026-11-25T04:15" }]);
    expect(await audits("cron-b")).toHaveLength(1);
    const meter = () => objectOf(site).ask("meter", {});
    const before = await meter();
    await pokeSites(env, at + 10 * 60_000);
    expect(await audits("cron-a")).toHaveLength(1);
    expect(await meter()).toEqual(before);
  });

  it("a window in which nothing changed writes at most 8 rows, however many devices", { timeout: 30_000 }, async () => {
    const site = await makeSite("calm", 12);
    const agent = await TestAgent.enrol(site);
    const rows = async () => (await did<Meter>("GET", "/v1/sites/calm/meter")).object;
    const answer = async (window: string): Promise<void> => {
      const { audit } = await agent.sync();
      expect([audit?.window, audit?.targets.length]).toEqual([window, 12]);
      const observations = audit?.targets.map(({ device, serial }) => ({ device, serial, power: "Off" })) ?? [];
      await agent.sync({ audit: { window, observations } });
    };
    for (const [n, window] of ["audit:2026-11-25T05:00", "audit:2026-11-25T05:15"].entries()) {
      await settled(site);
      const before = await rows();
      await pokeSites(env, Date.UTC(2026, 10, 25, 5, n * 15));
      await answer(window);
      await eventually(
        () => audits("calm"),
        ([run]) => run?.state === "done",
        "the audit's end",
      );
      await settled(site);
      expect((await rows()) - before).toBeLessThanOrEqual(8);
    }
    expect(await audits("calm")).toMatchObject([{ read: 12, opened: 0 }, { read: 12 }]);
  });

  it("names a window by its start", () => {
    expect(windowKey(Date.UTC(2026, 0, 1, 23, 59, 59))).toBe("audit:2026-01-01T23:45");
  });

  it("an audit can be run by hand, once per window", async () => {
    await makeSite("hand");
    const run = await call<AuditRun>("POST", "/v1/sites/hand/audits", { body: { window: "manual:1" } });
    expect(run.status).toBe(201);
    expect((await call("POST", "/v1/sites/hand/audits", { body: { window: "manual:1" } })).status).toBe(200);
    expect(await call("POST", "/v1/sites/hand/audits", { body: { window: "bad key!" } })).toMatchObject({
      status: 422,
    });
  });
});
