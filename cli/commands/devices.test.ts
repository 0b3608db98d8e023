import { describe, expect, it } from "vitest";
import type { Cli } from "../context.ts";
import { turnup } from "../program.ts";

/** Runs a command against answers by path. */
async function run(answers: Record<string, { status?: number; body: unknown }>, ...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const cli: Partial<Cli> = {
    env: { TURNUP_URL: "http://127.0.0.1:8787", TURNUP_TOKEN: "tok_x" },
    cwd: "/",
    newKey: () => "key",
    sleep: async () => undefined,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    fetch: async (input) => {
      const { status = 200, body } = answers[new URL(String(input)).pathname] ?? { status: 500, body: {} };
      return new Response(JSON.stringify(body), { status });
    },
  };
  const code = await turnup(args, cli as Cli);
  return { code, text: out.join("\n"), said: err.join("\n") };
}

describe("explain", () => {
  it("says by which option to tell devices of one name apart", async () => {
    const body = {
      code: "conflict",
      detail: "Several sites have a device compute-01; say which by ?site=.",
      next: "x",
    };
    const several = { "/v1/devices/compute-01/explain": { status: 409, body } };
    const { code, said } = await run(several, "explain", "compute-01");
    expect(code).toBe(2);
    expect(said).toContain("say which by --site.");
    expect(said).not.toContain("?site=");
  });

  it("says once what a failure asks for", async () => {
    const body = {
      device: {
        ...{ id: "dev_1", site: "st_1", name: "c1", role: "server", rack: "r1", u: 1, manufacturer: "m", model: "m" },
        ...{ state: "failed", since: 0, asset: null, serial: null, job: null, version: 1 },
      },
      ...{ state: "failed", waitingOn: null, dueAt: null, job: null, step: null, findings: [], lastEvents: [] },
      failure: { code: "bom_mismatch", detail: "a DIMM is missing", next: "Compare." },
      wouldChange: ["Compare.", "Plan again."],
    };
    const { text } = await run({ "/v1/devices/c1/explain": { body } }, "explain", "c1");
    expect(text.split("\n").filter((line) => /^(Next|Would)/.test(line))).toEqual([
      "Next: Compare.",
      "Would change it: Plan again.",
    ]);
  });
});

describe("audit run", () => {
  const audit = (state: string) => ({
    ...{ site: "st_1", window: "w1", state, startedAt: 0, endedAt: 1 },
    ...{ expected: 24, read: 0, opened: 0, closed: 0 },
  });
  const agent = (name: string, doorbell: boolean, revokedAt: number | null = null) => ({
    ...{ id: `agt_${name}`, site: "st_1", name, version: "0.1.0", enrolledAt: 0, lastSeenAt: null },
    ...{ doorbell, revokedAt },
  });
  const world = (state: string, agents: unknown[]) => ({
    "/v1/sites/ams01/audits": { body: { ...audit(state), items: [audit(state)] } },
    "/v1/agents": { body: { items: agents, next: null } },
  });

  it.each(["no-data", "running"])("that read nothing and is %s says whom to look at", async (state) => {
    const there = await run(world(state, [agent("a", true), agent("b", true, 5)]), "audit", "run", "ams01");
    expect(there.code).toBe(1);
    expect(there.text).toContain("a sent no readings: `turnup findings --site ams01`");
    const none = await run(world(state, [agent("a", false)]), "audit", "run", "ams01");
    expect(none.text).toContain("no agent of ams01 to ask");
  });
});
