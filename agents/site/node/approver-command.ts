/**
 * `agent approver`: the agent's own list of people who approve (G4), changed by whoever may write its state folder. The
 * agent must be stopped: one process works on a journal.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Outcome } from "../../../shared/errors.ts";
import { Approver } from "../../../shared/model/approval.ts";
import { type ApproverList, approverListHash, changed } from "../../../shared/model/approver-list.ts";
import { openSql } from "../../sql/node-sqlite.ts";
import { sha256 } from "../approvals/ed25519.ts";
import { openJournal } from "../journal/journal.ts";
import { errorText } from "../log.ts";

const usage = `Usage: agent approver list --state DIR
       agent approver add --person NAME --key=X --state DIR
       agent approver remove --key=X --state DIR

The list says whose signatures this agent takes before it ends data or a service. The control plane cannot change it.

  --state DIR    the agent's stateDir; stop the agent first
  --person NAME  lower-case letters, digits, dots, underscores, hyphens; the same as in the control plane
  --key X        the public key, as \`turnup approver keygen\` prints it
`;

export interface Streams {
  out: { write(text: string): unknown };
  err: { write(text: string): unknown };
  /** Unix ms. */
  now: number;
}

interface Options {
  state?: string | undefined;
  person?: string | undefined;
  key?: string | undefined;
}

/** Returns the exit code: 0 done, 1 the journal cannot be opened, 2 refused. */
export function approverCommand(args: readonly string[], { out, err, now }: Streams): number {
  let verb: string | undefined;
  let options: Options & { help?: boolean | undefined };
  try {
    const text = { type: "string" } as const;
    const read = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { state: text, person: text, key: text, help: { type: "boolean", short: "h" } },
    });
    [verb] = read.positionals;
    options = read.values;
  } catch (error) {
    err.write(`${errorText(error)}\n${usage}`);
    return 2;
  }
  if (options.help) {
    out.write(usage);
    return 0;
  }
  const { state } = options;
  const change = verb === "list" ? { add: [], remove: [] } : changeOf(verb, options);
  if (!change || state === undefined) {
    err.write(usage);
    return 2;
  }
  const path = join(state, "journal.sqlite");
  if (!existsSync(state)) {
    err.write(`There is no folder ${state}: name the stateDir of the agent's agent.yaml.\n`);
    return 2;
  }
  try {
    const sql = openSql(path, { exclusive: true, waitMs: 0 });
    try {
      const { approvers } = openJournal(sql, async () => {});
      const next: Outcome<ApproverList> =
        verb === "list" ? { ok: true, value: approvers.get() } : changed(approvers.get(), change);
      if (!next.ok) {
        err.write(`${next.problem.code}: ${next.problem.detail}\n`);
        return 2;
      }
      if (verb !== "list") approvers.set(next.value, `on site: ${JSON.stringify(change)}`, now);
      out.write(said(next.value));
      return 0;
    } finally {
      sql.close();
    }
  } catch (error) {
    const locked = /locked|busy/i.test(errorText(error));
    const why = locked ? `An agent works in ${state}: stop it, and start it again afterwards.` : errorText(error);
    err.write(`${why}\n`);
    return 1;
  }
}

/** What is to change; undefined when the line does not say so in full. */
function changeOf(verb: string | undefined, { person, key }: Options) {
  if (verb === "remove" && key !== undefined) return { add: [], remove: [key] };
  if (verb !== "add") return undefined;
  const approver = Approver.safeParse({ person, key });
  return approver.success ? { add: [approver.data], remove: [] } : undefined;
}

const said = (list: ApproverList): string =>
  [
    ...list.approvers.map(({ person, key }) => `${person}\t${key}`),
    `# revision ${list.revision}, hash ${approverListHash(list, sha256)}`,
    "",
  ].join("\n");
