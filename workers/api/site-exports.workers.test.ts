import { beforeAll, describe, expect, it } from "vitest";
import { type Plan, planHash } from "../../shared/model/plan.ts";
import type { OutboxState, ReadModelState, SiteView } from "../../shared/model/views.ts";
import { sha256 } from "../site/platform.ts";
import {
  call,
  did,
  env,
  eventually,
  installJob,
  makeSite,
  objectOf,
  prepare,
  settled,
  TestAgent,
} from "../test-fleet.ts";

beforeAll(prepare);

const exported = async (name: string): Promise<string[]> => {
  const { response, status } = await call("GET", `/v1/sites/${name}/export`);
  expect(status).toBe(200);
  return (await response.text()).trimEnd().split("\n");
};
const proof = (lines: string[]) => JSON.parse(lines.at(-1) ?? "") as { end: { lines: number; sha256: string } };
const begin = (lines: string[], replace?: string) =>
  call<{ restore: string }>("POST", "/v1/restores", {
    body: {
      header: JSON.parse(lines[0] ?? ""),
      lines: lines.length - 1,
      sha256: proof(lines).end.sha256,
      ...(replace && { replace }),
    },
  });
const load = (restore: string, lines: string[]) =>
  call("PUT", "/v1/restores/lines", { body: { restore, from: 1, lines: lines.slice(1, -1) } });
const finish = (restore: string) => call<SiteView>("POST", "/v1/restores/finish", { body: { restore } });
const replaceBy = async (lines: string[], name: string): Promise<SiteView> => {
  const { body } = await begin(lines, name);
  expect((await load(body.restore, lines)).status).toBe(200);
  return (await finish(body.restore)).body;
};

describe("export and restore", () => {
  it("proves its lines by the last one, and gives the same bytes when it was restored", async () => {
    const site = await makeSite("there-and-back", 2);
    await TestAgent.enrol(site);
    await installJob(site, "there");
    const lines = await exported("there-and-back");
    expect(
      sha256(
        lines
          .slice(0, -1)
          .map((line) => `${line}\n`)
          .join(""),
      ),
    ).toBe(proof(lines).end.sha256);
    expect(await replaceBy(lines, "there-and-back")).toMatchObject({
      id: site.id,
      generation: 2,
      hold: expect.anything(),
    });
    expect(await exported("there-and-back")).toEqual(lines);
  });

  it("refuses to replace a site that was not named, and a file that is not what it proves; then nothing has changed", async () => {
    await makeSite("stays");
    const lines = await exported("stays");
    expect((await begin(lines)).body).toMatchObject({ code: "site_exists" });
    const { body } = await begin(lines, "stays");
    const edited = lines.map((line) => line.replace("node-1", "node-9"));
    expect((await load(body.restore, edited)).body).toMatchObject({ code: "export_broken" });
    expect((await finish(body.restore)).body).toMatchObject({ code: "export_broken" });
    const empty = (await begin(lines, "stays")).body.restore;
    expect(await finish(empty)).toMatchObject({
      status: 422,
      body: { code: "export_broken", detail: `1 of ${lines.length - 1} lines have come.` },
    });
    const again = await begin(lines, "stays");
    expect((await finish(empty)).body).toMatchObject({ code: "restore_unknown" });
    const moved = lines.map((line) => (line.startsWith('{"t":"device"') ? line.replace("r1", "r2") : line));
    expect((await load(again.body.restore, moved)).status).toBe(200);
    expect((await finish(again.body.restore)).body).toMatchObject({ code: "export_broken" });
    expect(await did("GET", "/v1/sites/stays")).toMatchObject({ generation: 1, hold: null });
    expect(await exported("stays")).toEqual(lines);
  });

  it("[L2] fences the old object, and is released once its agent has told", async () => {
    const site = await makeSite("fenced");
    const agent = await TestAgent.enrol(site);
    const lines = await exported("fenced");
    const old = objectOf(site);
    const job = await installJob(site, "seen");
    const { response } = await call("GET", `/v1/jobs/${job.id}/watch`, { headers: { upgrade: "websocket" } });
    const watcher = response.webSocket;
    if (!watcher) throw new Error("no socket");
    const hungUp = new Promise((resolve) => watcher.addEventListener("close", ({ code }) => resolve(code)));
    watcher.accept();
    await replaceBy(lines, "fenced");
    expect(await hungUp).toBe(4002);
    expect(await old.ask("site", {})).toMatchObject({ ok: false, problem: { code: "site_fenced" } });
    expect((await call("POST", "/v1/sites/fenced/release", { body: {} })).body).toMatchObject({
      code: "agents_missing",
    });
    const asked = (await agent.sync({ generation: 2 })).journal;
    if (!asked) throw new Error("nothing was asked");
    await agent.sync({ generation: 2, journal: { ...asked, epoch: 0, attempts: [], complete: true } });
    expect(await did("POST", "/v1/sites/fenced/release", { body: {} })).toMatchObject({
      site: { hold: null },
      unread: [],
    });
  });
});

describe("a plan that comes in with a restored file", () => {
  /** The file with another plan in it, as somebody would write it who knows how it is proven. */
  function withPlan(lines: string[], spoil: (plan: Plan) => Plan): { lines: string[]; plan: string; hash: string } {
    const row = (line: string) => JSON.parse(line) as { t: string; r: Record<string, string> };
    const text = lines.map(row).find(({ t, r }) => t === "text_part" && r.key?.startsWith("pln_"))?.r;
    const spoilt = spoil(JSON.parse(text?.text ?? "") as Plan);
    const hash = planHash(spoilt, sha256);
    const edited = lines.slice(0, -1).map((line) => {
      const { t, r } = row(line);
      if (t === "text_part" && r.key === spoilt.id)
        return JSON.stringify({ t, r: { ...r, text: JSON.stringify(spoilt) } });
      return t === "plan" && r.id === spoilt.id ? JSON.stringify({ t, r: { ...r, hash } }) : line;
    });
    const { end } = proof(lines) as { end: Record<string, unknown> };
    const proven = sha256(edited.map((line) => `${line}\n`).join(""));
    return { lines: [...edited, JSON.stringify({ end: { ...end, sha256: proven } })], plan: spoilt.id, hash };
  }

  it.each<[string, (plan: Plan) => Plan, string]>([
    [
      "with a cycle",
      (plan) => ({ ...plan, steps: plan.steps.map((s) => (s.n === 0 ? { ...s, needs: [1] } : s)) }),
      "a cycle",
    ],
    [
      "with a missing need",
      (plan) => ({ ...plan, steps: plan.steps.map((s) => (s.n === 3 ? { ...s, needs: [99] } : s)) }),
      "needs step 99, which does not exist",
    ],
  ])("[J5][J10] %s is refused when it is to start, and nothing has begun", async (what, spoil, fault) => {
    const name = what.replaceAll(" ", "-");
    await makeSite(name);
    await did("POST", "/v1/plans", { body: { site: name, workflow: "server.install", targets: ["node-1"] } });
    const { lines, plan, hash } = withPlan(await exported(name), spoil);
    await replaceBy(lines, name);
    await did("POST", `/v1/sites/${name}/release`, { body: {} });
    const answer = await call("POST", "/v1/jobs", { key: "spoilt", body: { plan, hash } });
    expect(answer).toMatchObject({
      status: 422,
      body: { code: "plan_invalid", detail: expect.stringContaining(fault) },
    });
    expect(await did("GET", `/v1/jobs?site=${name}`)).toMatchObject({ items: [] });
    expect(await did("GET", `/v1/plans/${plan}`)).toMatchObject({ job: null });
  });
});

describe("[E3] the rebuilt read model", () => {
  it("equals the one before, and fleet truth is untouched", async () => {
    const site = await makeSite("rebuilt", 3);
    await settled(site);
    const state = () => did<ReadModelState>("GET", "/v1/sites/rebuilt/read-model");
    const truth = () =>
      env.DB.prepare(
        "SELECT (SELECT count(*) FROM token) AS t, (SELECT group_concat(document) FROM device_type) AS d",
      ).first();
    const drained = () => eventually(state, (s) => s.waiting === 0, "a drained outbox");
    const [before, kept] = [await drained(), await truth()];
    expect(before.rows).toBeGreaterThan(6);
    await env.DB.prepare("INSERT INTO rm_device (site, id, version, doc) VALUES (?, 'stray', 1, '{}')")
      .bind(site.id)
      .run();
    expect((await state()).hash).not.toBe(before.hash);
    await did("POST", "/v1/sites/rebuilt/read-model/rebuild");
    expect(await drained()).toEqual(before);
    expect(await truth()).toEqual(kept);
    const outbox = await did<OutboxState>("GET", "/v1/sites/rebuilt/outbox");
    expect(outbox).toEqual({ changes: before.changes, waiting: 0, parked: 0, items: [] });
  });
});
