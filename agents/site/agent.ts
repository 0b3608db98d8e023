import type { Problem } from "../../shared/errors.ts";
import { makeAuditor } from "./auditor.ts";
import { bmcPool } from "./bmc/pool.ts";
import type { AgentConfig } from "./config.ts";
import type { AgentDeps } from "./deps.ts";
import { tellBoots } from "./executor/boots.ts";
import { type Executor, makeExecutor } from "./executor/executor.ts";
import type { World } from "./executor/step.ts";
import { openJournal } from "./journal/journal.ts";
import { type LinkStatus, makeLink } from "./link/link.ts";
import { errorText } from "./log.ts";
import { ramdiskMachines } from "./netboot/machines.ts";
import { type Netboot, netboot } from "./netboot/routes.ts";
import { signals } from "./signals.ts";
import { AGENT_VERSION } from "./version.ts";

export interface Health extends LinkStatus {
  /** `working`, `draining`, or `refused` when the control plane ended this agent. */
  state: "working" | "draining" | "refused";
  version: string;
  holding: number;
  unsent: number;
  boots: number;
}

export interface Agent {
  /** Answers machines; the caller listens. */
  netboot: Netboot;
  health(): Health;
  /** Finishes the calls under way, sends the reports, logs out of BMCs; within `config.drainMs`. */
  drain(): Promise<void>;
  /** Stops at once, as a crash would: nothing is sent. For simulations. */
  kill(): void;
  /** Resolves when the control plane refuses this agent for good. */
  refused: Promise<Problem>;
}

/**
 * Starts an agent. Everything of the platform comes in `deps`, so the same code runs in a process and in a simulation;
 * what listens (netboot, metrics) is the caller's.
 */
export function startAgent(config: AgentConfig, deps: AgentDeps): Agent {
  const { clock, timers, random, log, metrics } = deps;
  const journal = openJournal(deps.journal, deps.durable);
  const bus = signals(timers);
  const machines = ramdiskMachines(journal, clock, timers, bus);
  const publicUrl = (config.netboot.publicUrl ?? hostUrl(config.netboot)).replace(/\/+$/, "");
  const pool = bmcPool({
    http: deps.bmcHttp,
    vault: deps.vault,
    clock,
    timers,
    log,
    metrics,
    sessions: journal.sessions,
    timeoutMs: config.bmc.timeoutMs,
    gapMs: config.bmc.gapMs / config.timing.speed,
    sessionIdleMs: config.bmc.sessionIdleMs,
    speed: config.timing.speed,
  });
  const world: World = {
    clock,
    timers,
    random,
    log,
    metrics,
    journal,
    signals: bus,
    pool,
    machines,
    images: deps.images,
    publicUrl,
    planOf: (id) => link.plan(id),
    config,
  };
  let state: Health["state"] = "working";
  let refuse: (problem: Problem) => void = () => {};
  const refused = new Promise<Problem>((resolve) => {
    refuse = resolve;
  });

  // L3, A2: what an earlier process had begun is unknown now, and its leases count as expired.
  const lost = journal.attempts.recover(clock.now());
  if (lost > 0) log.warn({ attempts: lost }, "attempts of an earlier process are reported as unknown");

  const link = makeLink({
    controlPlane: config.controlPlane,
    name: config.name,
    version: AGENT_VERSION,
    instance: [random.uint32(), random.uint32()].map((n) => n.toString(16).padStart(8, "0")).join(""),
    http: deps.http,
    openSocket: deps.openSocket,
    key: deps.key,
    enrolToken: deps.enrolToken,
    clock,
    timers,
    random,
    journal,
    log,
    metrics,
    fatal(problem) {
      state = "refused";
      executor.abandon();
      refuse(problem);
    },
  });
  const executor: Executor = makeExecutor({
    world,
    site: () => journal.meta.get("site"),
    maxParallel: config.maxParallel,
    reported: () => link.wake("report"),
    progressed: () => link.wake("progress"),
    askRenewal: () => link.wake("renewal"),
  });
  const auditor = makeAuditor({ journal, pool, clock, log, observed: () => link.wake("audit") });
  link.start({
    free: executor.free,
    holding: executor.holding,
    progress: executor.progress,
    take: executor.take,
    renewed: executor.renewed,
    revoked: executor.revoked,
    renewalInMs: executor.renewalInMs,
    bootsTold: (ended) => tellBoots(world, ended),
    auditAsked: auditor.wake,
  });
  auditor.wake();

  return {
    netboot: netboot({
      journal,
      machines,
      images: deps.images,
      signals: bus,
      clock,
      log,
      metrics,
      publicUrl,
      unknownHardware: () => link.wake("unknown-hardware"),
    }),
    health: () => ({
      ...link.status(),
      state,
      version: AGENT_VERSION,
      holding: executor.holding().length,
      unsent: journal.attempts.unsent().length,
      boots: journal.boots.refs().length,
    }),
    async drain() {
      if (state === "working") state = "draining";
      const started = clock.monotonic();
      const left = () => Math.max(0, config.drainMs - (clock.monotonic() - started));
      const work = Promise.all([executor.drain(), auditor.stop()]).then(() => undefined);
      await within(work, config.drainMs);
      const all = await link.drain(left());
      await within(pool.close(), left());
      journal.flush();
      log.info({ all }, all ? "drained: every report was sent" : "drained: the rest is sent after the next start");
    },
    kill() {
      link.stop();
      executor.die();
      void auditor.stop();
    },
    refused,
  };

  /** Waits for it, but not longer than this. */
  function within(work: Promise<void>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = timers.after(ms, resolve);
      work
        .catch((error: unknown) => log.warn({ error: errorText(error) }, "a part did not end cleanly"))
        .finally(() => {
          cancel();
          resolve();
        });
    });
  }
}

const hostUrl = ({ host, port }: AgentConfig["netboot"]): string => {
  // Listening everywhere is no address to give to a machine: the loopback one serves the demo only.
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
};
