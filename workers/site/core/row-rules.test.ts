import { describe, expect, it } from "vitest";
import type { SqlRow } from "../../../shared/sql.ts";
import { truthTables } from "./export.ts";
import { rowFault, rowRules } from "./row-rules.ts";
import { busy, exported } from "./test-export.ts";
import { World } from "./test-world.ts";

it("there is a rule for every column of every table that goes out", () => {
  const tables = truthTables(new World(0, { empty: true }).sql);
  const ruled = Object.entries(rowRules).map(([name, { columns }]) => [name, Object.keys(columns.shape).sort()]);
  expect(ruled).toEqual(tables.map(({ name, columns }) => [name, columns.sort()]));
});

describe("a row", () => {
  const w = busy();
  w.install(["srv00003"], "ready");
  const rows = exported(w)
    .slice(1)
    .map((line) => JSON.parse(line) as { t: string; r: SqlRow });
  const EPOCH = 1_000;
  const oneOf = (table: string, where: SqlRow): SqlRow => {
    const found = rows.find(({ t, r }) => t === table && Object.entries(where).every(([k, v]) => r[k] === v));
    if (!found) throw new Error(`no ${table} is ${JSON.stringify(where)}`);
    return found.r;
  };

  it("of a site at work keeps all of them", () => {
    for (const { t, r } of rows) expect(rowFault(t, r, EPOCH)).toBeUndefined();
  });

  it("of an older version of the tables lacks columns, and keeps them too", () => {
    const { at: _, body: __, ...step } = oneOf("step", { state: "ready" });
    expect(rowFault("step", step, EPOCH)).toBeUndefined();
  });

  it.each<[string, SqlRow, SqlRow, string]>([
    ["step", { state: "ready" }, { state: "flying" }, "state: Invalid option"],
    ["step", { state: "ready" }, { at: null }, "it is ready and its at is null"],
    ["step", { state: "leased" }, { epoch: 1e15 }, "its epoch 1000000000000000 is above 1000"],
    ["step", { state: "leased" }, { agent: null }, "it is leased and has no agent"],
    ["step", { state: "ready" }, { body: "{" }, "body: it is no JSON"],
    ["step", { state: "ready" }, { body: "{}" }, "body.n: "],
    ["step", { state: "ready" }, { n: 999 }, "its body is of step"],
    ["step", { state: "ready" }, { action: "bmc.power" }, "its action is bmc.power"],
    ["step", { state: "succeeded" }, { ended_at: null }, "it is succeeded and its ended_at is null"],
    ["job", { state: "running" }, { state: "succeeded" }, "it is succeeded and its ended_at is null"],
    ["job", { state: "running" }, { priority: 99 }, "priority: "],
    ["job", { state: "running" }, { paused: '{"by":1}' }, "paused.by: "],
    ["job_target", { state: "waiting" }, { waiting_on: null }, "it is waiting and waits for nobody"],
    ["job_target", { state: "running" }, { due_at: 5 }, "it is running and its due_at is 5"],
    ["device", { state: "planned" }, { state: "on fire" }, "state: "],
    ["device", { state: "planned" }, { name: "other" }, "its doc is of srv"],
    ["asset", {}, { serial: "ANOTHER" }, "its serial_key "],
    ["medium", {}, { serial_key: "another" }, "its serial_key another is not that of its serial"],
    ["finding", { state: "open" }, { closed_at: 5 }, "it is open and its closed_at is 5"],
    ["agent", {}, { key: '{"kty":"RSA"}' }, "key.kty: "],
    ["agent", {}, { lease_until: -1 }, "lease_until: "],
    ["policy", {}, { version: 0 }, "version: "],
    ["policy", {}, { sha: "x" }, "sha: a SHA-256"],
    ["meta", { key: "site" }, { value: "{}" }, "meta site: id: "],
    ["meta", { key: "site" }, { key: "constructor" }, "meta constructor: no site keeps this"],
    ["meta", { key: "epoch" }, { value: "1001" }, "meta epoch: its epoch 1001 is above 1000"],
  ])("of %s that is %o is refused with %o", (table, where, change, words) => {
    expect(rowFault(table, { ...oneOf(table, where), ...change }, EPOCH)).toContain(words);
  });
});
