import { beforeAll, describe, expect, it } from "vitest";
import type { AuditRun } from "../shared/model/finding.ts";
import { pokeSites, windowKey } from "./scheduled.ts";
import { call, did, env, makeSite, objectOf, prepare, TestAgent } from "./test-fleet.ts";

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
