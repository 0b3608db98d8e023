import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { FaultPlan, isFatal } from "../agents/simulator/faults.ts";
import { Cable, LocalRun } from "./local-run.ts";

/** A whole rack with real processes, at most four of these in `npm test`: they take most of its time. */
describe("24 machines, end to end", { timeout: 300_000 }, () => {
  let run: LocalRun;
  let cable: Cable | undefined;
  afterEach(async () => {
    await cable?.remove();
    cable = undefined;
    await run.end();
  });

  it("[A7] all become active, nothing is done twice, and no secret leaves its vault", async () => {
    run = new LocalRun();
    const { code, result, stderr } = await run.start("--fresh");
    expect(stderr.trimEnd().split("\n").at(-1)).toBe("24 active, 0 failed, 0 waiting");
    expect(code).toBe(0);
    expect(result?.machines).toHaveLength(24);
    for (const machine of result?.machines ?? []) {
      expect(machine).toMatchObject({ state: "active", reason: null });
      expect(machine.hardwareSeconds).toBeGreaterThan(0);
    }
    // C4
    expect(result?.rowsPerInstall).toBeLessThanOrEqual(400);
    if (result) expect(run.violations(result)).toEqual([]);
    expect(run.leaks()).toEqual([]);
    // A second run has nothing to do, and says so.
    const again = await run.start();
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("All 24 servers are in service already.");
    expect(again.result?.machines.filter((machine) => machine.state === "active")).toHaveLength(24);
  });

  it("[T2][T5] with planted faults exactly the machines with an unrecoverable one stay out, untouched", async () => {
    run = new LocalRun();
    const { code, result, stderr } = await run.start("--fresh", "--chaos", "--seed", "7");
    const { faults } = FaultPlan.parse(JSON.parse(readFileSync(run.path("sim/faults.json"), "utf8")));
    const fatal = faults.filter(({ fault }) => isFatal(fault)).map(({ machine }) => machine);
    const out = result?.machines.filter((machine) => machine.state !== "active") ?? [];
    expect(out.map((machine) => machine.device).sort(), stderr).toEqual(fatal.sort());
    for (const { machine, fault } of faults.filter((one) => isFatal(one.fault))) {
      const reason = out.find((one) => one.device === machine)?.reason;
      expect(reason).toContain(fault === "wrong-serial" ? "identity_mismatch" : "disk_not_blank");
    }
    expect(code).toBe(3);
    if (result) expect(run.violations(result)).toEqual([]);
    expect(run.leaks()).toEqual([]);
  });

  it("[A2][J1][L6] killed agent, workerd and control plane, a cut network, and in the end everything killed: all active", async () => {
    run = new LocalRun();
    cable = await Cable.lay(run);
    const first = run.start("--fresh", "--via", cable.url);
    await run.until("power.on", 12);
    expect((await run.start()).code, "a second one beside it").toBe(2);
    run.kill("agent");
    await run.until("boot.fetch", 12);
    run.kill("workerd");
    await cable.pull(3_000);
    run.kill("control-plane");
    await sleep(500);
    run.kill("workerd");
    await run.until("disk.write.start", 12);
    run.kill("sim");
    await run.until("disk.write.verified", 4);
    run.killAll();
    await first;
    expect(run.said).toMatch(/agent was ended by SIGKILL; it is started again/);
    expect(run.said).toMatch(/agent runs again/);
    const { code, result, stderr } = await run.start("--via", cable.url);
    expect(stderr.trimEnd().split("\n").at(-1)).toBe("24 active, 0 failed, 0 waiting");
    expect(code).toBe(0);
    if (result) expect(run.violations(result)).toEqual([]);
    expect(run.leaks()).toEqual([]);
  });
});
