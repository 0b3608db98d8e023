import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../shared/canonical.ts";
import type { Approval } from "../../shared/model/approval.ts";
import { type Plan, planHash } from "../../shared/model/plan.ts";
import { verifyEd25519 } from "../../shared/model/test-keys.ts";
import type { PlanView } from "../../shared/model/views.ts";
import type { Cli } from "../context.ts";
import { makeKeyFile } from "../input/approver-key.ts";
import { turnup } from "../program.ts";

const dir = mkdtempSync(join(tmpdir(), "turnup-approve-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const NOW = Date.parse("2026-11-25T12:00:00Z");
const HOUR = 3_600_000;

const key = join(dir, "ann.key");
const made = makeKeyFile(key, "ann");
if (!made.ok) throw new Error(made.problem.detail);
const annX = made.value;

const medium = { medium: "med_1", serial: "D-1", sizeBytes: 1 << 20 };
const step = { needs: [], touches: "the drive: nothing at all", waitingOn: "the test", target: "dev_1" };
const plan: Plan = {
  v: 1,
  id: "pln_0123456789_aaaaaaaaaaaaaaaa",
  site: "st_0123456789",
  siteName: "ams01",
  workflow: "server.reinstall",
  mode: "reinstall",
  requester: "token:ops",
  requesterPerson: "olga",
  approvals: 1,
  expiresAt: NOW + 24 * HOUR,
  targets: [
    {
      device: "dev_1",
      name: "web-01",
      asset: "ast_1",
      serial: "SN-1",
      aliases: [],
      bmc: { address: "10.0.0.1", port: 443, scheme: "https", secret: "vault:x" },
      boot: { interface: "eth0", mac: "02:00:00:00:00:01" },
      media: [{ id: "med_1", bay: "Bay 0", serial: "D-1", sizeBytes: 1 << 20, chosen: true }],
    },
  ],
  steps: [
    { ...step, n: 0, name: "identify", action: "bmc.identify", params: {} },
    { ...step, n: 1, name: "write-image", action: "ramdisk.writeImage", params: { medium }, destructive: true },
  ],
};
const view: PlanView = {
  plan,
  hash: planHash(plan, (text) => createHash("sha256").update(text).digest("hex")),
  createdAt: NOW,
  job: null,
  impact: { targets: 1, steps: 2, bytesToWrite: 0, racks: ["r01"] },
  approvals: [],
  approvalsNeeded: [{ code: "approval_missing", people: 1, given: 0, text: "one person other than the requester" }],
  guards: [],
};
const PLAN = `/v1/plans/${plan.id}`;
const approved: PlanView = {
  ...view,
  approvals: [{ person: "ann", at: NOW, expiresAt: null, counts: true }],
  approvalsNeeded: view.approvalsNeeded.map((need) => ({ ...need, given: 1 })),
};
const answers = {
  [`GET ${PLAN}`]: view,
  "GET /v1/whoami": { actor: "token:ann", role: "approver", person: "ann", sites: null },
  [`POST ${PLAN}/approvals`]: approved,
  [`DELETE ${PLAN}/approvals`]: view,
};

interface Sent {
  what: string;
  query: string;
  body: unknown;
}

async function run(
  args: string[],
  { more = {}, typed = [] as string[] }: { more?: Record<string, unknown>; typed?: string[] } = {},
) {
  const out: string[] = [];
  const err: string[] = [];
  const asked: string[] = [];
  const sent: Sent[] = [];
  const all: Record<string, unknown> = { ...answers, ...more };
  const cli: Partial<Cli> = {
    env: { TURNUP_URL: "http://127.0.0.1:8787", TURNUP_TOKEN: "tok_x", HOME: dir },
    cwd: "/",
    now: () => NOW,
    newKey: () => "key",
    sleep: async () => undefined,
    ask: async (question) => {
      asked.push(question);
      return typed.shift();
    },
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    fetch: async (input, init) => {
      const { method = "GET", body: raw } = init ?? {};
      const { pathname, search: query } = new URL(String(input));
      const what = `${method} ${pathname}`;
      if (method !== "GET") sent.push({ what, query, body: typeof raw === "string" ? JSON.parse(raw) : undefined });
      const body = all[what];
      return new Response(JSON.stringify(body ?? { code: "not_found" }), { status: body === undefined ? 404 : 200 });
    },
  };
  const code = await turnup(args, cli as Cli);
  return { code, out, err, asked, sent, text: out.join("\n"), said: err.join("\n") };
}
const approvalIn = ([first]: readonly Sent[]): Approval => {
  if (!first) throw new Error("nothing was sent");
  return first.body as Approval;
};
const approve = (...args: string[]) => ["approve", plan.id, "--key", key, ...args];

describe("[G4] turnup approve", () => {
  it("shows the plan, has its targets counted, and sends what was shown, signed by one's own key", async () => {
    const { code, text, asked, sent } = await run(approve(), { typed: ["1"] });
    expect(code).toBe(0);
    expect(asked).toEqual(["This ends data on 1 target. Type their number to approve: "]);
    expect(text).toContain("server.reinstall (reinstall) at ams01");
    expect(text).toContain(`  web-01 (SN-1): write-image ramdisk.writeImage ${JSON.stringify({ medium })}`);
    expect(text).toContain(`To run it: turnup apply ${plan.id} --hash ${view.hash}`);
    const { statement, key: x, signature } = approvalIn(sent);
    expect(statement).toEqual({
      ...{ v: 1, kind: "turnup/approval", plan: plan.id, hash: view.hash, site: plan.site, person: "ann" },
      ...{ at: NOW, expiresAt: plan.expiresAt },
    });
    expect([sent[0]?.what, x]).toEqual([`POST ${PLAN}/approvals`, annX]);
    expect(verifyEd25519(canonicalJson(statement), signature, annX)).toBe(true);
  });

  it("[T5] sends nothing when another number is typed, or none", async () => {
    for (const typed of [["2"], []]) {
      const { code, said, sent } = await run(approve(), { typed });
      expect([code, sent]).toEqual([2, []]);
      expect(said).toContain("Nothing was approved.");
    }
  });

  it("asks nothing with --yes, and of a plan that ends no data; it counts as long as is said", async () => {
    const { code, asked, sent } = await run(approve("--yes", "--ttl", "2h"));
    expect([code, asked]).toEqual([0, []]);
    expect(approvalIn(sent).statement.expiresAt).toBe(NOW + 2 * HOUR);
    const mild = { ...plan, steps: plan.steps.slice(0, 1) };
    const hash = planHash(mild, (text) => createHash("sha256").update(text).digest("hex"));
    const more = { [`GET ${PLAN}`]: { ...view, plan: mild, hash, impact: { ...view.impact, steps: 1 } } };
    expect(await run(approve(), { more })).toMatchObject({ code: 0, asked: [] });
  });

  it("hashes the whole plan itself: one that is shown otherwise than it would run is not signed", async () => {
    const other = { ...plan, steps: plan.steps.map((s) => ({ ...s, params: {} })) };
    const { code, said, sent } = await run(approve("--yes"), { more: { [`GET ${PLAN}`]: { ...view, plan: other } } });
    expect([code, sent]).toEqual([2, []]);
    expect(said).toContain("plan_stale: The control plane shows a plan with the hash");
    // Of a large plan the first steps come with it, and the others are asked for.
    const short = { ...view, plan: { ...plan, steps: plan.steps.slice(0, 1) } };
    const rest = { items: plan.steps.slice(1) };
    const more = { [`GET ${PLAN}`]: short, [`GET ${PLAN}/steps`]: rest };
    expect(await run(approve("--yes"), { more })).toMatchObject({ code: 0 });
    expect(await run(approve("--yes"), { more: { ...more, [`GET ${PLAN}/steps`]: { items: [] } } })).toMatchObject({
      code: 2,
    });
  });

  it.each([
    ["the token", { actor: "token:ops", person: null }],
    ["the person", { actor: "token:olga-2", person: "olga" }],
  ])("refuses %s that asked for the plan, before anything is shown or typed", async (_, me) => {
    const more = { "GET /v1/whoami": { role: "approver", sites: null, ...me } };
    const { code, out, err, asked, sent } = await run(["approve", plan.id], { more });
    expect([code, out, asked, sent]).toEqual([2, [], [], []]);
    expect(err[0]).toMatch(/^approver_is_requester: /);
  });

  it("says what is still missing, and answers in JSON alone", async () => {
    const two = { ...approved, approvalsNeeded: [{ ...view.approvalsNeeded[0], people: 2, given: 1 }] };
    const more = { [`POST ${PLAN}/approvals`]: two };
    const { text } = await run(approve("--yes"), { more });
    expect(text).toContain("1 of 2 (approval_missing)");
    expect(text).not.toContain("To run it");
    const { out, said } = await run(approve("--yes", "--json"), { more });
    expect(JSON.parse(out.join("\n"))).toEqual(two);
    expect(said).toContain("web-01");
  });

  it("takes an approval back: one's own by the key, or another's by name", async () => {
    const own = await run(approve("--revoke"));
    expect(own).toMatchObject({ code: 0, sent: [{ what: `DELETE ${PLAN}/approvals`, query: "?person=ann" }] });
    expect(own.out[0]).toBe(`ann no longer approves ${plan.id}.`);
    const other = await run(["approve", plan.id, "--revoke", "--person", "bob"]);
    expect(other.sent).toMatchObject([{ query: "?person=bob" }]);
    expect((await run(["approve", plan.id, "--revoke"])).sent).toMatchObject([{ query: "" }]);
  });

  it("takes no key that others may read, that is none, or that is not there", async () => {
    const open = join(dir, "open.key");
    writeFileSync(open, readFileSync(key), { mode: 0o600 });
    chmodSync(open, 0o644);
    const none = join(dir, "none.key");
    writeFileSync(none, "{}", { mode: 0o600 });
    const said = [];
    for (const file of [open, none, join(dir, "nowhere.key")]) {
      const { code, err, sent } = await run(["approve", plan.id, "--key", file, "--yes"]);
      expect([code, sent]).toEqual([2, []]);
      said.push(err[0]?.replaceAll(dir, ""));
    }
    expect(said).toEqual([
      "file_unreadable: The key /open.key can be read by others: chmod 600 it, or make another one.",
      "file_unreadable: /none.key holds no approver's key.",
      "file_unreadable: There is no key /nowhere.key. `turnup approver keygen` makes one; --key names another.",
    ]);
  });
});

describe("turnup approver", () => {
  it("makes a key that only its person can read, and never over another", async () => {
    const { code, out, said } = await run(["approver", "keygen", "--person", "bob"]);
    const file = join(dir, ".config/turnup/approver.key");
    expect([code, statSync(file).mode & 0o777]).toEqual([0, 0o600]);
    const jwk = JSON.parse(readFileSync(file, "utf8")) as { x: string; d: string; person: string };
    expect([out, jwk.person]).toEqual([[jwk.x], "bob"]);
    expect(said).toContain(`turnup approver add --person bob --key=${jwk.x}`);
    expect(said).not.toContain(jwk.d);
    const again = await run(["approver", "keygen", "--person", "bob"]);
    expect([again.code, again.err[0]]).toEqual([2, expect.stringMatching(/^conflict: /)]);
    expect(await run(["approver", "keygen", "--person", "Bob B"])).toMatchObject({ code: 2, out: [] });
  });

  it("revokes a key by its id or by itself", async () => {
    const one = { id: "apr_1", person: "ann", key: annX, createdAt: NOW, revokedAt: null };
    const more = { "GET /v1/approvers": { items: [one], next: null }, "DELETE /v1/approvers/apr_1": one };
    for (const ref of ["apr_1", annX])
      expect((await run(["approver", "revoke", "--", ref], { more })).sent).toMatchObject([
        { what: "DELETE /v1/approvers/apr_1" },
      ]);
    expect((await run(["approver", "list"], { more })).text).toContain(annX);
    const added = await run(["approver", "add", "--person", "ann", `--key=${annX}`], {
      more: { "POST /v1/approvers": one },
    });
    expect(added).toMatchObject({ code: 0, sent: [{ body: { person: "ann", key: annX } }] });
    expect(await run(["approver", "add", "--person", "ann", "--key", "x"])).toMatchObject({ code: 2, sent: [] });
  });
});
