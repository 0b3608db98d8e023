import { describe, expect, it } from "vitest";
import type { ExportHeader } from "../../../shared/model/site-export.ts";
import { disagreement, references } from "./agreement.ts";
import { exportHeader, truthTables } from "./export.ts";
import { begun, busy, exported } from "./test-export.ts";
import { rack } from "./test-workflows.ts";
import { sha256, World } from "./test-world.ts";
import { readMeta, type SiteRecord } from "./tx.ts";

/** Columns by the names that rows of other tables have in them. */
const NAMES = ["agent", "asset", "device", "job", "lease", "plan", "step"];

it("it is said of every column that names a row whether that row must be there", () => {
  const naming = truthTables(new World(0, { empty: true }).sql).flatMap(({ name, columns }) =>
    columns.filter((column) => NAMES.includes(column)).map((column) => `${name}.${column}`),
  );
  expect(Object.keys(references).sort()).toEqual(naming.sort());
});

const headerOf = (w: World): ExportHeader => exportHeader(w.sql, readMeta<SiteRecord>(w.sql, "site") as SiteRecord);

describe("the tables of a site at work", () => {
  const w = busy([rack]);
  w.enroll("c", "z".repeat(43));
  w.start("test.rack", ["srv00003", "srv00005"]);
  const header = headerOf(w);

  it("agree", () => {
    expect(disagreement(w.sql, header, sha256)).toBeUndefined();
  });

  const of = (state: string) => `(SELECT device FROM job_target WHERE state = '${state}' LIMIT 1)`;
  it.each([
    ["DELETE FROM asset WHERE id = (SELECT asset FROM device LIMIT 1)", "a row of device names the asset "],
    ["UPDATE job SET plan = 'pln_x'", "a row of job names the plan "],
    ["UPDATE lock SET job = 'job_x'", "a row of lock names the job "],
    ["UPDATE step SET agent = 'agt_x' WHERE agent IS NOT NULL", "a row of step names the agent "],
    ["UPDATE medium SET asset = 'ast_x'", "a row of medium names the asset ast_x, which is not here"],
    ["DELETE FROM job_target WHERE job = (SELECT id FROM job LIMIT 1)", "has no target"],
    ["UPDATE job SET due_at = 1 WHERE ended_at IS NOT NULL", "has ended, and is paused or has a deadline"],
    ["UPDATE job SET plan_hash = 'x'", "is of another plan than"],
    ["UPDATE plan SET job = (SELECT id FROM job LIMIT 1) WHERE job IS NULL", "was used by"],
    ["DELETE FROM event WHERE seq = 2", "an event of job_"],
    ["DELETE FROM event", "has no event"],
    ["DELETE FROM job_target WHERE ord = 0 AND job IN (SELECT job FROM job_target WHERE ord = 1)", "a target of job_"],
    ["UPDATE job_target SET to_n = to_n + 1", "lacks its first or last step"],
    ["DELETE FROM lock", "holds no lock"],
    [`INSERT INTO lock SELECT device, job, 1 FROM job_target WHERE state = 'succeeded'`, "which does not work on it"],
    [`UPDATE device SET state = 'installing' WHERE id = ${of("succeeded")}`, "is installing, and no job holds it"],
    ["UPDATE step SET state = 'succeeded' WHERE state IN ('blocked', 'ready', 'leased')", "has no open step"],
    ["DELETE FROM step WHERE n = 5", "a step of job_"],
    ["UPDATE step SET device = (SELECT id FROM device WHERE name = 'srv00000') WHERE n = 17", "is of no target"],
    [
      "UPDATE step SET state = 'ready' WHERE job = (SELECT id FROM job WHERE state = 'succeeded')",
      "and its target succeeded",
    ],
    [`UPDATE step SET state = 'leased' WHERE state = 'blocked' AND device = ${of("running")}`, "are at work or lost"],
    [`UPDATE step SET body = json_set(body, '$.needs', json('[999]')) WHERE state = 'blocked'`, "which is not there"],
    [
      "UPDATE step SET state = 'ready' WHERE state = 'blocked' AND device NOT IN (SELECT device FROM job_target WHERE state = 'waiting')",
      "which it needs",
    ],
    ["DELETE FROM step_need", "no step_need says so"],
    ["DELETE FROM device WHERE id NOT IN (SELECT device FROM lock)", "is not here, and the ledger says device."],
    ["UPDATE medium SET state = 'erased'", "and the ledger says medium.present"],
    [
      "INSERT INTO device SELECT id || 'x', name || 'x', 'planned', since, NULL, doc, cables, version, held FROM device",
      "is not in the ledger",
    ],
    ["UPDATE agent SET name = 'a'", "two agents have the name a"],
    [
      "INSERT INTO audit SELECT key || n, 'running', 1, 1, NULL, 0, 0, 0, 0, '[]' FROM audit, (SELECT 1 AS n UNION SELECT 2)",
      "two audits are under way",
    ],
    ["UPDATE text_part SET n = 1 WHERE key = 'site'", "a part of the text site is missing"],
    ["INSERT INTO text_part VALUES ('pln_x', 0, '{}')", "is of no plan"],
    ["UPDATE job SET state = 'waiting' WHERE state = 'running'", "its targets say running"],
    ["DELETE FROM text_part WHERE key = 'site'", "the text of the site file is missing"],
    ["UPDATE text_part SET text = '{' WHERE key = 'site'", "the text of the site file: "],
    [
      "UPDATE text_part SET text = replace(text, 'first-install', 'wipe') WHERE key = (SELECT id FROM plan WHERE job IS NULL)",
      "is not the one with its hash",
    ],
    ["UPDATE plan SET expires_at = expires_at + 1 WHERE job IS NULL", "is another one than its row says"],
    ["DELETE FROM text_part WHERE key = (SELECT id FROM plan WHERE job IS NOT NULL)", "is not its own"],
    ["UPDATE step SET body = json_set(body, '$.name', 'other') WHERE n = 5", " is not as its plan has it"],
    ["UPDATE job_target SET body = json_set(body, '$.serial', 'SN9') WHERE ord = 1", "is not as its plan has it"],
    [
      "UPDATE text_part SET text = replace(text, 'write-image', 'right-image') WHERE key = (SELECT plan FROM job WHERE state = 'running')",
      "is not the one with its hash",
    ],
    ["DELETE FROM policy", "the ledger says that 1 policies were applied, and 0 are here"],
    ["UPDATE policy SET version = 2", "policy 1 is missing"],
    ["UPDATE policy SET text = text || ' '", "policy 1 is not the one that was applied"],
    ["UPDATE meta SET value = json_set(value, '$.generation', 7) WHERE key = 'site'", "says another generation"],
    ["UPDATE meta SET value = '1' WHERE key = 'epoch'", "says another epoch"],
  ])("do not after %s", (statement, words) => {
    w.undone(() => {
      w.sql.run(statement);
      expect(disagreement(w.sql, header, sha256)).toContain(words);
    });
  });
});

it("hundreds of machines in flight are no disagreement", { timeout: 60_000 }, () => {
  const w = new World(500);
  w.install(
    Array.from({ length: 500 }, (_, n) => `srv${String(n).padStart(5, "0")}`),
    "many",
  );
  expect(disagreement(w.sql, headerOf(w), sha256)).toBeUndefined();
});

it("a restore of tables that do not agree is refused, and can be begun anew", () => {
  const w = busy();
  w.sql.run("DELETE FROM lock");
  const lines = exported(w);
  const next = begun(lines);
  next.do("restore.load", { restore: "r1", from: 1, lines: lines.slice(1) });
  expect(() => next.do("restore.finish", { restore: "r1" })).toThrow(/^export_broken: .* holds no lock\.$/);
  expect(next.refusal("tick", {})).toBe("site_unknown");
});
