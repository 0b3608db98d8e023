import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { Approver, KeyX } from "../../shared/model/approval.ts";
import { ApproversChange, type ApproversStatement, signApprovers } from "../../shared/model/approver-list.ts";
import type { ApproverChanges } from "../../shared/model/views.ts";
import { type Cli, clientOf, fileError, problemError, usageError } from "../context.ts";
import { defaultKeyFile, readKeyFile } from "../input/approver-key.ts";
import { moment } from "../output/words.ts";
import { seconds } from "./access.ts";
import { does, type Exit, type Options, text } from "./command.ts";

/** Changing the lists of approvers that agents keep, from afar: written, signed by two people on them, sent. */
export function approverListCommands(approver: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;

  does(
    approver
      .command("change <site>")
      .description("write a change of the agents' own lists into a file, for two people on them to sign")
      .option("--add <person=key...>", "add a person's key")
      .option("--remove <key...>", "take a key off")
      .option(
        "--base <hash>",
        "of the list that is changed, as `turnup agent approver list` prints it; else as the agents say",
      )
      .option("--ttl <duration>", "how long it may be applied", "24h")
      .requiredOption("--out <file>", "where it is written"),
    use,
    async ([site = ""], options) => {
      const client = clientOf(cli);
      const { id } = await client.site(site);
      const statement: ApproversStatement = {
        v: 1,
        kind: "turnup/approvers",
        site: id,
        base: text(options, "base") ?? commonList(await client.approverChanges(site)),
        add: listOf(options, "add").map(approverOf),
        remove: listOf(options, "remove").map(keyOf),
        expiresAt: cli.now() + seconds(options, "ttl") * 1000,
      };
      if (statement.add.length + statement.remove.length === 0)
        throw usageError("Nothing is to change: name keys by --add PERSON=KEY or --remove=KEY.");
      const change = ApproversChange.safeParse({ statement, signatures: [] });
      if (!change.success) throw usageError(`This is no change: ${change.error.issues[0]?.message}.`);
      const file = text(options, "out") ?? "";
      write(file, change.data);
      return {
        json: change.data,
        lines: [...changeText(change.data), `Two people who are on the list sign it: turnup approver sign ${file}`],
      };
    },
  );

  does(
    approver
      .command("sign <file>")
      .description("show a change of the agents' lists and sign it by one's own key")
      .option("--key <file>", "the key (default: ~/.config/turnup/approver.key)"),
    use,
    async ([file = ""], options) => {
      const change = read(file);
      const key = readKeyFile(text(options, "key") ?? defaultKeyFile(cli.env));
      if (!key.ok) throw problemError(key.problem);
      const signed = signApprovers(change, key.value);
      write(file, signed);
      const next =
        signed.signatures.length < 2 ? "A second person signs it, too." : `To send it: turnup approver send ${file}`;
      return { json: signed, lines: [...changeText(signed), next] };
    },
  );

  does(
    approver.command("send <file>").description("send a signed change to the agents of its site, which judge it"),
    use,
    async ([file = ""]) => {
      const change = read(file);
      const view = await clientOf(cli).offerApproverChange(change.statement.site, change);
      return { json: view, lines: stateText(view) };
    },
  );

  does(
    approver.command("changes <site>").description("changes on their way, and which list each agent has"),
    use,
    async ([site = ""]) => {
      const view = await clientOf(cli).approverChanges(site);
      return { json: view, lines: stateText(view) };
    },
  );
}

const listOf = (options: Options, name: string): string[] => {
  const value = options[name];
  return Array.isArray(value) ? (value as string[]) : [];
};

function approverOf(said: string): Approver {
  const at = said.indexOf("=");
  const read = Approver.safeParse({ person: said.slice(0, at), key: said.slice(at + 1) });
  if (read.success) return read.data;
  throw usageError(`${said} is no PERSON=KEY, as in ann=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo.`);
}

function keyOf(said: string): string {
  const read = KeyX.safeParse(said);
  if (read.success) return read.data;
  throw usageError(`${said} is no public key, as \`turnup approver keygen\` prints it.`);
}

/** The list that all agents of the site have, if they have told and it is the same. */
function commonList({ agents }: ApproverChanges): string {
  const lists = [...new Set(agents.map(({ list }) => list))];
  const [only] = lists;
  if (lists.length === 1 && only) return only;
  const told = agents.map(({ name, list }) => `${name} ${list ?? "has not told"}`).join(", ");
  throw usageError(
    `Say which list is changed by --base: the agents do not have the same one (${told || "there is none"}).`,
    "`turnup agent approver list` on an agent's machine prints its hash.",
  );
}

function changeText({ statement, signatures }: ApproversChange): string[] {
  const { site, base, add, remove, expiresAt } = statement;
  return [
    `Change of the list ${base} at the site ${site}, good until ${moment(expiresAt)} UTC:`,
    ...add.map(({ person, key }) => `  + ${person} ${key}`),
    ...remove.map((key) => `  - ${key}`),
    `Signed by ${signatures.length === 0 ? "nobody" : signatures.map(({ key }) => key).join(", ")}`,
  ];
}

const stateText = ({ waiting, agents }: ApproverChanges): string[] => [
  ...waiting.map(
    ({ change }) =>
      `On its way to agents with the list ${change.statement.base}, until ${moment(change.statement.expiresAt)} UTC`,
  ),
  ...agents.map(({ name, list, refused }) => {
    const why = refused === null ? "" : `; it did not take the last change: ${refused.code}: ${refused.detail}`;
    return `${name} has ${list === null ? "not told its list yet" : `the list ${list}`}${why}`;
  }),
];

function write(file: string, change: ApproversChange): void {
  try {
    writeFileSync(file, `${JSON.stringify(change, null, 2)}\n`);
  } catch (error) {
    throw fileError({
      code: "file_unreadable",
      detail: `${file} cannot be written: ${(error as NodeJS.ErrnoException).code}.`,
    });
  }
}

function read(file: string): ApproversChange {
  try {
    const change = ApproversChange.safeParse(JSON.parse(readFileSync(file, "utf8")));
    if (change.success) return change.data;
  } catch {
    // Said below, as of a file that holds something else.
  }
  throw fileError({
    code: "file_unreadable",
    detail: `${file} holds no change, as \`turnup approver change\` writes it.`,
  });
}
