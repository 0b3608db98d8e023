import type { ApprovedPlan } from "../../../shared/model/approval.ts";
import { seeded } from "../../../shared/seeded.ts";
import type { Sql } from "../../../shared/sql.ts";
import { openSql } from "../../sql/node-sqlite.ts";
import { bmcPool } from "../bmc/pool.ts";
import { AgentConfig } from "../config.ts";
import { type Executor, makeExecutor } from "../executor/executor.ts";
import type { Handlers, World } from "../executor/step.ts";
import type { Http } from "../http.ts";
import { openJournal } from "../journal/journal.ts";
import { silentLog } from "../log.ts";
import { makeMetrics } from "../metrics.ts";
import type { ImageStore } from "../netboot/images.ts";
import { ramdiskMachines } from "../netboot/machines.ts";
import { type Netboot, type NetbootResponse, netboot } from "../netboot/routes.ts";
import { signals } from "../signals.ts";
import { memoryVault } from "../vault.ts";
import { type FakeBmc, fakeBmc } from "./fake-bmc.ts";
import { type FakeTime, fakeTime } from "./fake-time.ts";
import { image, SERIAL, SITE, target } from "./fixtures.ts";

export interface FakeWorld {
  time: FakeTime;
  bmc: FakeBmc;
  world: World;
  executor: Executor;
  netboot: Netboot;
  /** The journal's own tables. */
  sql: Sql;
  renewals: number;
  /** What the control plane answers when it is asked for a plan. */
  plans: Map<string, ApprovedPlan>;
  /** Machine → agent, JSON. */
  post(path: string, body: unknown): Promise<{ status: number; body: unknown }>;
  get(path: string): Promise<NetbootResponse>;
}

export interface FakeWorldOptions {
  bmc?: FakeBmc;
  handlers?: Handlers;
  config?: Partial<AgentConfig>;
  images?: ImageStore;
  /** Called whenever the journal is to be made safe from a power cut. */
  durable?: (sql: Sql) => void;
}

export const testConfig = AgentConfig.parse({
  controlPlane: "http://127.0.0.1:1",
  name: "test-a",
  stateDir: "/nowhere",
  vault: "/nowhere",
  images: "/nowhere",
  netboot: { host: "127.0.0.1", port: 1 },
  bmc: { gapMs: 0, pollMs: 1000 },
});

export const noImages: ImageStore = {
  find: async (name) => (name === image.name ? image : undefined),
  async *read() {
    yield new Uint8Array(image.sizeBytes);
  },
};

/** The agent without its link: executor, netboot and journal around one fake BMC under a clock that stands still. */
export function fakeWorld(options: FakeWorldOptions = {}): FakeWorld {
  const time = fakeTime();
  const bmc = options.bmc ?? fakeBmc(SERIAL);
  const sql = openSql(":memory:");
  const journal = openJournal(sql, async () => options.durable?.(sql));
  const config = { ...testConfig, ...options.config };
  const bus = signals(time.timers);
  const machines = ramdiskMachines(journal, time.clock, time.timers, bus);
  const http: Http = (request) => bmc.handle(request);
  const metrics = makeMetrics();
  const { clock, timers } = time;
  const pool = bmcPool({
    http,
    vault: memoryVault({ [target().bmc.secret]: { username: "root", password: "hunter2-hunter2" } }),
    clock,
    timers,
    log: silentLog,
    metrics,
    sessions: journal.sessions,
    timeoutMs: config.bmc.timeoutMs,
    gapMs: config.bmc.gapMs,
    sessionIdleMs: config.bmc.sessionIdleMs,
    speed: 1,
  });
  const world: World = {
    clock,
    timers,
    random: seeded(1),
    log: silentLog,
    metrics,
    journal,
    signals: bus,
    pool,
    machines,
    images: options.images ?? noImages,
    publicUrl: "http://agent.test",
    planOf: async (id) => fake.plans.get(id),
    config,
  };
  const route = netboot({
    journal,
    machines,
    images: world.images,
    signals: bus,
    clock,
    log: silentLog,
    metrics,
    publicUrl: world.publicUrl,
    unknownHardware() {},
  });
  const fake: FakeWorld = {
    time,
    bmc,
    world,
    sql,
    renewals: 0,
    plans: new Map(),
    executor: makeExecutor({
      world,
      site: () => SITE,
      maxParallel: 8,
      reported() {},
      progressed() {},
      askRenewal() {
        fake.renewals += 1;
      },
      ...(options.handlers && { handlers: options.handlers }),
    }),
    netboot: route,
    async post(path, body) {
      const request = { method: "POST", path, query: new URLSearchParams(), headers: {}, from: "test" };
      const reply = await route({ ...request, body: JSON.stringify(body) });
      return { status: reply.status, body: JSON.parse(String(reply.body)) };
    },
    get(path) {
      const url = new URL(path, "http://agent.test");
      return route({ method: "GET", path: url.pathname, query: url.searchParams, headers: {}, body: "", from: "test" });
    },
  };
  return fake;
}
