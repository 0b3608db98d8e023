import { afterEach, expect, it } from "vitest";
import { openSql } from "../../sql/node-sqlite.ts";
import { openJournal } from "../journal/journal.ts";
import { silentLog } from "../log.ts";
import { makeMetrics } from "../metrics.ts";
import { nodeTimers } from "../node/run.ts";
import { bmcHttp } from "../node/transport.ts";
import { type FakeBmc, fakeBmc } from "../testing/fake-bmc.ts";
import { type FakeTime, fakeTime } from "../testing/fake-time.ts";
import { SERIAL, target } from "../testing/fixtures.ts";
import { memoryVault } from "../vault.ts";
import { writeBoot } from "./boot.ts";
import type { OwnerOptions } from "./owner.ts";
import { bmcPool } from "./pool.ts";
import { readSystem } from "./redfish.ts";

const free = { async admit() {} };

function options(bmc: FakeBmc, time: FakeTime): OwnerOptions {
  return {
    http: (request) => bmc.handle(request),
    vault: memoryVault({ [target().bmc.secret]: { username: "root", password: "hunter2-hunter2" } }),
    clock: time.clock,
    timers: time.timers,
    log: silentLog,
    metrics: makeMetrics(),
    sessions: openJournal(openSql(":memory:"), async () => {}).sessions,
    timeoutMs: 20_000,
    gapMs: 0,
    sessionIdleMs: 10_000,
    speed: 1,
  };
}
function setUp(fake = fakeBmc(SERIAL)) {
  const time = fakeTime();
  const o = options(fake, time);
  const pool = bmcPool(o);
  return { time, fake, o, pool, bmc: pool.bmc(target().bmc, free) };
}
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: { code?: string }) => error.code,
  );

it("[A3] keeps one session for all callers, one request at a time, and logs out when idle", async () => {
  const { time, fake, pool, bmc } = setUp();
  let inside = 0;
  let most = 0;
  const handle = fake.handle;
  fake.handle = async (request) => {
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
    return handle(request);
  };
  await Promise.all([readSystem(bmc), readSystem(pool.bmc(target().bmc, free)), readSystem(bmc)]);
  expect([fake.state.logins, fake.state.sessions.size, most]).toEqual([1, 1, 1]);
  await time.advance(10_000);
  expect(fake.state.sessions.size).toBe(0);
  await readSystem(bmc);
  await pool.close();
  expect(fake.state.sessions.size).toBe(0);
});

it("[A3] logs out the session that a killed agent left open", async () => {
  const { fake, o, bmc } = setUp();
  await readSystem(bmc);
  expect(fake.state.sessions.size).toBe(1);
  await readSystem(bmcPool(o).bmc(target().bmc, free));
  expect([...fake.state.sessions]).toEqual([`${SERIAL}-s2`]);
});

it("[A3] opens the breaker at a refused login, for all callers, and tries again after five minutes", async () => {
  const { time, fake, pool, bmc } = setUp();
  fake.faults.badLogin = true;
  expect(await codeOf(readSystem(bmc))).toBe("bmc_auth_failed");
  for (let i = 0; i < 5; i++) expect(await codeOf(readSystem(pool.bmc(target().bmc, free)))).toBe("bmc_auth_failed");
  expect(fake.state.logins).toBe(1);
  fake.faults.badLogin = false;
  await time.advance(300_000);
  expect((await readSystem(bmc)).serial).toBe(SERIAL);
});

it("logs in once more when its session died, and replays the request", async () => {
  const { fake, bmc } = setUp();
  await readSystem(bmc);
  fake.faults.dropSession = 1;
  expect((await readSystem(bmc)).serial).toBe(SERIAL);
  expect(fake.state.logins).toBe(2);
  fake.faults.dropSession = 2;
  expect(await codeOf(readSystem(bmc))).toBe("bmc_auth_failed");
});

it("is patient with a busy BMC, as long as it asks for, and gives up in the end", async () => {
  const { time, fake, bmc } = setUp();
  fake.faults.busy = 2;
  fake.faults.retryAfter = "7";
  const read = readSystem(bmc);
  await time.advance(13_000);
  expect(fake.state.log).toHaveLength(2);
  await time.advance(1000);
  expect((await read).power).toBe("Off");
  fake.faults.busy = 99;
  const lost = codeOf(readSystem(bmc));
  await time.advance(100_000);
  expect(await lost).toBe("bmc_unavailable");
});

it("says which secret is missing without trying", async () => {
  const { fake, pool } = setUp();
  const other = pool.bmc({ ...target().bmc, secret: "vault:none" }, free);
  expect(await codeOf(readSystem(other))).toBe("secret_missing");
  expect(fake.state.log).toEqual([]);
});

it("does not follow a link to another host", async () => {
  const { fake, bmc } = setUp();
  const handle = fake.handle;
  fake.handle = async (request) => {
    const reply = await handle(request);
    return { ...reply, body: reply.body.replace('"/redfish/v1/Systems"', '"http://evil.example/redfish/v1/Systems"') };
  };
  expect(await codeOf(readSystem(bmc))).toBe("bmc_error");
});

it.each([
  ["plain", {}],
  ["demanding a precondition (B1)", { etags: "required" }],
  ["refusing weak tags (B2)", { etags: "weak" }],
  ["with a settings resource (B12)", { settings: true, etags: "required" }],
  ["without a mode (B7)", { noMode: true }],
  [
    "of Dell, whose ids are its own",
    { manufacturer: "Dell Inc.", systemPath: "/redfish/v1/Systems/System.Embedded.1" },
  ],
  ["with a slash at the end", { systemPath: "/redfish/v1/Systems/1/" }],
] as const)("sets the boot override on a BMC %s", async (_name, how) => {
  const { fake, bmc } = setUp(fakeBmc(SERIAL, how));
  await writeBoot(bmc, await readSystem(bmc), { target: "Pxe", mode: "UEFI" });
  expect(fake.state.boot).toMatchObject({ BootSourceOverrideTarget: "Pxe", BootSourceOverrideEnabled: "Once" });
});

it("reaches a listening BMC through the connect map, and no address beside it", async () => {
  const fake = fakeBmc(SERIAL);
  const listening = await fake.listen();
  stop = listening.close;
  const to = { host: "127.0.0.1", port: listening.port };
  const time = fakeTime();
  const o: OwnerOptions = {
    ...options(fake, time),
    timers: nodeTimers,
    http: bmcHttp({ connectTo: (host) => (host === "10.20.0.1:80" ? to : undefined) }),
  };
  const pool = bmcPool(o);
  expect((await readSystem(pool.bmc(target().bmc, free))).serial).toBe(SERIAL);
  await pool.close();
  expect(await codeOf(readSystem(pool.bmc(target(2).bmc, free)))).toBe("secret_missing");
  const elsewhere = pool.bmc({ ...target().bmc, address: "10.20.0.9" }, free);
  expect(await codeOf(readSystem(elsewhere))).toBe("bmc_unreachable");
});

let stop: (() => void) | undefined;
afterEach(() => {
  stop?.();
  stop = undefined;
});
