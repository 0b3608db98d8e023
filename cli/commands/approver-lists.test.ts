import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { canonicalJson } from "../../shared/canonical.ts";
import { ApproversChange } from "../../shared/model/approver-list.ts";
import { newTestKey, verifyEd25519 } from "../../shared/model/test-keys.ts";
import type { ApproverChanges, SiteView } from "../../shared/model/views.ts";
import type { Cli } from "../context.ts";
import { makeKeyFile } from "../input/approver-key.ts";
import { turnup } from "../program.ts";

const dir = mkdtempSync(join(tmpdir(), "turnup-lists-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const NOW = Date.parse("2026-11-25T12:00:00Z");
const file = join(dir, "change.json");
const keys = ["ann", "bob"].map((person) => {
  const path = join(dir, `${person}.key`);
  const made = makeKeyFile(path, person);
  if (!made.ok) throw new Error(made.problem.detail);
  return { path, x: made.value };
});
const cem = newTestKey().x;
const hash = "a".repeat(64);
const site: SiteView = {
  ...{ id: "st_0123456789", name: "ams01", locationHint: "weur", jurisdiction: "none", createdAt: 0, revision: 1 },
  ...{ racks: 1, devices: 1, version: 1, atOnce: {}, generation: 1, hold: null },
};
const agent = { agent: "agt_1", name: "ams01-a", list: hash, refused: null };
const state: ApproverChanges = { waiting: [], agents: [agent] };
const CHANGES = "approver-changes";

async function run(args: string[], changes: ApproverChanges = state) {
  const out: string[] = [];
  const err: string[] = [];
  const sent: { path: string; body: unknown }[] = [];
  const cli: Partial<Cli> = {
    env: { TURNUP_URL: "http://127.0.0.1:8787", TURNUP_TOKEN: "tok_x", HOME: dir },
    cwd: "/",
    now: () => NOW,
    newKey: () => "key",
    sleep: async () => undefined,
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    fetch: async (input, init) => {
      const { pathname: path } = new URL(String(input));
      if (init?.method === "POST") sent.push({ path, body: JSON.parse(String(init.body)) });
      return new Response(JSON.stringify(path.endsWith(CHANGES) ? changes : site), { status: 200 });
    },
  };
  const code = await turnup(["approver", ...args], cli as Cli);
  return { code, out, err, sent };
}
const change = (...more: string[]) => ["change", "ams01", "--out", file, ...more];
const written = () => ApproversChange.parse(JSON.parse(readFileSync(file, "utf8")));

it("[G4] a change of the agents' lists is written, signed by two people, and sent to its site", async () => {
  const made = await run(change("--add", `cem=${cem}`, `--remove=${keys[1]?.x}`, "--ttl", "2h"));
  expect(made.code, made.err.join()).toBe(0);
  expect(written()).toEqual({
    statement: {
      ...{ v: 1, kind: "turnup/approvers", site: site.id, base: hash, expiresAt: NOW + 7_200_000 },
      ...{ add: [{ person: "cem", key: cem }], remove: [keys[1]?.x] },
    },
    signatures: [],
  });
  const first = await run(["sign", file, "--key", keys[0]?.path ?? ""]);
  expect(first.out).toContain(`  + cem ${cem}`);
  expect(first.out.at(-1)).toBe("A second person signs it, too.");
  const second = await run(["sign", file, "--key", keys[1]?.path ?? ""]);
  expect(second.out.at(-1)).toBe(`To send it: turnup approver send ${file}`);
  const { statement, signatures } = written();
  expect(signatures.map(({ key }) => key)).toEqual(keys.map(({ x }) => x));
  for (const { key, signature } of signatures)
    expect(verifyEd25519(canonicalJson(statement), signature, key)).toBe(true);
  const { code, sent, out } = await run(["send", file]);
  expect([code, sent]).toEqual([0, [{ path: `/v1/sites/${site.id}/${CHANGES}`, body: { statement, signatures } }]]);
  expect(out).toEqual([`ams01-a has the list ${hash}`]);
});

it("asks which list is meant where the agents' differ or are not known, and says why an agent took no change", async () => {
  const other = { ...agent, name: "ams01-b", list: "b".repeat(64) };
  for (const agents of [[agent, other], [{ ...agent, list: null }], []]) {
    const { code, err } = await run(change("--add", `cem=${cem}`), { waiting: [], agents });
    expect([code, err[0]]).toEqual([2, expect.stringContaining("Say which list is changed by --base")]);
  }
  const base = "c".repeat(64);
  expect(await run(change("--base", base, "--add", `cem=${cem}`), { waiting: [], agents: [] })).toMatchObject({
    code: 0,
  });
  expect(written().statement.base).toBe(base);
  const refused = { code: "approver_unknown", detail: "The key x is not on the list." };
  const shown = await run(["changes", "ams01"], { waiting: [], agents: [{ ...agent, refused }] });
  expect(shown.out[0]).toContain("it did not take the last change: approver_unknown: The key x");
});

it("takes no change that is none, no key that is none, and nothing that changes nothing", async () => {
  writeFileSync(join(dir, "odd.json"), "{}");
  for (const args of [
    change(),
    change("--add", "cem"),
    change("--add", "Cem=x"),
    change("--remove", "x"),
    change("--base", "x", "--add", `cem=${cem}`),
    ["sign", join(dir, "odd.json"), "--key", keys[0]?.path ?? ""],
    ["sign", file, "--key", join(dir, "nowhere.key")],
    ["send", join(dir, "nowhere.json")],
  ])
    expect(await run(args), args.join(" ")).toMatchObject({ code: 2, sent: [] });
});
