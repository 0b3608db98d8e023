import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Cli } from "../context.ts";
import { turnup } from "../program.ts";

const dir = mkdtempSync(join(tmpdir(), "turnup-policy-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function fileOf(text: string): string {
  const file = join(dir, "policy.yaml");
  writeFileSync(file, text);
  return file;
}

interface Sent {
  method: string;
  path: string;
  query: string;
  body: unknown;
}

/** Runs a command against answers by method and path. */
async function run(answers: Record<string, { status?: number; body: unknown }>, ...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const sent: Sent[] = [];
  const cli: Partial<Cli> = {
    env: { TURNUP_URL: "http://127.0.0.1:8787", TURNUP_TOKEN: "tok_x" },
    cwd: "/",
    now: () => Date.parse("2026-11-25T12:00:00.500Z"),
    newKey: () => "key",
    sleep: async () => undefined,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    fetch: async (input, init) => {
      const { method = "GET", body: raw } = init ?? {};
      const { pathname: path, search: query } = new URL(String(input));
      sent.push({ method, path, query, body: typeof raw === "string" ? JSON.parse(raw) : undefined });
      const { status = 200, body } = answers[`${method} ${path}`] ?? { status: 500, body: { code: "internal" } };
      return new Response(JSON.stringify(body), { status });
    },
  };
  const code = await turnup(args, cli as Cli);
  return { code, out, err, sent };
}

const TEXT = "schema: turnup/policy/v1\nsite: ams01\npools:\n  - name: web\n    members: { roles: [wbe] }\n";
const view = { site: "st_1", version: 4, at: 0, actor: "token:anna", reason: "peak", sha: "ab".repeat(32), text: TEXT };
const diff = { base: 3, changes: ["pool web: floor 4 → 5"], same: false };
const DIFF = "POST /v1/sites/ams01/policy/diff";
const POLICY = "/v1/sites/ams01/policy";

describe("policy show", () => {
  it("prints the text alone, fit for a file, and what it comes to beside it", async () => {
    const body = { ...view, floors: [{ of: "pool web", machines: 5, least: 4 }] };
    const { code, out, err } = await run({ [`GET ${POLICY}`]: { body } }, "policy", "show", "ams01");
    expect(code).toBe(0);
    expect(`${out.join("\n")}\n`).toBe(TEXT);
    expect(err).toEqual([
      "# Version 4, applied 1970-01-01 00:00:00 UTC by token:anna: peak",
      "# pool web: 4 of 5 machines stay in service",
    ]);
  });
  it("shows an older one by its number", async () => {
    const body = { ...view, version: 2, floors: null };
    const { err, sent } = await run({ [`GET ${POLICY}`]: { body } }, "policy", "show", "ams01", "--at", "2");
    expect(sent[0]?.query).toBe("?version=2");
    expect(err).toHaveLength(1);
  });
});

describe("policy diff and apply", () => {
  it("say what changes, and against which version", async () => {
    const file = fileOf(TEXT);
    const { code, out } = await run({ [DIFF]: { body: diff } }, "policy", "diff", file);
    expect(code).toBe(0);
    expect(out).toEqual(["pool web: floor 4 → 5", `Against version 3. Apply it: turnup policy apply ${file} --base 3`]);
  });

  it("apply to the version that was compared, or to the one that is named", async () => {
    const answers = {
      [DIFF]: { body: diff },
      [`PUT ${POLICY}`]: { body: { policy: { ...view, floors: [] }, created: true } },
    };
    const first = await run(answers, "policy", "apply", fileOf(TEXT), "--reason", "peak");
    expect(first.out).toEqual(["pool web: floor 4 → 5", "Version 4 of the policy of ams01 holds."]);
    expect(first.sent.at(-1)?.body).toEqual({ base: 3, text: TEXT, reason: "peak" });
    const second = await run(answers, "policy", "apply", fileOf(TEXT), "--base", "2", "--end-holds");
    expect(second.sent.at(-1)?.body).toEqual({ base: 2, text: TEXT, reason: "", endHolds: true });
    expect((await run(answers, "policy", "apply", fileOf(TEXT), "--base", "x")).code).toBe(2);
  });

  it("tell the faults that the control plane finds by the lines of the file", async () => {
    const errors = [
      { code: "role_missing", pointer: "/pools/0/members/roles/0", text: 'the site has no role "wbe"', write: "web" },
      { code: "site_other", pointer: "/site", text: "it is another", write: "site: x" },
    ];
    const body = { code: "validation_failed", detail: "The policy has 2 faults.", errors };
    const file = fileOf(TEXT);
    for (const verb of ["diff", "apply"]) {
      const { code, out, sent } = await run({ [DIFF]: { status: 422, body } }, "policy", verb, file);
      expect(code).toBe(2);
      expect(out).toEqual([
        `${file}:2:7 site_other it is another. Write: site: x`,
        `${file}:5:24 role_missing the site has no role "wbe". Write: web`,
      ]);
      expect(sent).toHaveLength(1);
    }
  });

  it.each([
    ["site: ams01\nsite: ams01\n", ":2:1 yaml_duplicate_key"],
    ["pools: []\n", ":1:1 missing_key"],
    ["\tx", ":1:1 yaml_tab"],
  ])("send nothing of a file that cannot be one: %j", async (text, fault) => {
    const { code, out, sent } = await run({}, "policy", "apply", fileOf(text));
    expect(code).toBe(2);
    expect(out[0]).toContain(fault);
    expect(sent).toEqual([]);
  });

  it("a file that is not there is said to be missing", async () => {
    const { code, err } = await run({}, "policy", "diff", join(dir, "none.yaml"));
    expect(code).toBe(2);
    expect(err[0]).toContain("not_found");
  });
});

describe("hold and unhold", () => {
  const answers = {
    [`POST ${POLICY}/hold`]: { body: { ...view, floors: [] } },
    [`POST ${POLICY}/unhold`]: { body: { ...view, floors: [] } },
  };
  const at = ["--site", "ams01"];

  it("name a device without more, and anything else by its kind", async () => {
    const { out, sent } = await run(answers, "hold", "web-03", "--reason", "data rescue", ...at);
    expect(sent[0]?.body).toEqual({ on: "device:web-03", reason: "data rescue" });
    expect(out[0]).toBe("device web-03 of ams01 is held. It ends with: turnup unhold web-03");
    const rack = await run(answers, "hold", "rack:r01", "--reason", "power", "--owner", "bo", "--until", "4h", ...at);
    expect(rack.sent[0]?.body).toEqual({ on: "rack:r01", reason: "power", owner: "bo", until: "2026-11-25T16:00:01Z" });
    const unheld = await run(answers, "unhold", "site", "--owner", "bo", ...at);
    expect(unheld.sent[0]?.body).toEqual({ on: "site", reason: "", owner: "bo" });
    expect(unheld.out[0]).toBe("The whole of ams01 is no longer held by bo.");
  });

  it.each([
    [["hold", "web-03"], "--reason is missing"],
    [["hold", "web-03", "--reason", "x", "--until", "soon"], "--until soon is no time"],
    [["hold", "web-03", "--reason", "x", "--until", "2026-11-27"], "is no time"],
  ])("%j is refused before anything is sent", async (args, words) => {
    const { code, err, sent } = await run(answers, ...args, ...at);
    expect(code).toBe(2);
    expect(err.join("\n")).toContain(words);
    expect(sent).toEqual([]);
  });
});
