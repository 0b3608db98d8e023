import { z } from "zod";
import type { JobView } from "../../../shared/model/job.ts";
import type { ResolvedSite } from "../../../shared/model/site.ts";
import { Meter } from "../../../shared/model/views.ts";
import type { Client } from "../../client/client.ts";
import { followJob, isSettled } from "../../commands/watch.ts";
import type { Cli } from "../../context.ts";
import { planText } from "../../output/plan-text.ts";
import type { ProgressView } from "../../output/progress-view.ts";
import { plural } from "../../output/words.ts";
import { writeAtomic } from "../control-plane/processes.ts";
import type { RunPaths } from "./paths.ts";
import { readJsonFile } from "./prepare.ts";

/** What a run must still know after it was killed: what had been written before its job. */
const RunFile = z.object({ plan: z.string(), meter: Meter });
type RunFile = z.infer<typeof RunFile>;

/** Newest jobs that are looked at; a demo has few. */
const JOBS = 100;

export interface Rollout {
  /** The jobs of the site, newest first, as they are in the end. */
  jobs: JobView[];
  /** Rows written before the newest job of ours. */
  meterBefore: Meter;
}

/** Takes up what was interrupted, then installs every planned machine; ends when each job is settled. */
export async function rollOut(world: {
  cli: Cli;
  client: Client;
  paths: RunPaths;
  site: ResolvedSite;
  screen: ProgressView;
  say: (line: string) => void;
  signal: AbortSignal;
}): Promise<Rollout> {
  const { cli, client, paths, site, screen, say, signal } = world;
  const follow = async (id: string) => {
    const view = await followJob(cli, client, id, signal, (job) => screen.update(job));
    if (!signal.aborted) screen.end(view);
  };

  const open = (await client.jobs({ site: site.name, limit: JOBS })).filter((job) => !isSettled(job)).reverse();
  for (const job of open) {
    say(`Job ${job.id} was interrupted with ${job.counts.succeeded} of ${job.counts.total} done; it goes on.`);
    await follow(job.id);
  }

  const installable = new Set(site.devices.filter((device) => device.install).map((device) => device.name));
  const devices = (await client.devices(site.name)).filter((device) => installable.has(device.name));
  const planned = devices.filter((device) => device.state === "planned" && device.job === null);
  let run = await readJsonFile(paths.run, RunFile);
  if (planned.length > 0 && !signal.aborted) {
    const intent = {
      site: site.name,
      workflow: "server.install",
      targets: planned.map((device) => device.name),
      params: {},
    };
    const view = await client.plan(intent);
    for (const line of planText(view)) say(line);
    say("");
    run = { plan: view.plan.id, meter: await client.meter(site.name) } satisfies RunFile;
    await writeAtomic(paths.run, `${JSON.stringify(run)}\n`);
    // The plan's id as key: applied again after a crash, it is still one job (J1).
    const job = await client.apply(view.plan.id, view.hash, { key: view.plan.id });
    say(`Job ${job.id} is accepted.`);
    await follow(job.id);
  } else if (open.length === 0) {
    const active = devices.filter((device) => device.state === "active").length;
    say(
      active === devices.length
        ? `All ${plural(active, "server")} are in service already.`
        : "Nothing is left to start.",
    );
  }

  const jobs: JobView[] = [];
  for (const { id } of await client.jobs({ site: site.name, limit: JOBS })) jobs.push(await client.job(id));
  return { jobs, meterBefore: run?.meter ?? { object: 0, d1: 0, installs: 0 } };
}

/** The read model follows within seconds; what it costs is known when it has. */
const SETTLE_MS = 10_000;
const LOOK_MS = 200;

/** Rows written by now, read when the newest job has reached the read model (its last rows are counted then). */
export async function settledMeter(
  cli: Pick<Cli, "sleep">,
  client: Client,
  site: string,
  newest: JobView | undefined,
): Promise<Meter> {
  for (let waited = 0; newest && waited < SETTLE_MS; waited += LOOK_MS) {
    const row = (await client.jobs({ limit: JOBS })).find((job) => job.id === newest.id);
    if (row && row.version >= newest.version) break;
    await cli.sleep(LOOK_MS);
  }
  return client.meter(site);
}
