/**
 * Two people who may approve at the local demo: a key and a token each, made up once and kept below `.turnup/`. The
 * fleet's list has both, and so has the agent's own, which only the agent's machine can change: here that is this one.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openJournal } from "../../../agents/site/journal/journal.ts";
import { openSql } from "../../../agents/sql/node-sqlite.ts";
import type { Approver } from "../../../shared/model/approval.ts";
import { changed } from "../../../shared/model/approver-list.ts";
import type { Client } from "../../client/client.ts";
import { problemError } from "../../context.ts";
import { makeKeyFile, readKeyFile } from "../../input/approver-key.ts";
import { readText, writeAtomic } from "../control-plane/processes.ts";
import type { RunPaths } from "./paths.ts";

const PEOPLE = ["anna", "ben"] as const;

/** Where a person's key and token lie. */
export const approverFiles = ({ approvers }: RunPaths, person: (typeof PEOPLE)[number]) => ({
  key: join(approvers, `${person}.key`),
  token: join(approvers, `${person}.token`),
});

/** Makes what is missing, and has the control plane know it. Returns their keys. */
export async function prepareApprovers(client: Client, paths: RunPaths): Promise<Approver[]> {
  await mkdir(paths.approvers, { recursive: true, mode: 0o700 });
  const [known, tokens] = await Promise.all([client.approvers(), client.tokens()]);
  const out: Approver[] = [];
  for (const person of PEOPLE) {
    const files = approverFiles(paths, person);
    const made = existsSync(files.key) ? undefined : makeKeyFile(files.key, person);
    if (made && !made.ok) throw problemError(made.problem);
    const key = readKeyFile(files.key);
    if (!key.ok) throw problemError(key.problem);
    out.push({ key: key.value.x, person });
    // One that was revoked stays so.
    if (!known.some((one) => one.key === key.value.x)) await client.addApprover({ person, key: key.value.x });
    const has = tokens.some((token) => token.name === person && token.person === person);
    if (has && (await readText(files.token)) !== undefined) continue;
    const { token } = await client.createToken({ name: person, role: "approver", person });
    await writeAtomic(files.token, `${token}\n`, 0o600);
  }
  return out;
}

/** Puts them on the agent's own list, while it does not run. Whom a person took off it stays off. */
export function listAtAgent(paths: RunPaths, people: readonly Approver[], now: number): void {
  const sql = openSql(paths.agent.journal, { exclusive: true });
  try {
    const { approvers } = openJournal(sql, async () => {});
    const list = approvers.get();
    if (list.revision > 0) return;
    const next = changed(list, { add: [...people], remove: [] });
    if (!next.ok) throw problemError(next.problem);
    approvers.set(next.value, "the local demo's own people", now);
  } finally {
    sql.close();
  }
}
