/** The agent as a process: reads the configuration, wires Node's platform to it, listens, and ends on SIGTERM. */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { type Outcome, ok, type Problem, refuse } from "../../../shared/errors.ts";
import { openSql } from "../../sql/node-sqlite.ts";
import { type Agent, startAgent } from "../agent.ts";
import { type AgentConfig, parseConfig } from "../config.ts";
import type { AgentDeps, Timers } from "../deps.ts";
import { errorText, type Log, makeLog } from "../log.ts";
import { type Metrics, makeMetrics } from "../metrics.ts";
import { folderImages } from "../netboot/images.ts";
import { type Listening, listen, serve } from "../netboot/serve.ts";
import { fileVault } from "../vault.ts";
import { fileKey } from "./key-file.ts";
import { bmcHttp, connectFile, fetchHttp, openWebSocket } from "./transport.ts";

export const nodeTimers: Timers = {
  after(ms, fire) {
    // Node's longest timer; nothing here waits for 24 days.
    const timer = setTimeout(fire, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};

interface Running {
  agent: Agent;
  netbootPort: number;
  metricsPort: number;
  /** Drains and closes everything. */
  stop(): Promise<void>;
}

/** Starts the agent of this configuration, or says why it cannot. Throws nothing expected. */
export async function startProcess(config: AgentConfig, log: Log): Promise<Outcome<Running>> {
  const vault = fileVault(config.vault);
  if (!vault.ok) return vault;
  const metrics = makeMetrics();
  const opened = openState(config);
  if (!opened.ok) return opened;
  const { key, sql } = opened.value;
  const ca = config.bmc.caFile === undefined ? undefined : readFileSync(config.bmc.caFile, "utf8");
  const deps: AgentDeps = {
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    timers: nodeTimers,
    random: { uint32: () => randomBytes(4).readUInt32BE() },
    log,
    metrics,
    http: fetchHttp,
    openSocket: openWebSocket,
    bmcHttp: bmcHttp({
      ...(config.bmc.connectTo !== undefined && { connectTo: connectFile(config.bmc.connectTo) }),
      ...(ca !== undefined && { ca }),
    }),
    journal: sql,
    durable: sql.durable,
    key,
    vault: vault.value,
    images: folderImages(config.images),
    enrolToken: () => readToken(config.enrolTokenFile),
  };
  const listening: Listening[] = [];
  const closeAll = async () => {
    await Promise.all(listening.map((l) => l.close()));
    sql.close();
  };
  try {
    // The port is taken before the control plane hears of this agent: a second one on this host ends here.
    let agent: Agent | undefined;
    const netboot = await serve(
      (request) =>
        agent?.netboot(request) ??
        Promise.resolve({ status: 503, headers: { "retry-after": "1" }, body: "The agent is starting.\n" }),
      config.netboot.host,
      config.netboot.port,
      log,
    );
    listening.push(netboot);
    const metricsServer = await serveMetrics(config, metrics, () => agent?.health());
    listening.push(metricsServer);
    agent = startAgent({ ...config, netboot: { ...config.netboot, port: netboot.port } }, deps);
    const running = agent;
    log.info({ netboot: netboot.port, metrics: metricsServer.port, name: config.name }, "agent started");
    return ok({
      agent: running,
      netbootPort: netboot.port,
      metricsPort: metricsServer.port,
      async stop() {
        await running.drain();
        await closeAll();
      },
    });
  } catch (error) {
    await closeAll();
    return refuse("unavailable", `The agent cannot listen: ${errorText(error)}`);
  }
}

function openState(config: AgentConfig) {
  try {
    mkdirSync(config.stateDir, { recursive: true, mode: 0o700 });
    chmodSync(config.stateDir, 0o700);
    const key = fileKey(join(config.stateDir, "key.json"));
    if (!key.ok) return key;
    const sql = openSql(join(config.stateDir, "journal.sqlite"), { exclusive: true });
    return ok({ key: key.value, sql });
  } catch (error) {
    const locked = /locked|busy/i.test(errorText(error));
    return refuse(
      "unavailable",
      locked
        ? `Another agent works in ${config.stateDir}.`
        : `The state folder ${config.stateDir} cannot be used: ${errorText(error)}`,
    );
  }
}

function readToken(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

/** `/metrics` for Prometheus; `/healthz`: 200 while it works, 503 when it is refused or draining, and why. */
async function serveMetrics(
  config: AgentConfig,
  metrics: Metrics,
  health: () => ReturnType<Agent["health"]> | undefined,
): Promise<Listening> {
  const server = createServer((request, response) => {
    const path = request.url?.split("?")[0];
    if (path === "/metrics") {
      metrics.registry.metrics().then(
        (text) => response.writeHead(200, { "content-type": metrics.registry.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    } else if (path === "/healthz") {
      const now = health();
      response.writeHead(now?.state === "working" ? 200 : 503, { "content-type": "application/json" });
      response.end(`${JSON.stringify(now ?? { state: "starting" })}\n`);
    } else response.writeHead(404).end();
  });
  return listen(server, config.metrics.host, config.metrics.port);
}

const say = (problem: Problem) => {
  process.stderr.write(`${problem.code}: ${problem.detail}\n`);
};

/**
 * Runs the agent of this configuration file until SIGTERM or SIGINT, or until the control plane refuses it for good.
 * Resolves with the exit code: 0 drained, 1 not able to start (a later try may), 2 refused or a fault in the configuration.
 */
export async function runAgent(file: string): Promise<number> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    say({ code: "validation_failed", detail: `${file} cannot be read: ${errorText(error)}` });
    return 2;
  }
  const config = parseConfig(text, file);
  if (!config.ok) {
    say(config.problem);
    return 2;
  }
  const log = makeLog(config.value.logLevel);
  const started = await startProcess(config.value, log);
  if (!started.ok) {
    say(started.problem);
    return 1;
  }
  const { agent, stop } = started.value;
  const end = await Promise.race([
    agent.refused.then((problem) => ({ code: 2, problem })),
    new Promise<{ code: 0; problem?: undefined }>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const)
        process.once(signal, () => {
          log.info({ signal }, "draining");
          resolve({ code: 0 });
        });
    }),
  ]);
  if (end.problem) say(end.problem);
  await stop();
  return end.code;
}
