/**
 * Sites in the middle of their work, with rows in every table, as lines: `npm run fixture` runs this on the code of each
 * version of the tables and keeps what comes out (fixtures/). So it asks nothing of a world that an older one lacks.
 */
import type { SqlRow } from "../../../shared/sql.ts";
import { migrations } from "./schema.ts";
import { World } from "./test-world.ts";

/** A line of a fixture: one begins each database, then come its statements, then its rows. */
export type PastLine =
  | {
      /** At work, or restored and not released. */
      database: "live" | "hold";
      /** Version of its tables. */
      schema: number;
      /** When it was left, Unix ms. */
      now: number;
    }
  | { sql: string }
  | { t: string; r: SqlRow };

const NEWEST = migrations.length;

const names = (...numbers: number[]): string[] => numbers.map((n) => `srv${String(n).padStart(5, "0")}`);
const failed = (code: string) => ({ outcome: "failed" as const, failure: { code, detail: "as it was then" } });

/** Work that has ended in every way, or waits for a person; an audit with findings. */
function earlier(w: World): void {
  w.install(names(0), "done");
  w.work();
  w.install(names(1, 2), "asks");
  w.work(({ target, action }) => {
    if (target.name === names(1)[0] && action === "ramdisk.proveBlank") return failed("disk_not_blank");
    return target.name === names(2)[0] && action === "ramdisk.inventory" ? failed("bom_mismatch") : {};
  });
  w.do("job.cancel", { job: w.install(names(3), "cancelled"), actor: "token:t", reason: "not now" });
  w.do("audit.start", { window: "audit:1", actor: "cron" });
  const { audit } = w.sync({ free: 0 });
  if (!audit) throw new Error("nothing is audited");
  const observations = audit.targets.map((t) => ({ device: t.device, serial: "another", power: "On" }));
  w.sync({ free: 0, audit: { window: audit.window, observations } });
  w.do("plan.create", { workflow: "server.install", targets: names(3), params: {}, actor: "token:t" });
}

/** Branches across machines, a paused job, a plan that somebody has approved. */
async function branches(w: World): Promise<void> {
  w.start("test.rack", names(8, 9));
  const job = w.start("server.install", names(10), { priority: 7 });
  w.do("job.pause", { job, actor: "token:t", reason: "the power is tested" });
  const view = w.do("plan.create", {
    workflow: "test.wipe",
    targets: names(11),
    params: {},
    actor: "token:t",
  });
  w.do("plan.approve", w.approval(view, "ann"));
}

/** A policy in two versions. */
function policies(w: World): void {
  for (const least of [1, 2]) {
    const pools = [{ name: "all", members: { roles: ["compute"] }, floor: { count: least } }];
    const text = JSON.stringify({ schema: "turnup/policy/v1", site: "ams01", pools });
    w.do("policy.apply", { base: least - 1, text, reason: "as it was then", actor: "token:admin" });
  }
}

/** The same site restored from its export and released, with a device on which unknown work was done. */
async function replaced(w: World, agents: readonly string[]): Promise<World> {
  const { exported, restored } = await import("./test-export.ts");
  const next = restored(exported(w), w);
  // Or it would draw the ids that the first world has drawn.
  for (let n = 0; n < 10_000; n++) next.random.uint32();
  next.do("outbox.rebuild", { actor: "token:admin" });
  next.do("outbox.dropped", {});
  const { id: device } = next.ask("device", { device: names(3)[0] ?? "" });
  const attempt = { lease: "lse_later", epoch: 900, job: "job_later", step: 4, device, outcome: "in flight" as const };
  for (const agent of agents) {
    const { journal } = next.sync({ generation: 2 }, agent);
    if (!journal) throw new Error("nothing was asked");
    next.sync({ generation: 2, journal: { ...journal, epoch: 900, attempts: [attempt], complete: true } }, agent);
  }
  next.do("site.release", { actor: "token:admin", without: [] });
  return next;
}

/** A row that the read model never took; all others are there. */
function parked(w: World): void {
  w.now += 10_000;
  const [asset] = w.ask("outbox.next", { limit: 1_000 }).filter(({ kind }) => kind === "asset");
  for (let n = 0; n < 12; n++) {
    const entries = w.ask("outbox.next", { limit: 1_000 }).filter(({ id }) => id === asset?.id);
    if (entries.length > 0) w.do("outbox.failed", { entries, reason: "too big" });
    w.now += 400_000;
  }
  w.drain();
}

/** Steps in every open state, an audit under way, an invitation, and rows that wait for the read model. */
function open(w: World): void {
  parked(w);
  w.permit();
  w.do("agent.invite", { tokenHash: "hash-c", expiresAt: w.now + 60_000, actor: "token:t" });
  w.install(names(4, 5, 6), "open");
  const { leases } = w.sync({ free: 3 });
  const [runs, , lost] = leases;
  if (!runs || !lost) throw new Error("nothing was leased");
  w.now += 1_000;
  w.sync({
    free: 0,
    holding: leases.map((lease) => lease.id),
    progress: [{ lease: runs.id, epoch: runs.epoch, job: runs.job, step: runs.step, percent: 10 }],
    reports: [w.report(lost, { outcome: "unknown", result: undefined })],
  });
  w.install(names(7), "queued");
  w.refusal("audit.start", { window: "audit:2", actor: "cron" });
}

/** A restored site of which one agent has told a part. */
async function held(w: World): Promise<World> {
  const { exported, restored } = await import("./test-export.ts");
  const hold = restored(exported(w), w, 3);
  const [event] = hold.ask("ledger", { after: 2, limit: 1 });
  const head = { generation: 2, seq: 3, hash: event?.hash ?? "" };
  const { journal } = hold.sync({ generation: 3, head });
  if (!journal) throw new Error("nothing was asked");
  const attempt = {
    lease: "lse_x",
    epoch: 4_000,
    job: "job_x",
    step: 1,
    device: "dev_x",
    outcome: "succeeded" as const,
  };
  hold.sync({ generation: 3, journal: { ...journal, epoch: 4_000, attempts: [attempt], complete: false } });
  return hold;
}

/** The fixture of the version that the code beside this file has as its newest. */
export async function past(): Promise<PastLine[]> {
  const shipped = NEWEST >= 4 ? await import("./test-workflows.ts") : undefined;
  const w = new World(12, shipped && { workflows: [shipped.rack, shipped.wipe(2)] });
  const other = w.enroll("b", "y".repeat(43));
  earlier(w);
  if (shipped) await branches(w);
  if (NEWEST >= 11) policies(w);
  if (NEWEST < 5) {
    open(w);
    return linesOf("live", w);
  }
  const live = await replaced(w, [w.agent, other]);
  open(live);
  return [...linesOf("live", live), ...linesOf("hold", await held(live))];
}

function linesOf(database: "live" | "hold", { sql, now }: World): PastLine[] {
  const made = sql.all<{ name: string; type: string; sql: string }>(
    "SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid",
  );
  const rows = made.flatMap(({ name, type }) =>
    type === "table" ? sql.all<SqlRow>(`SELECT * FROM "${name}"`).map((r) => ({ t: name, r })) : [],
  );
  return [{ database, schema: NEWEST, now }, ...made.map((m) => ({ sql: m.sql })), ...rows];
}
