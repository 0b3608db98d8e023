import { expect, it } from "vitest";
import { fakeBmc } from "../testing/fake-bmc.ts";
import { type FakeWorld, fakeWorld } from "../testing/fake-world.ts";
import { lease, SERIAL } from "../testing/fixtures.ts";

const shutdown = { state: "Off", gracefully: true };
const all = ["On", "ForceOff", "GracefulShutdown"];

/** Powers the machine on, then off as asked; returns the kinds of the commands that took it off. */
async function off(resetTypes: string[], spoil: (w: FakeWorld) => void): Promise<[unknown, string[]]> {
  const w = fakeWorld({ bmc: fakeBmc(SERIAL, { resetTypes }) });
  const kinds: string[] = [];
  const { handle } = w.bmc;
  w.bmc.handle = (request) => {
    if (request.url.endsWith("ComputerSystem.Reset")) kinds.push(JSON.parse(request.body ?? "{}").ResetType);
    return handle(request);
  };
  const run = async (l: ReturnType<typeof lease>) => {
    w.executor.take([l], w.time.clock.monotonic());
    for (let n = 0; n < 60; n++) {
      await w.time.advance(10_000);
      w.executor.renewed(w.executor.holding(), w.time.clock.monotonic());
    }
    return w.world.journal.attempts.reports(10).find((r) => r.lease === l.id);
  };
  await run(lease("bmc.power"));
  spoil(w);
  const done = await run(lease("bmc.power", { params: shutdown }));
  return [done?.outcome, kinds.slice(1)];
}

it("asks the system to shut down, and cuts no power where that is enough", async () => {
  expect(await off(all, () => {})).toEqual(["succeeded", ["GracefulShutdown"]]);
});

it("cuts the power of a system that took no notice, after it had its time", async () => {
  const deaf = (w: FakeWorld) => {
    w.bmc.faults.deafSystem = true;
  };
  expect(await off(all, deaf)).toEqual(["succeeded", ["GracefulShutdown", "ForceOff"]]);
});

it("cuts the power at once where the BMC cannot ask the system", async () => {
  expect(await off(["On", "ForceOff"], () => {})).toEqual(["succeeded", ["ForceOff"]]);
});
