import type { Command } from "commander";
import type { JobView } from "../../shared/model/job.ts";
import { type Cli, clientOf } from "../context.ts";
import { table } from "../output/table.ts";
import { duration, left, moment } from "../output/words.ts";
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
}

async function jobList(cli: Cli, named: string | undefined, limit: number) {
  const client = clientOf(cli);
  const site = await siteOrOnly(client, named);
  const jobs = await client.jobs({ limit, ...(site !== undefined && { site }) });
  const rows = jobs.map((job) => {
    const { total, succeeded, failed, waiting } = job.counts;
    return [
      job.id,
      job.siteName,
      job.workflow,
      String(job.priority),
      job.state,
      `${succeeded}/${total}`,
      String(failed),
      String(waiting),
      moment(job.createdAt),
      job.requester,
      job.waitingOn ?? "",
    ];
  });
  const counts = ["succeeded", "failed", "waiting"].map((title) => ({ title, right: true }));
  return {
    json: jobs,
    lines: table(
      [
        ...columns("job", "site", "workflow"),
        { title: "priority", right: true },
        ...columns("state"),
        ...counts,
        ...columns("created (UTC)", "by", "waits for"),
      ],
      rows,
    ),
  };
}

const columns = (...titles: string[]) => titles.map((title) => ({ title }));

async function oneJob(cli: Cli, id: string) {
  const client = clientOf(cli);
  const [job, steps] = await Promise.all([client.job(id), client.steps(id)]);
  const now = cli.now();
  const nameOf = new Map(job.targets.map((target) => [target.device, target.name]));
  const targets = job.targets.map((t) => [
    t.name,
    t.serial,
    t.state,
    `${t.stepsDone}/${t.stepsTotal}${t.skipped.length > 0 ? ` (${t.skipped.length} skipped)` : ""}`,
    t.step ?? "",
    String(t.retries),
    left(t.dueAt, now),
    t.failure ? `${t.failure.code}: ${t.failure.detail}` : (t.waitingOn ?? ""),
  ]);
  const rows = steps.map((s) => [
    nameOf.get(s.device) ?? s.device,
    String(s.number),
    s.name,
    s.state,
    String(s.attempt),
    s.startedAt !== null && s.finishedAt !== null ? duration(s.finishedAt - s.startedAt) : "",
    // One that waits for others has its job's limit, which stands above.
    s.state === "blocked" ? "" : left(s.dueAt, now),
    s.skipped ? `left out by ${s.skipped.by}: ${s.skipped.reason}` : (s.failure?.code ?? s.waitingOn ?? ""),
  ]);
  return {
    json: { ...job, steps },
    lines: [
      ...head(job, now),
      "",
      ...table(
        columns("target", "serial", "state", "steps", "at", "retries", "limit in", "failure or waiting for"),
        targets,
      ),
      "",
      ...table(
        [
          ...columns("target"),
          { title: "#", right: true },
          ...columns("step", "state", "attempt", "took", "limit in", "failure or waiting for"),
        ],
        rows,
      ),
    ],
  };
}

/** What it is, and while it is open what it waits for, and how long it may. */
function head(job: JobView, now: number): string[] {
  const { id, workflow, siteName, state, priority, plan, requester, createdAt, paused, waitingOn, dueAt } = job;
  const said = `Job ${id}: ${workflow} at ${siteName}, ${state}, priority ${priority}; plan ${plan}, by ${requester}, ${moment(createdAt)} UTC`;
  return [
    said,
    ...(paused ? [`Paused by ${paused.by}, ${moment(paused.at)} UTC`] : []),
    ...(waitingOn === null ? [] : [`Waits for ${waitingOn}`]),
    ...(dueAt === null ? [] : [`Given up if it has not ended in ${left(dueAt, now)}`]),
  ];
}
