import { beforeAll, describe, expect, it } from "vitest";
import { call, did, eventually, installJob, makeSite, prepare, TestAgent } from "../test-fleet.ts";

beforeAll(prepare);

describe("[G6] the kill switch", () => {
  it("lets nothing start while it is on, and all go on when it is off", async () => {
    const site = await makeSite("switch");
    const agent = await TestAgent.enrol(site);
    expect(await did("POST", "/v1/fleet/freeze", { body: {} })).toMatchObject({ frozen: true });
    await installJob(site);
    for (let n = 0; n < 3; n++) expect((await agent.sync()).leases).toEqual([]);
    expect(await did("GET", "/v1/fleet")).toMatchObject({ frozen: true, working: 0 });
    expect(await did("POST", "/v1/fleet/thaw", { body: {} })).toMatchObject({ frozen: false });
    await eventually(
      () => agent.sync(),
      (reply) => reply.leases.length > 0,
      "a lease after the thaw",
    );
  });

  it("takes a limit within bounds", async () => {
    expect(await did("POST", "/v1/fleet/limit", { body: { maxSites: 3 } })).toMatchObject({ maxSites: 3 });
    const none = await call("POST", "/v1/fleet/limit", { body: { maxSites: 0 } });
    expect(none).toMatchObject({ status: 422, body: { errors: [{ pointer: "/maxSites" }] } });
    expect(JSON.stringify(none.body)).toContain("turnup fleet freeze");
  });
});
