import type { Command } from "commander";
import { isFinal } from "../../shared/model/job.ts";
import { type Cli, clientOf } from "../context.ts";
import { table } from "../output/table.ts";
import { duration, moment, plural } from "../output/words.ts";
import { does, type Exit, text } from "./command.ts";
import { watchToEnd } from "./watch.ts";
import { siteOrOnly } from "./which-site.ts";

export function jobCommands(program: Command, use: { cli: Cli; exit: Exit }): void {
  const { cli } = use;

  does(
    program
      .command("jobs [job]")
      .description("the newest jobs; or one job with its targets and steps")
      .option("--site <site>", "only of this site")
      .option("--limit <n>", "at most so many", "20"),
    use,
    async ([id], options) =>
      id ? oneJob(cli, id) : jobList(cli, text(options, "site"), Number(text(options, "limit")) || 20),
  );

  does(
    program.command("watch <job>").description("follow a job to its end; the exit code tells how it ended"),
    use,
    async ([id = ""], options) => watchToEnd(cli, clientOf(cli), id, options.json === true),
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
      return { json: job, lines: [`Job ${job.id} is ${job.state}; ${rest}.`] };
    },
  );
}

async function jobList(cli: Cli, named: string | undefined, limit: number) {
  const client = clientOf(cli);
  const site = await siteOrOnly(client, named);
  const jobs = await client.jobs({ limit, ...(site !== undefined && { site }) });
  const titles = ["job", "site", "workflow", "state", "succeeded", "failed", "waiting", "created (UTC)", "by"];
  const rows = jobs.map((job) => {
    const { total, succeeded, failed, waiting } = job.counts;
    return [
      job.id,
      job.siteName,
      job.workflow,
      job.state,
      `${succeeded}/${total}`,
      String(failed),
      String(waiting),
      moment(job.createdAt),
      job.requester,
    ];
  });
  return {
    json: jobs,
    lines: table(
      titles.map((title) => ({ title })),
      rows,
    ),
  };
}

async function oneJob(cli: Cli, id: string) {
  const client = clientOf(cli);
  const [job, steps] = await Promise.all([client.job(id), client.steps(id)]);
  const nameOf = new Map(job.targets.map((target) => [target.device, target.name]));
  const targets = job.targets.map((t) => [
    t.name,
    t.serial,
    t.state,
    `${t.stepsDone}/${t.stepsTotal}`,
    t.step ?? "",
    String(t.retries),
    t.failure ? `${t.failure.code}: ${t.failure.detail}` : (t.waitingOn ?? ""),
  ]);
  const rows = steps.map((s) => [
    nameOf.get(s.device) ?? s.device,
    s.name,
    s.state,
    String(s.attempt),
    s.startedAt !== null && s.finishedAt !== null ? duration(s.finishedAt - s.startedAt) : "",
    s.failure ? s.failure.code : (s.waitingOn ?? ""),
  ]);
  const columns = (titles: string[]) => titles.map((title) => ({ title }));
  return {
    json: { ...job, steps },
    lines: [
      `Job ${job.id}: ${job.workflow} at ${job.siteName}, ${job.state}; plan ${job.plan}, by ${job.requester}, ${moment(job.createdAt)} UTC`,
      "",
      ...table(columns(["target", "serial", "state", "steps", "at", "retries", "failure or waiting for"]), targets),
      "",
      ...table(columns(["target", "step", "state", "attempt", "took", "failure or waiting for"]), rows),
    ],
  };
}
