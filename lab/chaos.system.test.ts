import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "../agents/simulator/faults.ts";
import { Cable, LocalRun } from "./local-run.ts";

/** Runs in `.ci/run` only: five racks, each with planted faults and everything else done to it at random moments. */
const RUNS = 5;
const first = Number(process.env.TURNUP_SEED ?? Date.now() % 1_000_000);

describe("a rack, with everything going wrong at random moments", { timeout: 300_000 }, () => {
  let run: LocalRun;
  let cable: Cable | undefined;
  afterEach(async () => {
    await cable?.remove();
    await run.end();
  });

  for (const seed of Array.from({ length: RUNS }, (_, i) => first + i)) {
    it(`seed ${seed} (again by TURNUP_CI=1 TURNUP_SEED=${seed})`, async () => {
      const random = seededRandom(seed);
      const below = (n: number) => random.uint32() % n;
      run = new LocalRun();
      const line = await Cable.lay(run);
      cable = line;
      const deeds: (() => Promise<void>)[] = [
        async () => run.kill("agent"),
        async () => run.kill("workerd"),
        async () => run.kill("sim"),
        async () => {
          run.kill("control-plane");
          await sleep(below(500));
          run.kill("workerd");
        },
        async () => line.pull(1_000 + below(4_000)),
      ];
      let ended = false;
      const running = run.start("--fresh", "--chaos", "--seed", String(seed), "--via", line.url).then((result) => {
        ended = true;
        return result;
      });
      await run.until("power.on", 1 + below(12));
      for (let i = deeds.length - 1; i >= 0 && !ended; i--) {
        const [deed] = deeds.splice(below(i + 1), 1);
        await deed?.();
        await sleep(500 + below(4_000));
      }
      const { code, result, stderr } = await running;
      expect(code, `seed ${seed}\n${stderr.slice(-6_000)}`).toBe(3);
      expect(result ? run.violations(result) : ["no result"]).toEqual([]);
      expect(run.leaks()).toEqual([]);
    });
  }
});
