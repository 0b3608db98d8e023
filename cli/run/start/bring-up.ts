import { existsSync, readFileSync, watch } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Client, createClient } from "../../client/client.ts";
import { sendDeviceTypes } from "../../commands/device-type-batches.ts";
import { importSite } from "../../commands/sites.ts";
import type { Cli } from "../../context.ts";
import { problemError } from "../../context.ts";
import type { SiteReading } from "../../input/site-file.ts";
import { endOrphan, writeAtomic } from "../control-plane/processes.ts";
import { listAtAgent, prepareApprovers } from "./approvers.ts";
import { Child, type ChildSpec } from "./child.ts";
import type { StartOptions } from "./options.ts";
import type { RunPaths } from "./paths.ts";
import {
  forgetAgent,
  netbootUrl,
  prepareAgent,
  prepareImages,
  preparePorts,
  prepareSecrets,
  readJsonFile,
} from "./prepare.ts";

const Endpoint = z.object({ url: z.url(), token: z.string() });
/** A control plane that is up within a second on an idle machine may take long on a busy one. */
const READY_MS = 60_000;
const LOOK_MS = 50;
/** A killed control plane is back within seconds; requests are repeated as long. */
const PATIENCE_MS = 60_000;
/** How long each process may take to end by itself: the agent drains, the control plane closes its databases. */
const GRACE_MS = 6_000;
const ENROL_TTL_S = 600;

export interface World {
  cli: Cli;
  paths: RunPaths;
  options: StartOptions;
  reading: SiteReading;
  note: (line: string) => void;
  /** Aborted when the run is to end: by a person, or with the reason why it cannot go on. */
  stop: AbortController;
}

export interface Running {
  client: Client;
  netboot: string;
  metrics: string;
  /** Ends everything that was started, in order. */
  stop: () => Promise<void>;
  kill: () => void;
}

/** Processes of a run, in the order in which they are ended: who reports goes before who is reported to. */
const MARKERS = {
  agent: "agents/site/main.ts",
  sim: "agents/simulator/main.ts",
  "control-plane": "cli/run/control-plane.ts",
  workerd: "workerd",
} as const;

/** Starts control plane, simulated data center and agent, and imports the site. What it started it ends if it fails. */
export async function bringUp(world: World): Promise<Running> {
  const { paths, options, reading, note } = world;
  const { site } = reading;
  await mkdir(paths.pids, { recursive: true });
  for (const [name, marker] of Object.entries(MARKERS))
    if (await endOrphan(join(paths.pids, name), marker)) note(`Ended ${name} of an earlier run.`);
  // The file says that a control plane listens; this one does not yet.
  await rm(paths.endpoint, { force: true });

  const children: Child[] = [];
  const spawn = (spec: ChildSpec): Child => {
    const child = new Child(spec, {
      cwd: world.cli.cwd,
      logs: paths.logs,
      pids: paths.pids,
      say: note,
      givenUp: (reason) => world.stop.abort(reason),
    });
    children.unshift(child);
    child.start();
    return child;
  };
  const stopWatching = watchWorkerd(paths, note);
  const stopAll = async () => {
    stopWatching();
    for (const child of children) await child.stop(GRACE_MS);
  };
  try {
    const controlPlane = spawn({
      name: "control-plane",
      script: MARKERS["control-plane"],
      args: ["--dir", paths.dir, ...(options.cron === undefined ? [] : ["--cron", options.cron])],
    });
    const [ports] = await Promise.all([preparePorts(paths), prepareSecrets(paths, site)]);
    await writeAtomic(paths.sim.site, JSON.stringify(site));
    spawn({
      name: "sim",
      script: MARKERS.sim,
      args: [
        ...["--site", paths.sim.site, "--dir", paths.sim.dir, "--secrets", paths.sim.secrets],
        ...["--netboot", netbootUrl(ports), "--speed", String(options.speed), "--seed", String(options.seed)],
        ...(existsSync(paths.sim.faults) ? ["--faults", paths.sim.faults] : []),
      ],
    });
    const images = await prepareImages(paths, site);
    if (!images.ok) throw problemError(images.problem);

    const client = await connect(world, controlPlane);
    await sendDeviceTypes(
      client,
      reading.deviceTypes.map((one) => one.document),
    );
    const imported = await importSite(client, reading);
    note(
      `Site ${site.name}: ${reading.deviceTypes.length} device types, ${site.devices.length} devices; ${imported.added} added, ${imported.changed} changed, ${imported.unchanged} unchanged.`,
    );

    const name = `${site.name}-a`;
    await prepareAgent(paths, {
      controlPlane: options.via ?? client.url,
      name,
      ports,
      speed: options.speed,
    });
    await enrol(client, paths, site.name, name);
    listAtAgent(paths, await prepareApprovers(client, paths), world.cli.now());
    spawn({ name: "agent", script: MARKERS.agent, args: ["--config", paths.agent.config] });
    return {
      client,
      netboot: netbootUrl(ports),
      metrics: `http://127.0.0.1:${ports.metrics}`,
      stop: stopAll,
      kill: () => {
        for (const child of children) child.kill();
      },
    };
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/** Waits until the control plane answers. */
async function connect({ cli, paths, stop }: World, child: Child): Promise<Client> {
  for (let waited = 0; waited < READY_MS; waited += LOOK_MS) {
    stop.signal.throwIfAborted();
    const endpoint = await readJsonFile(paths.endpoint, Endpoint);
    if (endpoint) {
      const client = createClient({ ...endpoint, ...cli, patienceMs: PATIENCE_MS });
      await client.health();
      return client;
    }
    await sleep(LOOK_MS);
  }
  throw problemError(
    { code: "unavailable", detail: `The control plane did not start. Its log ends:\n${child.logTail()}` },
    `Start it again; all that it said stands in ${paths.logs}.`,
  );
}

/** Gives the agent a one-time token, unless it is enrolled and still has its key. */
async function enrol(client: Client, paths: RunPaths, site: string, name: string): Promise<void> {
  const known = (await client.agents(site)).find((agent) => agent.name === name && agent.revokedAt === null);
  if (known && existsSync(paths.agent.key) && existsSync(paths.agent.journal)) return;
  if (known) await client.revokeAgent(known.id);
  await forgetAgent(paths);
  const { token } = await client.enrolToken(site, ENROL_TTL_S);
  await writeAtomic(paths.agent.enrolToken, `${token}\n`, 0o600);
}

/** Says when the control plane has started workerd anew; it does that by itself. */
function watchWorkerd(paths: RunPaths, note: (line: string) => void): () => void {
  const pidOf = (name: string): string => {
    try {
      return readFileSync(join(paths.pids, name), "utf8").trim();
    } catch {
      return "";
    }
  };
  let known = "";
  let parent = "";
  const watcher = watch(paths.pids, (_event, file) => {
    if (file !== "workerd") return;
    const pid = pidOf("workerd");
    if (pid === "" || pid === known) return;
    if (known !== "" && pidOf("control-plane") === parent) note(`workerd was ended; it runs again (pid ${pid}).`);
    known = pid;
    parent = pidOf("control-plane");
  });
  return () => watcher.close();
}
