import { expect, it } from "vitest";
import { planFault } from "./check-plan.ts";
import { serverReinstall } from "./server-reinstall.ts";
import type { PlanDevice, PlanInput } from "./workflow.ts";

const images = ["demo.img", "next.img"].map((name) => ({ name, sha256: "ab".repeat(32), sizeBytes: 64 << 20 }));

const media = ["Bay 0", "Bay 1", "BOSS 0"].map((bay, i) => ({
  id: `med_${i}`,
  bay,
  serial: `DRV-${i}`,
  sizeBytes: 480e9,
  state: "present" as const,
}));
const device = (n: number): PlanDevice => ({
  id: `dev_${n}`,
  state: "active",
  doc: {
    name: `srv${n}`,
    role: "compute",
    rack: "r1",
    u: n,
    uHeight: 1,
    deviceType: { manufacturer: "Example", model: "One" },
    hardwareClass: "one",
    asset: { serial: `SN${n}`, aliases: [], media: [] },
    interfaces: [],
    install: {
      bmc: { address: "10.0.0.1", port: 443, scheme: "https", secret: "vault:a/b" },
      boot: { interface: "eth0", mac: "02:00:00:00:00:01" },
      systemDrive: "DRV-1",
      image: "demo.img",
      bom: {
        manufacturer: "Example",
        model: "One",
        cpus: { count: 1 },
        memory: { modules: 1, sizeMiBEach: 1 },
        drives: [],
        macs: [],
      },
      deadlines: { "ramdisk.overwrite": 7_200 },
    },
  } as unknown as PlanDevice["doc"],
  asset: { id: `ast_${n}`, state: "installed", serial: `SN${n}`, aliases: [] },
  media,
});
const planned = (params: Record<string, unknown>, targets = 1) => {
  const input: PlanInput = {
    planId: "pln_1",
    site: "st_1",
    siteName: "ams01",
    requester: "token:op",
    expiresAt: 1,
    devices: Array.from({ length: targets }, (_, n) => device(n)),
    images,
    params,
  };
  const built = serverReinstall.plan(input);
  if (!built.ok) throw new Error(`${built.problem.code}: ${built.problem.detail}`);
  return built.value;
};
const refused = (params: Record<string, unknown>) => {
  try {
    planned(params);
  } catch (error) {
    return error instanceof Error ? error.message : "";
  }
  return "planned";
};

it("[J9] which data stay is said, and stands in the plan", () => {
  expect(planned({ mode: "keep-data" }).mode).toBe("keep-data");
  expect(planned({ mode: "wipe" }).mode).toBe("wipe");
  for (const params of [{}, { mode: "reinstall" }, { mode: "keep-data", image: 7 }])
    expect(refused(params)).toMatch(/^validation_failed: server\.reinstall takes mode \(keep-data or wipe\)/);
});

it("keep-data writes the one drive that the plan names, and the image that was asked for", () => {
  const plan = planned({ mode: "keep-data", image: "next.img" });
  const destructive = plan.steps.filter((s) => s.destructive);
  expect(destructive.map((s) => s.name)).toEqual(["write-image"]);
  expect(destructive[0]?.params).toMatchObject({ medium: { serial: "DRV-1" }, image: { name: "next.img" } });
  expect(refused({ mode: "keep-data", image: "none.img" })).toMatch(
    /^image_unavailable: srv0 wants the image none\.img/,
  );
});

it("wipe writes over each other drive as well, each in a step of its own with its hardware's time", () => {
  const destructive = planned({ mode: "wipe" }).steps.filter((s) => s.destructive);
  expect(destructive.map((s) => s.name)).toEqual(["overwrite-bay-0", "overwrite-boss-0", "write-image"]);
  expect(destructive.map((s) => (s.params.medium as { serial: string }).serial)).toEqual(["DRV-0", "DRV-2", "DRV-1"]);
  expect(destructive.map((s) => s.deadlineSeconds)).toEqual([7_200, 7_200, undefined]);
});

it("[G4][G8][T5] asks for as many people as the rules do, says of all that may disrupt that it does, and hangs together", () => {
  const approvals = (mode: string, targets: number) => planned({ mode }, targets).approvals;
  expect([approvals("keep-data", 5), approvals("keep-data", 6), approvals("wipe", 1)]).toEqual([1, 2, 2]);
  for (const mode of ["keep-data", "wipe"]) expect(planFault(planned({ mode }, 3))).toBeUndefined();
});

it("[J8] what is written is of no boot, yet needs the machine in RAM, and so does the restart after it", () => {
  const { steps } = planned({ mode: "wipe" }, 2);
  const needs = (name: string, target: string) =>
    steps
      .find((s) => s.name === name && s.target === target)
      ?.needs.map((n) => `${steps[n]?.target} ${steps[n]?.name}`);
  expect(needs("overwrite-boss-0", "dev_1")).toEqual(["dev_1 inventory-inside", "dev_1 overwrite-bay-0"]);
  expect(needs("write-image", "dev_1")).toEqual(["dev_1 inventory-inside", "dev_1 overwrite-boss-0"]);
  expect(needs("boot-disk", "dev_0")).toEqual(["dev_0 inventory-inside", "dev_0 write-image"]);
  expect(steps.filter((s) => s.destructive && s.boot)).toEqual([]);
});
