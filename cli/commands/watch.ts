import { isFinal, type JobView } from "../../shared/model/job.ts";
import type { Client } from "../client/client.ts";
import { watchJob } from "../client/watch.ts";
import type { Cli } from "../context.ts";
import { type ExitCode, exitOfJob } from "../exit.ts";
import { foldJob, stepOrder } from "../output/fold-job.ts";
import { ProgressView } from "../output/progress-view.ts";

/** Whether nothing more will happen before a person decides. One who paused a job will let it go on: that is waited for. */
export const isSettled = (job: Pick<JobView, "state">): boolean => isFinal.job(job.state) || job.state === "waiting";

/**
 * The job as it goes, starting with now; ends when it is settled, or `signal` is aborted. Each view is complete.
 * @param onView called with every change
 */
export async function followJob(
  cli: Pick<Cli, "WebSocket" | "sleep">,
  client: Client,
  id: string,
  signal: AbortSignal,
  onView: (view: JobView) => void,
): Promise<JobView> {
  let view = await client.job(id);
  const order = stepOrder((await client.getPlan(view.plan)).plan);
  onView(view);
  if (isSettled(view)) return view;
  const deps = { client, WebSocket: cli.WebSocket, sleep: cli.sleep };
  while (!signal.aborted && !isSettled(view)) {
    for await (const event of watchJob(deps, id, view.lastEvent, signal)) {
      const next = foldJob(view, event, order) ?? (await client.job(id));
      if (next === view) continue;
      view = next;
      onView(view);
      if (isSettled(view)) break;
    }
    // What the fold does not carry (a cancelled step's last words, a site set back) is read once more.
    if (!signal.aborted) view = await client.job(id);
  }
  return view;
}

/** Shows a job until it is settled; with `json` only how it ended. */
export async function watchToEnd(cli: Cli, client: Client, id: string, json: boolean): Promise<ExitCode> {
  const screen = new ProgressView(cli);
  const stop = new AbortController();
  const job = await followJob(cli, client, id, stop.signal, json ? () => undefined : (view) => screen.update(view));
  if (json) cli.out(JSON.stringify(job));
  else screen.end(job);
  return exitOfJob(job.state, job.targets.filter((target) => target.state === "succeeded").length);
}
