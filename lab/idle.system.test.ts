import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Cable, LocalRun } from "./local-run.ts";

/** Once for real, in `.ci/run` only: the same under an injected clock is in agents/site/link. */
const MINUTES = 6;
/** Audits are work; none may fall into the time that is measured. 29 February has one audit in four years. */
const NEVER = "0 0 29 2 *";

describe("a rack in service, left alone", { timeout: (MINUTES + 4) * 60_000 }, () => {
  const run = new LocalRun();
  let cable: Cable | undefined;
  afterEach(async () => {
    await run.end();
    await cable?.remove();
  });

  it(`with the doorbell up the agent sends at most 2 requests in ${MINUTES} minutes`, async () => {
    cable = await Cable.lay(run);
    const result = await run.stay("--fresh", "--cron", NEVER, "--via", cable.url);
    expect(result.machines.map((m) => m.state)).toEqual(result.machines.map(() => "active"));
    // What is still on its way when the last machine is done.
    await sleep(15_000);
    const busy = cable.requests;
    // Of 24 machines with 12 steps each: a counter that sees nothing would pass for ever.
    expect(busy).toBeGreaterThan(24);
    await sleep(MINUTES * 60_000);
    expect(cable.requests - busy).toBeLessThanOrEqual(2);
  });
});
