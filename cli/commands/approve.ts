import { createHash } from "node:crypto";
import type { Command } from "commander";
import { isDestructive, signApproval } from "../../shared/model/approval.ts";
import { planHash } from "../../shared/model/plan.ts";
import type { PlanView } from "../../shared/model/views.ts";
import type { Client } from "../client/client.ts";
import { type Cli, clientOf, problemError, usageError } from "../context.ts";
import { type ApproverKey, defaultKeyFile, readKeyFile } from "../input/approver-key.ts";
import { destroyedText, needsText, planText } from "../output/plan-text.ts";
import { moment, plural } from "../output/words.ts";
import { seconds } from "./access.ts";
import { personOf } from "./approvers.ts";
import { type Answer, does, type Exit, type Options, text } from "./command.ts";

/** Approving a plan: what is signed is what was fetched and shown here, hashed here, and nothing that anybody else says. */
export function approveCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;
  does(
    program
      .command("approve <plan>")
      .description("show a plan and approve it by one's own key; or take one's approval back")
      .option("--key <file>", "the key (default: ~/.config/turnup/approver.key)")
      .option("--person <name>", "whose key it is, where its file does not say so; whose approval --revoke takes back")
      .option("--ttl <duration>", "how long it counts, at most until the plan expires: 90m, 12h")
      .option("--yes", "do not ask for the number of targets again")
      .option("--revoke", "take the approval back, as long as the plan was not applied"),
    use,
    async ([plan = ""], options) => {
      const client = clientOf(cli);
      if (options.revoke === true) return revoke(cli, client, plan, options);
      const view = await client.getPlan(plan);
      checkHash(view);
      await checkRequester(client, view);
      const { key, person } = keyOf(cli, options);
      const ttl = text(options, "ttl") === undefined ? Number.POSITIVE_INFINITY : seconds(options, "ttl") * 1000;
      // With --json standard output is the answer's; what a person reads before they decide goes beside it.
      const say = options.json === true ? cli.err : cli.out;
      for (const line of [...planText(view), ...destroyedText(view.plan)]) say(line);
      if (options.yes !== true) await confirm(cli, view);
      const at = cli.now();
      const { id, site, expiresAt } = view.plan;
      const said = { v: 1, kind: "turnup/approval", plan: id, hash: view.hash, site, person, at } as const;
      const approval = signApproval({ ...said, expiresAt: Math.min(expiresAt, at + ttl) }, key);
      return answer(await client.approve(id, approval), approval.statement.expiresAt, person);
    },
  );
}

function answer(view: PlanView, until: number, person: string): Answer {
  const open = needsText(view, true);
  const next = open.length > 0 ? open : [`To run it: turnup apply ${view.plan.id} --hash ${view.hash}`];
  return { json: view, lines: ["", `${person} approves ${view.plan.id} until ${moment(until)} UTC.`, ...next] };
}

async function revoke(cli: Cli, client: Client, plan: string, options: Options): Promise<Answer> {
  // Whose it is says the line, else the key at hand, else the token.
  const named = text(options, "person") === undefined ? undefined : personOf(options);
  const read = readKeyFile(text(options, "key") ?? defaultKeyFile(cli.env));
  if (!read.ok && text(options, "key") !== undefined) throw problemError(read.problem);
  const person = named ?? (read.ok ? read.value.person : undefined);
  const view = await client.unapprove(plan, person);
  return {
    json: view,
    lines: [`${person ?? "You"} no longer approve${person ? "s" : ""} ${plan}.`, ...needsText(view, true)],
  };
}

/** G4: what is approved is the plan that was shown. A control plane that says another hash of it does not mean this one. */
function checkHash({ plan, hash }: PlanView): void {
  const own = planHash(plan, (text) => createHash("sha256").update(text).digest("hex"));
  if (own === hash) return;
  throw problemError(
    { code: "plan_stale", detail: `The control plane shows a plan with the hash ${own}, and says that it is ${hash}.` },
    "Do not approve it. Look at the control plane: it shows another plan than it would run.",
  );
}

/** Said before anything is shown or typed; the control plane checks it again. */
async function checkRequester(client: Client, { plan }: PlanView): Promise<void> {
  const me = await client.whoami();
  if (me.actor !== plan.requester && (me.person === null || me.person !== plan.requesterPerson)) return;
  throw problemError({
    code: "approver_is_requester",
    detail: `${me.person ?? me.actor} asked for the plan ${plan.id}.`,
  });
}

function keyOf(cli: Cli, options: Options): { key: ApproverKey; person: string } {
  const file = text(options, "key") ?? defaultKeyFile(cli.env);
  const read = readKeyFile(file);
  if (!read.ok) throw problemError(read.problem);
  const person = text(options, "person") === undefined ? read.value.person : personOf(options);
  if (person === undefined) throw usageError(`Say whose key ${file} is by --person: the file does not.`);
  return { key: read.value, person };
}

/** T5: who destroys on many machines at once has counted them. */
async function confirm(cli: Cli, { plan }: PlanView): Promise<void> {
  if (!plan.steps.some(isDestructive)) return;
  const typed = await cli.ask(
    `This ends data on ${plural(plan.targets.length, "target")}. Type their number to approve: `,
  );
  if (typed?.trim() === String(plan.targets.length)) return;
  throw usageError(
    typed === undefined ? "Nobody typed the number of targets." : `${typed.trim()} is not the number of targets.`,
    "Nothing was approved. Count them in the plan above, or say --yes.",
  );
}
