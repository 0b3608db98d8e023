import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Cli } from "../context.ts";
import { turnup } from "../program.ts";

const dir = mkdtempSync(join(tmpdir(), "turnup-exports-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const header = {
  turnup: "site-export",
  format: 1,
  schema: 1,
  site: "st_0123456789",
  name: "ams01",
  locationHint: "weur",
  jurisdiction: "none",
  generation: 1,
  epoch: 0,
  ledger: { seq: 1, hash: "ab" },
};
const row = { t: "meta", r: { key: "site", value: "{}" } };
const lines = [JSON.stringify(header), JSON.stringify(row)];
const proven = lines.map((line) => `${line}\n`).join("");
const sha256 = createHash("sha256").update(proven).digest("hex");
const end = JSON.stringify({ end: { rows: { meta: 1 }, lines: 2, sha256 } });
const whole = `${proven}${end}\n`;

type Answer = { status: number; body: string };
const problem = (status: number, code: string): Answer => ({
  status,
  body: JSON.stringify({ code, detail: `It says ${code}.`, next: "x" }),
});
const text = (body: string): Answer => ({ status: 200, body });

/** Runs a command against answers in their order, and notes what was asked. */
async function run(answers: Answer[], ...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const slept: number[] = [];
  const asked: { path: string; body: unknown }[] = [];
  const cli: Partial<Cli> = {
    env: { TURNUP_URL: "http://127.0.0.1:8787", TURNUP_TOKEN: "tok_x" },
    cwd: dir,
    now: () => 0,
    newKey: () => "key",
    sleep: async (ms) => void slept.push(ms),
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    fetch: async (input, init) => {
      asked.push({
        path: new URL(String(input)).pathname,
        body: typeof init?.body === "string" ? JSON.parse(init.body) : undefined,
      });
      const { status, body } = answers.shift() ?? problem(500, "internal");
      return new Response(body, { status });
    },
  };
  const code = await turnup(args, cli as Cli);
  return { code, out, said: err.join("\n"), slept, asked };
}

describe("site export", () => {
  const exported = (...answers: Answer[]) => run(answers, "site", "export", "ams01");

  it("prints the lines as they came", async () => {
    expect(await exported(text(whole))).toMatchObject({ code: 0, out: [...lines, end], said: "", slept: [] });
  });

  it("tries again when the site has changed meanwhile or the stream broke off, and prints only what is whole", async () => {
    const done = await exported(problem(409, "export_moved"), text(proven), text(whole));
    expect(done).toMatchObject({ code: 0, out: [...lines, end], slept: [1_000, 2_000] });
    expect(done.said).toMatch(
      /^export_moved: It says export_moved\. Trying again\.\nexport_moved: .*broke off\. Trying again\.$/,
    );
  });

  it("gives up after the third try, with nothing on standard output", async () => {
    const cut = text(whole.slice(0, -20));
    const done = await exported(cut, text(""), cut, text(whole));
    expect(done.code).toBe(2);
    expect(done.out).toEqual([]);
    expect(done.asked).toHaveLength(3);
    expect(done.said).toContain("turnup fleet freeze");
  });

  it("does not print an export whose lines are not those that its last line proves", async () => {
    const forged = text(whole.replace("weur", "enam"));
    expect(await exported(forged, forged, forged)).toMatchObject({ code: 2, out: [] });
  });

  it("does not try again what is refused for good", async () => {
    const done = await exported(problem(404, "site_unknown"), text(whole));
    expect(done).toMatchObject({ code: 2, out: [], slept: [] });
    expect(done.said).toContain("site_unknown");
  });
});

describe("site restore", () => {
  const file = join(dir, "export");
  const begun = text(JSON.stringify({ restore: "r", generation: 2, loaded: 1 }));

  it("sends nothing of a file that is cut", async () => {
    writeFileSync(file, proven);
    const done = await run([begun], "site", "restore", file);
    expect(done).toMatchObject({ code: 2, asked: [] });
    expect(done.said).toContain("its last line is missing");
  });

  it("sends nothing of a file of another format, whatever else its header holds", async () => {
    writeFileSync(file, whole.replace('"format":1', '"format":9,"more":true'));
    const done = await run([begun], "site", "restore", file);
    expect(done).toMatchObject({ code: 2, asked: [] });
    expect(done.said).toMatch(/^export_version: .*Its format is 9; this version of Turnup knows 1\./);
  });

  it("sends the header, then the rows as they stand there, then has them compared", async () => {
    writeFileSync(file, whole);
    const site = {
      ...{ id: header.site, name: "ams01", locationHint: "weur", jurisdiction: "none", createdAt: 0, revision: 1 },
      ...{ racks: 1, devices: 1, version: 1, atOnce: { steps: 1, disruptive: 1 }, generation: 2 },
      hold: { since: 0, waitingOn: "an admin" },
    };
    const loaded = text(JSON.stringify({ loaded: 2 }));
    const done = await run([begun, loaded, text(JSON.stringify(site))], "site", "restore", file, "--replace", "ams01");
    expect(done.asked).toEqual([
      { path: "/v1/restores", body: { header, lines: 2, sha256, replace: "ams01" } },
      { path: "/v1/restores/lines", body: { restore: "r", from: 1, lines: [lines[1]] } },
      { path: "/v1/restores/finish", body: { restore: "r" } },
    ]);
    expect(done).toMatchObject({
      code: 0,
      out: ["ams01: 2 lines restored as generation 2, on hold.", "It waits for an admin."],
    });
  });
});

describe("site rebuild-readmodel", () => {
  const state = (hash: string, changes: number) =>
    text(JSON.stringify({ rows: 5, hash, changes, waiting: 0, parked: 0 }));
  const rebuilt = (before: Answer, after: Answer, ...more: string[]) =>
    run([before, text('{"rows":5}'), after], "site", "rebuild-readmodel", "ams01", ...more);

  it.each([
    ["equal", state("a", 7), true, false, 0, "equal to those before (a)"],
    ["changed meanwhile", state("b", 8), false, true, 0, "others than before, as the site changed meanwhile (b)"],
    ["lost before", state("b", 7), false, false, 3, "not equal to those before (b)"],
  ])("says of rows that are %s whether the site changed meanwhile", async (_, after, equal, changed, code, words) => {
    const told = await rebuilt(state("a", 7), after);
    expect(told).toMatchObject({ code, out: [expect.stringContaining(words)] });
    const { out } = await rebuilt(state("a", 7), after, "--json");
    expect(JSON.parse(out[0] ?? "")).toMatchObject({ equal, changedMeanwhile: changed });
  });
});
