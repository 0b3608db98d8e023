import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openJournal } from "../../../agents/site/journal/journal.ts";
import { openSql } from "../../../agents/sql/node-sqlite.ts";
import type { ApproverView } from "../../../shared/model/views.ts";
import type { Client, TokenView } from "../../client/client.ts";
import { approverFiles, listAtAgent, prepareApprovers } from "./approvers.ts";
import { runPaths } from "./paths.ts";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/turnup-demo-`);
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A control plane that keeps what it is told. */
function controlPlane() {
  const approvers: ApproverView[] = [];
  const tokens: TokenView[] = [];
  const kept = { createdAt: 0, revokedAt: null };
  const client = {
    approvers: async () => approvers,
    tokens: async () => tokens,
    addApprover: async (one: { person: string; key: string }) => {
      const view = { ...kept, ...one, id: `apr_${approvers.length}` };
      approvers.push(view);
      return view;
    },
    createToken: async ({ name, role, person = null }: { name: string; role: string; person?: string | null }) => {
      const id = `tok_${tokens.length}`;
      const view = { ...kept, id, name, role, person, sites: null, expiresAt: null };
      tokens.push(view);
      return { ...view, token: `secret-${id}` };
    },
  } as unknown as Client;
  return { client, approvers, tokens };
}
const journalOf = (paths: ReturnType<typeof runPaths>) => {
  const sql = openSql(paths.agent.journal);
  const list = openJournal(sql, async () => {}).approvers.get();
  sql.close();
  return list;
};

it("[G4] makes two people with a key and a token each, once, readable by nobody else", async () => {
  const paths = runPaths(dir);
  const { client, approvers, tokens } = controlPlane();
  const people = await prepareApprovers(client, paths);
  expect(people.map(({ person }) => person)).toEqual(["anna", "ben"]);
  expect(approvers.map(({ person, key }) => ({ person, key }))).toEqual(people);
  expect(tokens.map(({ name, person, role }) => [name, person, role])).toEqual([
    ["anna", "anna", "approver"],
    ["ben", "ben", "approver"],
  ]);
  const files = approverFiles(paths, "ben");
  expect([statSync(files.key).mode & 0o777, statSync(files.token).mode & 0o777]).toEqual([0o600, 0o600]);
  expect(readFileSync(files.token, "utf8")).toBe("secret-tok_1\n");
  expect(await prepareApprovers(client, paths)).toEqual(people);
  expect([approvers.length, tokens.length]).toEqual([2, 2]);
});

it("[G4] keeps keys and makes tokens anew for a control plane that forgot; the agent's list it fills once", async () => {
  const paths = runPaths(dir);
  mkdirSync(paths.agent.dir, { recursive: true });
  const people = await prepareApprovers(controlPlane().client, paths);
  const { client, tokens } = controlPlane();
  expect(await prepareApprovers(client, paths)).toEqual(people);
  expect(tokens).toHaveLength(2);
  listAtAgent(paths, people, 1);
  expect(journalOf(paths)).toEqual({ revision: 1, approvers: people });
  listAtAgent(paths, [], 2);
  listAtAgent(paths, people, 3);
  expect(journalOf(paths).revision).toBe(1);
});
