import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newTestKey } from "../../../shared/model/test-keys.ts";
import { openSql } from "../../sql/node-sqlite.ts";
import { openJournal } from "../journal/journal.ts";
import { approverCommand } from "./approver-command.ts";

const state = mkdtempSync(join(tmpdir(), "turnup-approver-"));
function run(...args: string[]): { code: number; out: string; err: string } {
  const said = { out: "", err: "" };
  const to = (name: "out" | "err") => ({
    write(text: string) {
      said[name] += text;
    },
  });
  const code = approverCommand([...args], { out: to("out"), err: to("err"), now: 7 });
  return { code, ...said };
}
const [ann, bob] = [newTestKey(), newTestKey()];

it("[G4] keeps the list in the journal, with each change and how it came", () => {
  expect(run("list", "--state", state)).toMatchObject({ code: 0, out: expect.stringMatching(/^# revision 0, hash/) });
  expect(run("add", "--person", "ann", "--key", ann.x, "--state", state).code).toBe(0);
  expect(run("add", "--person", "bob", "--key", bob.x, "--state", state).out).toMatch(
    new RegExp(`^ann\t${ann.x}\nbob\t${bob.x}\n# revision 2, `),
  );
  expect(run("remove", "--key", bob.x, "--state", state).code).toBe(0);
  const sql = openSql(join(state, "journal.sqlite"));
  expect(openJournal(sql, async () => {}).approvers.get()).toEqual({
    revision: 3,
    approvers: [{ person: "ann", key: ann.x }],
  });
  expect(sql.all("SELECT at, how FROM approver_change")).toHaveLength(3);
  sql.close();
});

it("refuses a key that is there, or is not, a name that is none, and a line that says too little", () => {
  expect(run("add", "--person", "eve", "--key", ann.x, "--state", state)).toMatchObject({
    code: 2,
    err: expect.stringMatching(/^conflict: .* of ann/),
  });
  expect(run("remove", "--key", bob.x, "--state", state).code).toBe(2);
  for (const args of [
    ["add", "--person", "Ann B.", "--key", bob.x, "--state", state],
    ["add", "--person", "ann", "--key", "short", "--state", state],
    ["add", "--person", "ann", "--state", state],
    ["list"],
    ["forget", "--state", state],
    ["list", "--nonsense"],
    ["list", "--state", join(state, "nowhere")],
  ])
    expect([args, run(...args).code]).toEqual([args, 2]);
});

it("says that the agent must be stopped first", () => {
  const sql = openSql(join(state, "journal.sqlite"), { exclusive: true });
  expect(run("list", "--state", state)).toMatchObject({ code: 1, err: expect.stringContaining("stop it") });
  sql.close();
});
