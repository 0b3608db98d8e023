import type { Command } from "commander";
import { isFinal, type JobView } from "../../shared/model/job.ts";
import { type Cli, clientOf, usageError } from "../context.ts";
import { plural } from "../output/words.ts";
import { type Answer, does, type Exit, text } from "./command.ts";
import { watchToEnd } from "./watch.ts";

/** What a person does to a job that was accepted. */
export function jobControlCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;

  does(
    program
      .command("pause <job>")
      .description("start nothing more of a job; what is at work is let to its end")
      .option("--reason <text>", "why, for the record", ""),
    use,
    async ([id = ""], options) => {
      const job = await clientOf(cli).pause(id, text(options, "reason") ?? "");
      return said(job, `It goes on with: turnup resume ${id}`);
    },
  );

  does(program.command("resume <job>").description("let a paused job go on"), use, async ([id = ""]) =>
    said(await clientOf(cli).resume(id), `Follow it: turnup watch ${id}`),
  );

  does(
    program
      .command("retry <job> [device]")
      .description("try again what failed or waits for a person, from its first incomplete step")
      .option("--watch", "stay until the job has ended; the exit code tells how"),
    use,
    async ([id = "", device], options) => {
      const client = clientOf(cli);
      const job = await client.retry(id, device);
      if (options.watch === true) return watchToEnd(cli, client, id, options.json === true);
      return said(job, job.paused ? `It is paused still: turnup resume ${id}` : `Follow it: turnup watch ${id}`);
    },
  );

  does(
    program
      .command("skip <job> <device> <step>")
      .description(
        "leave one step out, by its name or by its number in `turnup plan`; never one that a later step rests on",
      )
      .option("--reason <text>", "why, for the record (required)"),
    use,
    async ([id = "", device = "", step = ""], options) => {
      const reason = text(options, "reason")?.trim();
      if (!reason)
        throw usageError(
          "A step is left out only with a reason: --reason is missing.",
          `turnup skip ${id} ${device} ${step} --reason "what makes it needless"`,
        );
      const job = await clientOf(cli).skip(id, { device, step, reason });
      const target = job.targets.find((one) => one.name === device || one.device === device);
      return said(job, `${device} has left out ${target?.skipped.join(", ") ?? step}.`);
    },
  );

  does(
    program
      .command("cancel <job>")
      .description("cancel a job; it takes effect before each target's next step")
      .option("--reason <text>", "why, for the record", ""),
    use,
    async ([id = ""], options) => {
      const job = await clientOf(cli).cancel(id, text(options, "reason") ?? "");
      const open = job.targets.filter((target) => !isFinal.target(target.state)).length;
      const rest =
        open === 0
          ? "nothing of it is still at work"
          : `${open} of its ${plural(job.targets.length, "target")} still at a step that may not be interrupted`;
      return { json: job, lines: [`Job ${job.id} ${stateWords(job)}; ${rest}.`] };
    },
  );
}

const said = (job: JobView, next: string): Answer => ({
  json: job,
  lines: [`Job ${job.id} ${stateWords(job)}. ${next}`],
});

/** Of a job after a command. "partly" alone would not say that it has ended. */
function stateWords({ state, targets }: JobView): string {
  if (state !== "partly") return `is ${state}`;
  const done = targets.filter((target) => target.state === "succeeded").length;
  return `has ended in part, with ${done} of its ${plural(targets.length, "target")} succeeded`;
}
