/** One server in service is wiped: real API, command line, two people's keys, agent and simulated hardware, to the last byte. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { JobView } from "../shared/model/job.ts";
import type { PlanView } from "../shared/model/views.ts";
import { jsonOf, turnup } from "./control-plane.ts";
import { LocalRun } from "./local-run.ts";
import { writeSmallSite } from "./small-site.ts";

const NAME = "compute-01";

describe("server.reinstall, end to end", { timeout: 240_000 }, () => {
  const run = new LocalRun();
  afterAll(() => run.end());
  const cli = (...args: string[]) => turnup(run.dir, ["--json", ...args]);
  const approve = (person: string, plan: string) =>
    turnup(run.dir, ["approve", plan, "--yes", "--key", run.path("approvers", `${person}.key`)], {
      token: readFileSync(run.path("approvers", `${person}.token`), "utf8").trim(),
    });
  const state = async () => jsonOf<{ state: string }>(await cli("explain", NAME)).state.split(" ")[0];
  /** How often the hardware saw it. */
  const seen = (event: string) => run.witness().filter((r) => r.machine === NAME && r.event === event).length;

  it("[G4][T5] wipes what two people have approved, and brings the server back", async () => {
    const file = join(run.dir, "site.yaml");
    writeSmallSite(file, [NAME]);
    const up = await run.stay("--fresh", "--site", file, "--speed", "4000");
    expect(up.machines.map((m) => m.state)).toEqual(["active"]);
    const data = run.path("sim/disks", NAME, "Bay_0.img");
    plant(data);
    const installed = { off: seen("power.off"), writes: seen("disk.write.verified") };

    const params = JSON.stringify({ mode: "wipe" });
    const { plan, hash } = jsonOf<PlanView>(await cli("plan", "server.reinstall", NAME, "--params", params));
    const apply = () => cli("apply", plan.id, "--hash", hash);
    const refused = async () => {
      const { code, err, out } = await apply();
      return [code, /"code":"(\w+)"/.exec(err + out)?.[1]];
    };
    expect(await refused()).toEqual([2, "approval_missing"]);
    expect((await approve("anna", plan.id)).code).toBe(0);
    expect(await refused()).toEqual([2, "approval_missing"]);
    expect((await approve("ben", plan.id)).code).toBe(0);
    expect(await state()).toBe("active");

    const job = jsonOf<JobView>(await apply());
    const watched = await cli("watch", job.id);
    expect([watched.code, watched.err]).toEqual([0, ""]);
    expect(await state()).toBe("active");

    expect(seen("power.off") - installed.off).toBe(1);
    expect(seen("disk.write.verified") - installed.writes).toBe(1);
    const others = plan.targets[0]?.media.filter((m) => !m.chosen).length ?? 0;
    expect(others).toBeGreaterThan(0);
    expect(seen("disk.zero.verified")).toBe(others);
    // A file of nothing but a hole: every byte is zero.
    expect(statSync(data).blocks).toBe(0);
    const image = plan.steps.find((s) => s.action === "ramdisk.writeImage")?.params.image as {
      sizeBytes: number;
      sha256: string;
    };
    expect(headHash(run.path("sim/disks", `${NAME}.img`), image.sizeBytes)).toBe(image.sha256);

    // The plan has run: it runs no second time, and a first install never touches what is in service.
    expect(await refused()).toEqual([2, "plan_used"]);
    const install = await cli("plan", "server.install", NAME);
    expect([install.code, /target_state/.test(install.err + install.out)]).toEqual([2, true]);
    expect(run.leaks()).toEqual([]);
  });
});

function plant(path: string): void {
  const file = openSync(path, "r+");
  writeSync(file, "what a customer keeps\n".repeat(1000), 1 << 20);
  closeSync(file);
  expect(statSync(path).blocks).toBeGreaterThan(0);
}

function headHash(path: string, bytes: number): string {
  const head = Buffer.alloc(bytes);
  const file = openSync(path, "r");
  readSync(file, head, 0, bytes, 0);
  closeSync(file);
  return createHash("sha256").update(head).digest("hex");
}
