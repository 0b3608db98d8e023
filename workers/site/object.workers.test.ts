import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { JobEvent, JobView } from "../../shared/model/job.ts";
import type { AgentView, DeviceView, Meter, Page } from "../../shared/model/views.ts";
import {
  call,
  did,
  env,
  eventually,
  installJob,
  makeSite,
  objectOf,
  prepare,
  settled,
  stubOf,
  TestAgent,
} from "../test-fleet.ts";

beforeAll(prepare);

const written = async (site: { id: string }) => {
  const meter = await objectOf(site).ask("meter", {});
  return meter.ok ? meter.value.object : Number.NaN;
};

/** Runs something in the object a few seconds from now, when what was put off is due; `alarm` is its own. */
async function inObject<T>(
  site: { id: string },
  body: (alarm: () => Promise<void>, object: object, state: DurableObjectState) => Promise<T>,
  seconds = 5,
): Promise<T> {
  return runInDurableObject(stubOf(site), async (object, state) => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1000 });
    try {
      const { alarm } = object as unknown as { alarm(): Promise<void> };
      return await body(() => alarm.call(object), object, state);
    } finally {
      vi.useRealTimers();
    }
  });
}

/** A client's end of a socket, with what came over it. */
async function open(path: string, token?: string): Promise<{ socket: WebSocket; heard: string[] }> {
  const { response } = await call("GET", path, {
    ...(token !== undefined && { token }),
    headers: { upgrade: "websocket" },
  });
  expect(response.status).toBe(101);
  const socket = response.webSocket;
  if (!socket) throw new Error("no socket");
  const heard: string[] = [];
  socket.addEventListener("message", ({ data }) => {
    heard.push(String(data));
  });
  socket.accept();
  return { socket, heard };
}

describe("the site's object", () => {
  it("[J1] keeps a job over an eviction", async () => {
    const site = await makeSite("evict");
    const job = await installJob(site);
    await evictDurableObject(stubOf(site));
    expect(await did<JobView>("GET", `/v1/jobs/${job.id}`)).toMatchObject({
      id: job.id,
      targets: [{ name: "node-1" }],
    });
  });

  it("leases work to the agent after the budget has given its permit, by the alarm alone", async () => {
    const site = await makeSite("lease");
    const agent = await TestAgent.enrol(site);
    await installJob(site);
    const reply = await eventually(
      () => agent.sync(),
      (r) => r.leases.length > 0,
      "a lease",
    );
    expect(reply.leases[0]).toMatchObject({ action: "bmc.identify", site: site.id });
    expect(await did<{ working: number }>("GET", "/v1/fleet")).toMatchObject({ frozen: false });
  });

  it("[C1] may run its alarm twice at once, and again, without doing anything twice", async () => {
    const site = await makeSite("alarms");
    await installJob(site);
    const count = () =>
      env.DB.prepare("SELECT count(*) AS n, sum(version) AS v FROM rm_device WHERE site = ?").bind(site.id).first();
    const ledger = async () => (await did<{ items: unknown[] }>("GET", "/v1/sites/alarms/ledger?limit=1000")).items;
    const before = await ledger();
    await inObject(site, async (alarm) => {
      await Promise.all([alarm(), alarm()]);
    });
    const rows = await count();
    expect(rows).toMatchObject({ n: 1 });
    await inObject(site, (alarm) => alarm());
    expect(await count()).toEqual(rows);
    expect(await ledger()).toEqual(before);
    await runDurableObjectAlarm(stubOf(site));
  });

  it("[C1] [C3] goes on after an alarm in which D1 was away, and says so", async () => {
    const site = await makeSite("d1-down");
    const away = await inObject(site, async (alarm, object, state) => {
      const real: unknown = Reflect.get(object, "env");
      Reflect.set(object, "env", {
        ...env,
        DB: {
          prepare: () => ({ bind: () => null }),
          batch: () => Promise.reject(new Error("Network connection lost.")),
        },
      });
      await alarm();
      Reflect.set(object, "env", real);
      return state.storage.sql.exec("SELECT value FROM meta WHERE key = 'away'").one().value;
    });
    expect(JSON.parse(String(away))).toMatchObject({ fails: 1 });
    await inObject(site, (alarm) => alarm(), 60);
    const { items } = await did<Page<DeviceView>>("GET", "/v1/devices");
    expect(items.filter((device) => device.site === site.id)).toHaveLength(1);
  });

  it("[C1] an alarm that meets a defect does not throw, and is set again", async () => {
    const site = await makeSite("defect");
    await settled(site);
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const next = await inObject(site, async (alarm, _, state) => {
      await state.storage.deleteAlarm();
      state.storage.sql.exec("ALTER TABLE outbox RENAME TO lost");
      await alarm();
      state.storage.sql.exec("ALTER TABLE lost RENAME TO outbox");
      return state.storage.getAlarm();
    });
    expect(next).toBeGreaterThan(Date.now());
    expect(log).toHaveBeenCalledWith(expect.stringContaining("site.alarm"));
    log.mockRestore();
  });

  it("rings the doorbell after hibernation, and tells who is there", async () => {
    const site = await makeSite("bell");
    const agent = await TestAgent.enrol(site);
    const { socket, heard } = await open("/agent/v1/doorbell", agent.token());
    socket.send("hb");
    await eventually(
      async () => heard,
      (h) => h.includes("ok"),
      "the heartbeat's answer",
    );
    await evictDurableObject(stubOf(site), { webSockets: "hibernate" });
    const agents = await did<Page<AgentView>>("GET", `/v1/agents?site=${site.name}`);
    expect(agents.items).toMatchObject([{ id: agent.id, doorbell: true, lastSeenAt: expect.any(Number) }]);
    await installJob(site);
    await eventually(
      async () => heard,
      (h) => h.includes("sync"),
      "the ring",
    );
    await did("POST", `/v1/agents/${agent.id}/revoke`, { body: {} });
    expect((await agent.call()).body).toMatchObject({ code: "agent_revoked" });
    socket.close();
  });

  it("a doorbell that comes anew takes the place of the old one", async () => {
    const site = await makeSite("bell2");
    const agent = await TestAgent.enrol(site);
    const first = await open("/agent/v1/doorbell", agent.token());
    const closed = new Promise<number>((done) => first.socket.addEventListener("close", ({ code }) => done(code)));
    const second = await open("/agent/v1/doorbell", agent.token());
    expect(await closed).toBe(4000);
    await installJob(site);
    await eventually(
      async () => second.heard,
      (h) => h.includes("sync"),
      "the ring",
    );
    expect(first.heard).toEqual([]);
  });

  it("a watch and ?after= give the same events, over an eviction too", async () => {
    const site = await makeSite("watch");
    const agent = await TestAgent.enrol(site);
    const job = await installJob(site);
    const { heard } = await open(`/v1/jobs/${job.id}/watch`);
    const first = await eventually(
      () => agent.sync(),
      (r) => r.leases.length > 0,
      "a lease",
    );
    await evictDurableObject(stubOf(site), { webSockets: "hibernate" });
    const [lease] = first.leases;
    if (!lease) throw new Error("no lease");
    await agent.sync({
      holding: [lease.id],
      progress: [{ lease: lease.id, epoch: lease.epoch, job: job.id, step: lease.step, percent: 40 }],
    });
    await agent.sync({ reports: [agent.report(lease, { serial: lease.target.serial, power: "Off" })] });
    const stored = await did<{ items: JobEvent[] }>("GET", `/v1/jobs/${job.id}/events?after=0`);
    const live = await eventually(
      async () => heard.map((text) => JSON.parse(text) as JobEvent),
      (all) => all.some((e) => e.seq === stored.items.length),
      "the last event",
    );
    expect(live.filter((e) => e.kind !== "step.progress")).toEqual(stored.items);
    expect(live.filter((e) => e.kind === "step.progress")).toMatchObject([{ data: { percent: 40 } }]);
    // A watcher that counts by number has seen all up to the one that progress carries.
    const progressed = live.findIndex((e) => e.kind === "step.progress");
    expect(live.slice(0, progressed).at(-1)?.seq).toBe(live[progressed]?.seq);
    expect(stored.items.map((e) => e.seq)).toEqual(stored.items.map((_, i) => i + 1));
    const later = await did<{ items: JobEvent[] }>("GET", `/v1/jobs/${job.id}/events?after=2`);
    expect(later.items).toEqual(stored.items.slice(2));
  });

  it("an idle site writes nothing, whatever is read and however often its agent syncs", async () => {
    const site = await makeSite("idle");
    const agent = await TestAgent.enrol(site);
    await agent.sync();
    await eventually(
      () => runInDurableObject(stubOf(site), (_, state) => state.storage.getAlarm()),
      (at) => at === null,
      "no alarm set",
    );
    const before = await written(site);
    await open("/agent/v1/doorbell", agent.token());
    for (let n = 0; n < 5; n++) await agent.sync();
    await did("GET", `/v1/devices?site=${site.name}`);
    await did("GET", `/v1/devices/node-1/explain?site=${site.name}`);
    expect(await written(site)).toBe(before);
    await evictDurableObject(stubOf(site));
    await agent.sync();
    expect(await runInDurableObject(stubOf(site), (_, state) => state.storage.getAlarm())).toBeNull();
    const meter = await did<Meter>("GET", `/v1/sites/${site.name}/meter`);
    expect(meter.d1).toBeGreaterThan(0);
  });

  it("[E3] rebuilds the read model as it was", async () => {
    const site = await makeSite("rebuild");
    const dump = () =>
      env.DB.prepare(
        "SELECT 'd' AS k, id, version, doc FROM rm_device WHERE site = ?1 UNION ALL SELECT 'a', id, version, doc FROM rm_asset WHERE site = ?1 UNION ALL SELECT 's', id, version, doc FROM rm_site WHERE site = ?1 ORDER BY 1, 2",
      )
        .bind(site.id)
        .all()
        .then((r) => r.results);
    await inObject(site, (alarm) => alarm());
    const before = await dump();
    expect(before).toHaveLength(3);
    await env.DB.batch(
      ["rm_device", "rm_asset", "rm_site"].map((table) =>
        env.DB.prepare(`DELETE FROM ${table} WHERE site = ?`).bind(site.id),
      ),
    );
    await did("POST", `/v1/sites/${site.name}/read-model/rebuild`, { body: {} });
    await inObject(site, (alarm) => alarm(), 60);
    expect(await dump()).toEqual(before);
  });
});
