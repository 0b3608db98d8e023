import { expect, it } from "vitest";
import { LEASE_TTL_MS, type Lease } from "../../../shared/protocol/agent.ts";
import { World } from "./test-world.ts";

/** An install that is at work at this action. */
function heldAt(w: World, action: string): { job: string; held: Lease } {
  return { job: w.install(["srv00000"]), held: w.workUpTo(action) };
}

it("[J6] a step that is lost after a cancel is not tried again", () => {
  const w = new World(1);
  const { job } = heldAt(w, "bmc.power");
  w.do("job.cancel", { job, actor: "token:t", reason: "" });
  w.now += LEASE_TTL_MS + 1;
  w.do("tick", {});
  expect(w.sync().leases).toEqual([]);
  expect(w.ask("job", { job }).state).toBe("cancelled");
  expect(w.state("srv00000")).toBe("planned");
});

it("[J6] an agent that cannot say how a step of a cancelled job ended gets no other try", () => {
  const w = new World(1);
  const { job, held } = heldAt(w, "ramdisk.writeImage");
  w.do("job.cancel", { job, actor: "token:t", reason: "" });
  expect(w.sync({ reports: [w.report(held, { outcome: "unknown" })] }).leases).toEqual([]);
  expect(w.ask("job", { job }).state).toBe("cancelled");
  // Something may have been written: a person looks first.
  expect(w.state("srv00000")).toBe("failed");
});

it("[J6] a cancelled job does not ask a person once more", () => {
  const w = new World(1);
  const { job, held } = heldAt(w, "bmc.power");
  w.do("job.cancel", { job, actor: "token:t", reason: "" });
  w.sync({ reports: [w.report(held, { outcome: "failed", failure: { code: "machine_powered_on", detail: "On" } })] });
  expect(w.ask("job", { job })).toMatchObject({
    state: "cancelled",
    targets: [{ failure: { code: "machine_powered_on" } }],
  });
});

it.each(["bmc.identify", "bmc.power", "ramdisk.await", "ramdisk.writeImage", "bmc.accept"])(
  "[J6] cancel ends the job whatever becomes of %s, lost or not",
  (action) => {
    for (const when of ["before", "after"]) {
      const w = new World(1);
      const { job, held } = heldAt(w, action);
      if (when === "before") w.do("job.cancel", { job, actor: "token:t", reason: "" });
      w.now += LEASE_TTL_MS + 1;
      w.do("tick", {});
      if (when === "after") w.do("job.cancel", { job, actor: "token:t", reason: "" });
      expect(w.ask("job", { job }).state).toBe("cancelled");
      expect(w.sync({ holding: [held.id] })).toMatchObject({ leases: [], revoked: [held.id] });
      expect(w.ask("device", { device: "srv00000" }).job).toBeNull();
    }
  },
);
