import type { Command } from "commander";
import { PRIORITY_DEFAULT, PRIORITY_MAX, PRIORITY_MIN, Priority } from "../../shared/model/job.ts";
import { type Cli, clientOf, usageError } from "../context.ts";
import { exitCode } from "../exit.ts";
import { planText } from "../output/plan-text.ts";
import { type Answer, does, type Exit, type Options, text } from "./command.ts";
import { watchToEnd } from "./watch.ts";
import { oneSite } from "./which-site.ts";

export function planCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;

  does(
    program
      .command("plan <workflow> <devices...>")
      .description("build a plan and show it; nothing happens yet")
      .option("--site <site>", "the site, where there are several")
      .option("--params <json>", "parameters of the workflow, as a JSON object", "{}"),
    use,
    async ([workflow = "", ...targets], options) => {
      const client = clientOf(cli);
      const site = await oneSite(client, text(options, "site"));
      const view = await client.plan({ site, workflow, targets, params: params(options) });
      const against = view.guards.filter(({ verdict }) => verdict === "refuse");
      if (against.length > 0) {
        const why = against.map(({ guard, text }) => `${guard}: ${text}`).join("; ");
        const next = against.some(({ code }) => code === "locked")
          ? `It would be refused now: ${why}. Wait for the holder to end, or cancel it; then plan again.`
          : `It cannot go on as the policy stands: ${why}. Plan other targets, or change the policy.`;
        return { json: view, lines: [...planText(view), "", next], exit: exitCode.refused };
      }
      const first =
        view.approvalsNeeded.length > 0 ? `Others have to approve it first: turnup approve ${view.plan.id}. ` : "";
      const next = `${first}To run it exactly as shown: turnup apply ${view.plan.id} --hash ${view.hash}`;
      return { json: view, lines: [...planText(view), "", next] };
    },
  );

  does(
    program
      .command("apply <plan>")
      .description("run a plan by the hash that was reviewed")
      .option("--hash <hash>", "the hash, as `turnup plan` showed it (required)")
      .option("--key <key>", "Idempotency-Key: the same one never makes a second job")
      .option(
        "--priority <n>",
        `${PRIORITY_MIN} to ${PRIORITY_MAX}, ${PRIORITY_DEFAULT} if left out: what goes first where places are few`,
      )
      .option("--watch", "stay until the job has ended; the exit code tells how"),
    use,
    async ([plan = ""], options) => {
      const hash = text(options, "hash");
      if (!hash)
        throw usageError(
          "A plan runs only by the hash that was reviewed: --hash is missing.",
          `\`turnup plan\` printed it as "Hash …" beside the plan's id: turnup apply ${plan} --hash HASH`,
        );
      const client = clientOf(cli);
      const priority = priorityOf(text(options, "priority"));
      const job = await client.apply(plan, hash, { priority, key: text(options, "key") });
      if (options.watch === true) return watchToEnd(cli, client, job.id, options.json === true);
      return {
        json: job,
        lines: [`Job ${job.id} is ${job.state}. Follow it: turnup watch ${job.id}`],
      } satisfies Answer;
    },
  );
}

function priorityOf(said: string | undefined): number | undefined {
  if (said === undefined) return undefined;
  const priority = Priority.safeParse(said.trim() === "" ? Number.NaN : Number(said));
  if (priority.success) return priority.data;
  throw usageError(`--priority takes a whole number from ${PRIORITY_MIN} to ${PRIORITY_MAX}.`);
}

function params(options: Options): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text(options, "params") ?? "{}");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below, as for any other value that is no object.
  }
  throw usageError('--params takes a JSON object, as in --params \'{"name": "value"}\'.');
}
