import { beforeAll, describe, expect, it } from "vitest";
import type { AgentView, Page } from "../../shared/model/views.ts";
import { project } from "../readmodel/projection.ts";
import { did, env, eventually, makeSite, prepare, TestAgent } from "../test-fleet.ts";

beforeAll(prepare);

describe("agents across sites", () => {
  it("are listed with when each was last heard, as its own site knows it", async () => {
    const agents: TestAgent[] = [];
    for (const name of ["seen-a", "seen-b"]) agents.push(await TestAgent.enrol(await makeSite(name)));
    for (const agent of agents) await agent.sync();
    const { items } = await eventually(
      () => did<Page<AgentView>>("GET", "/v1/agents"),
      (page) => agents.every(({ id }) => page.items.some((agent) => agent.id === id)),
      "the agents in the read model",
    );
    for (const { id } of agents) {
      expect(items.find((agent) => agent.id === id)).toMatchObject({ lastSeenAt: expect.any(Number), doorbell: false });
    }
  });

  it("of a site that does not answer are listed with their presence unknown", async () => {
    const site = await makeSite("silent");
    const agent = await TestAgent.enrol(site);
    const listed = await eventually(
      () => did<Page<AgentView>>("GET", "/v1/agents"),
      (page) => page.items.some(({ id }) => id === agent.id),
      "the agent in the read model",
    );
    const view = listed.items.find(({ id }) => id === agent.id);
    // Known to the read model alone, as when the object cannot be reached.
    await project(env.DB, { id: "st_unreached0", generation: 1 }, [
      { kind: "agent", id: "ag_unreached", version: 1, row: { ...view, id: "ag_unreached", site: "st_unreached0" } },
    ]);
    const { items } = await did<Page<AgentView>>("GET", "/v1/agents");
    expect(items.find(({ id }) => id === "ag_unreached")).toMatchObject({ lastSeenAt: null, doorbell: null });
  });
});
