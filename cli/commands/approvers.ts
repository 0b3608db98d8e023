import { type Command, Option } from "commander";
import { KeyX, Person } from "../../shared/model/approval.ts";
import { type Cli, clientOf, problemError, usageError } from "../context.ts";
import { defaultKeyFile, makeKeyFile } from "../input/approver-key.ts";
import { table } from "../output/table.ts";
import { moment } from "../output/words.ts";
import { approverListCommands } from "./approver-lists.ts";
import { does, type Exit, type Options, text } from "./command.ts";

/** Who may approve plans: their keys, and the fleet's list of them. */
export function approverCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;
  const approver = program.command("approver").description("the people who may approve plans, and their keys");
  approverListCommands(approver, use);

  does(
    approver
      .command("keygen")
      .description("make a key of one's own to approve with; prints its public half")
      .requiredOption("--person <name>", "whose it is: the same name in every key and token of theirs")
      .option("--out <file>", "where it is kept, readable by nobody else (default: ~/.config/turnup/approver.key)"),
    use,
    async (_, options) => {
      const person = personOf(options);
      const file = text(options, "out") ?? defaultKeyFile(cli.env);
      const made = makeKeyFile(file, person);
      if (!made.ok)
        throw problemError(made.problem, "Name another file by --out; nobody else than this person may read it.");
      const key = made.value;
      const notes = [
        `Key of ${person} in ${file}: keep it, and give it to nobody.`,
        `An admin adds it to the fleet's list: turnup approver add --person ${person} --key=${key}`,
        `On each agent's machine: turnup agent approver add --person ${person} --key=${key} --state DIR`,
      ];
      return { json: { person, key, file }, lines: [key], notes };
    },
  );

  does(
    approver
      .command("add")
      .description("add a person's key to the fleet's list")
      .requiredOption("--person <name>", "whose it is")
      .addOption(
        new Option("--key <x>", "the public key, as `turnup approver keygen` printed it").makeOptionMandatory(),
      ),
    use,
    async (_, options) => {
      const key = KeyX.safeParse(text(options, "key"));
      if (!key.success) throw usageError("--key takes the public key, as `turnup approver keygen` printed it.");
      const added = await clientOf(cli).addApprover({ person: personOf(options), key: key.data });
      return {
        json: added,
        lines: [`${added.person} may approve plans by the key ${added.key} (${added.id}).`],
        notes: ["Each site's agent has a list of its own: `turnup agent approver add` on its machine."],
      };
    },
  );

  does(approver.command("list").description("the fleet's list, with keys that were revoked"), use, async () => {
    const list = await clientOf(cli).approvers();
    const rows = list.map((a) => [
      a.id,
      a.person,
      a.key,
      moment(a.createdAt),
      a.revokedAt === null ? "" : moment(a.revokedAt),
    ]);
    const titles = ["id", "person", "key", "added (UTC)", "revoked (UTC)"];
    return {
      json: list,
      lines: table(
        titles.map((title) => ({ title })),
        rows,
      ),
    };
  });

  does(
    approver
      .command("revoke <id>")
      .description("revoke a key, by its id or itself: what it approved counts no more, unless it was applied"),
    use,
    async ([ref = ""]) => {
      const client = clientOf(cli);
      const found = (await client.approvers()).find(({ key }) => key === ref);
      const revoked = await client.revokeApprover(found?.id ?? ref);
      return {
        json: revoked,
        lines: [`Revoked the key ${revoked.key} of ${revoked.person} (${revoked.id}).`],
        notes: ["Take it off each agent's own list, too: `turnup agent approver remove` on its machine."],
      };
    },
  );
}

/** The person that --person names. */
export function personOf(options: Options): string {
  const person = Person.safeParse(text(options, "person"));
  if (person.success) return person.data;
  throw usageError("--person takes a name of lower-case letters, digits, dots, underscores and hyphens, as in anna.");
}
