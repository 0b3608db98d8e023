import { expect, it } from "vitest";
import { fakeWorld } from "../testing/fake-world.ts";
import { lease, MAC, SERIAL } from "../testing/fixtures.ts";

/** Runs all that writes to a BMC, and tells for each write which durable intents without an outcome stood in the journal. */
async function writes(): Promise<string[]> {
  const seen: string[] = [];
  let durable = 0;
  const w = fakeWorld({
    durable: (sql) => {
      durable = sql.get<{ id: number | null }>("SELECT max(id) AS id FROM effect")?.id ?? 0;
    },
  });
  const serve = w.bmc.handle;
  w.bmc.handle = (request) => {
    if (request.method !== "GET" && !request.url.includes("Session")) {
      w.world.journal.flush();
      const open = w.sql.all<{ kind: string }>("SELECT kind FROM effect WHERE outcome IS NULL AND id <= ?", durable);
      seen.push(`${request.method} ${request.body} ${open.map((e) => e.kind).join()}`);
    }
    return serve(request);
  };
  const take = async (action: Parameters<typeof lease>[0], params?: Record<string, unknown>) => {
    w.executor.take([lease(action, params && { params })], w.time.clock.monotonic());
    await w.time.settle();
  };
  const hello = async () => {
    const [boot] = w.world.journal.boots.all();
    await w.post("/ramdisk/v1/hello", { v: 1, nonce: boot?.nonce, mac: MAC, serial: SERIAL });
  };
  await take("netboot.arm");
  await take("bmc.bootOverride");
  await take("bmc.power");
  await take("ramdisk.await");
  // It never asks for its boot script, and is started anew.
  for (let n = 0; n < 63; n++) {
    await w.time.advance(10_000);
    w.executor.renewed(w.executor.holding(), w.time.clock.monotonic());
  }
  await hello();
  await take("ramdisk.bootDisk");
  w.bmc.state.power = "Off";
  await take("os.firstBoot");
  for (let n = 0; n < 160; n++) {
    await w.time.advance(10_000);
    w.executor.renewed(w.executor.holding(), w.time.clock.monotonic());
  }
  return seen;
}

it("[A2] no write reaches a machine's BMC before the intent of just that is safe on disk", async () => {
  const power = (type: string, kind: string) => `POST {"ResetType":"${type}"} power.${kind}`;
  const boot = (target: string) => expect.stringMatching(new RegExp(`^PATCH .*"${target}".* bootOverride$`));
  expect(await writes()).toEqual([
    boot("Pxe"),
    power("On", "On"),
    power("ForceOff", "Off"),
    power("On", "On"),
    boot("None"),
    power("On", "On"),
  ]);
});
