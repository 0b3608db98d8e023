import { expect, it } from "vitest";
import { World } from "./test-world.ts";

const actor = "token:op";
const name = "srv00000";

/** A server in service, and a job that reinstalls it, approved and started. */
function reinstalling(mode: "keep-data" | "wipe" = "keep-data"): { w: World; job: string } {
  const w = new World(2);
  w.install([name]);
  w.work();
  expect(w.state(name)).toBe("active");
  return { w, job: w.reinstall([name], mode) };
}
const failAt = (w: World, step: string, code = "write_failed") =>
  w.work((lease) =>
    lease.name === step ? { outcome: "failed", result: undefined, failure: { code, detail: "x" } } : {},
  );
const moves = (w: World) =>
  w
    .ask("ledger", { after: 0, limit: 1000 })
    .filter((e) => e.kind.startsWith("device.") || e.kind.startsWith("medium."))
    .map((e) => e.kind)
    .slice(-20);
const finding = (w: World) => w.ask("findings", { limit: 100 }).items.find((f) => f.check === "left-out-of-service");

it("[J7][G4] takes a server out of service, writes it anew and brings it back, as it was approved", () => {
  const { w, job } = reinstalling("wipe");
  const states = new Map<string, string>();
  w.work((lease) => {
    states.set(lease.name, w.state(name));
    expect(lease).toMatchObject({ mode: "wipe" });
    return {};
  });
  expect(Object.fromEntries(states)).toMatchObject({
    identify: "active",
    "power-off": "maintenance",
    "write-image": "maintenance",
    acceptance: "maintenance",
  });
  expect(w.state(name)).toBe("active");
  expect(w.ask("job", { job }).state).toBe("succeeded");
  expect(moves(w).slice(-5)).toEqual([
    "device.draining",
    "device.maintenance",
    "medium.overwritten",
    "medium.written",
    "device.active",
  ]);
  expect(finding(w)).toBeUndefined();
});

it("a failure before the first write leaves the server out of service, as it was, and a finding says so", () => {
  const { w, job } = reinstalling();
  failAt(w, "inventory-inside", "bom_mismatch");
  expect([w.state(name), w.ask("job", { job }).state]).toEqual(["maintenance", "failed"]);
  expect(finding(w)).toMatchObject({ state: "open", objectName: name, text: expect.stringContaining("which failed") });
  w.do("job.retry", { job, actor });
  w.work();
  expect([w.state(name), finding(w)?.state]).toEqual(["active", "closed"]);
});

it("a failure after the first write leaves it failed; a new plan brings it back", () => {
  const { w } = reinstalling("wipe");
  failAt(w, "write-image");
  expect(w.state(name)).toBe("failed");
  expect(finding(w)).toMatchObject({ state: "open", text: expect.stringContaining("it is failed now") });
  w.reinstall([name], "keep-data", "again");
  w.work();
  expect([w.state(name), finding(w)?.state]).toEqual(["active", "closed"]);
});

it("a cancel before anything was touched leaves it in service", () => {
  const { w, job } = reinstalling();
  w.do("job.cancel", { job, actor, reason: "" });
  expect([w.state(name), finding(w)]).toEqual(["active", undefined]);
});

it("[J8] a retry after the write does not write again: the new boot restarts from what is there", () => {
  const { w, job } = reinstalling("wipe");
  failAt(w, "first-boot", "acceptance_failed");
  expect(w.state(name)).toBe("failed");
  w.do("job.retry", { job, actor });
  const again: string[] = [];
  w.work((lease) => {
    again.push(lease.name);
    return {};
  });
  expect(again).toEqual([
    ...["arm-netboot", "boot-override", "power-on", "in-ram", "inventory-inside"],
    ...["boot-disk", "first-boot", "acceptance"],
  ]);
  expect(w.state(name)).toBe("active");
});

it("[J8] a retry of a write waits for the machine to be in RAM again", () => {
  const { w, job } = reinstalling("wipe");
  failAt(w, "write-image");
  w.do("job.retry", { job, actor });
  const again: string[] = [];
  w.work((lease) => {
    again.push(lease.name);
    return {};
  });
  expect(again.slice(0, 6)).toEqual([
    ...["arm-netboot", "boot-override", "power-on", "in-ram", "inventory-inside", "write-image"],
  ]);
});

it("[A5] another agent that takes over in the middle of the writes begins with a boot of its own", () => {
  const { w, job } = reinstalling("wipe");
  const held = w.workUpTo("ramdisk.writeImage");
  expect(held.name).toBe("write-image");
  w.do("agent.revoke", { agent: w.agent, actor });
  const other = w.enroll("b", "y".repeat(43));
  w.sync({}, other);
  w.now += 300_000;
  const taken: string[] = [];
  w.work((lease) => {
    taken.push(lease.name);
    return {};
  }, other);
  expect(taken[0]).toBe("arm-netboot");
  expect(taken.indexOf("write-image")).toBe(taken.indexOf("inventory-inside") + 1);
  expect(taken).not.toContain("overwrite-bay-0");
  expect(w.ask("job", { job }).state).toBe("succeeded");
});
