/** Workflows that only tests have: with branches across targets, with destructive steps, and with faults. */
import { ok } from "../../../shared/errors.ts";
import type { Plan, PlanStep, PlanTarget } from "../../../shared/model/plan.ts";
import { type PlanDevice, type PlanInput, step, type Workflow } from "../../workflows/workflow.ts";

type Draft = Omit<PlanStep, "n" | "needs"> & { needs?: readonly string[] };

const words = { touches: "nothing", waitingOn: "the test" };
const named = (target: string, name: string) => `${target}/${name}`;

export function targetOf({ id, doc, asset, media }: PlanDevice): PlanTarget {
  if (!doc.install || !asset) throw new Error(`${doc.name} is no server`);
  const { bmc, boot, systemDrive } = doc.install;
  const frozen = media.map(({ state: _, ...medium }) => ({ ...medium, chosen: medium.serial === systemDrive }));
  const { serial, aliases } = asset;
  return { device: id, name: doc.name, asset: asset.id, serial, aliases, bmc, boot, media: frozen };
}

/** Steps name what they need as `device id/step name`, of any target. */
function planOf(input: PlanInput, drafts: Draft[], more: Pick<Plan, "workflow" | "mode" | "approvals">): Plan {
  const numbers = new Map(drafts.map((d, n) => [named(d.target, d.name), n]));
  const { planId: id, site, siteName, requester, expiresAt } = input;
  return {
    v: 1,
    id,
    site,
    siteName,
    requester,
    expiresAt,
    ...more,
    targets: input.devices.map(targetOf),
    steps: drafts.map(({ needs = [], ...draft }, n) => ({
      ...draft,
      n,
      needs: needs.map((name) => numbers.get(name) ?? Number(name)),
    })),
  };
}

const common = { startsFrom: ["planned", "failed"], maxTargets: 5_000, params: [] } as const;

/** The first target is prepared; then all others at once; the first one closes when all of them are done. */
export const rack: Workflow = {
  ...common,
  name: "test.rack",
  title: "A rack behind its first machine",
  plan(input) {
    const [first, ...rest] = input.devices;
    if (!first) throw new Error("no target");
    const drafts: Draft[] = [
      { ...step({ target: first.id, name: "open", action: "bmc.identify", params: {}, ...words }) },
      ...rest.flatMap(({ id }): Draft[] => [
        {
          ...step({ target: id, name: "identify", action: "bmc.identify", params: {}, ...words }),
          needs: [named(first.id, "open")],
        },
        {
          ...step({ target: id, name: "power", action: "bmc.power", params: { state: "On" }, ...words }),
          needs: [named(id, "identify")],
        },
        // A second branch of the same machine.
        {
          ...step({ target: id, name: "look", action: "bmc.accept", params: {}, ...words }),
          needs: [named(first.id, "open")],
        },
      ]),
      {
        ...step({ target: first.id, name: "close", action: "bmc.accept", params: {}, ...words }),
        needs: rest.length > 0 ? rest.map(({ id }) => named(id, "power")) : [named(first.id, "open")],
      },
    ];
    return ok(planOf(input, drafts, { workflow: "test.rack", mode: "first-install", approvals: 0 }));
  },
};

/** Identifies, then writes over what is there. `approvals` is what the workflow asks for; with two it is a wipe. */
export const wipe = (approvals: number, name = "test.wipe"): Workflow => ({
  ...common,
  name,
  title: "Write over a machine's drive",
  plan(input) {
    const image = input.images[0];
    if (!image) throw new Error("no image");
    const drafts = input.devices.flatMap((device): Draft[] => {
      const medium = targetOf(device).media.find((m) => m.chosen);
      if (!medium) throw new Error("no drive");
      const ref = { medium: medium.id, serial: medium.serial, sizeBytes: medium.sizeBytes };
      return [
        step({ target: device.id, name: "identify", action: "bmc.identify", params: {}, ...words }),
        {
          ...step({
            target: device.id,
            name: "write",
            action: "ramdisk.writeImage",
            params: { medium: ref, image },
            destructive: true,
            disrupts: true,
            writes: true,
            ...words,
          }),
          needs: [named(device.id, "identify")],
        },
        {
          ...step({ target: device.id, name: "check", action: "bmc.accept", params: {}, ...words }),
          needs: [named(device.id, "write")],
        },
      ];
    });
    return ok(planOf(input, drafts, { workflow: name, mode: approvals === 2 ? "wipe" : "reinstall", approvals }));
  },
});

/** One machine is looked at; another one is written over once that was done, in the end. */
export const across: Workflow = {
  ...common,
  name: "test.across",
  title: "Write over one machine after a look at another",
  plan(input) {
    const [looked, written] = input.devices;
    const image = input.images[0];
    const medium = written && targetOf(written).media.find((m) => m.chosen);
    if (!looked || !written || !medium || !image) throw new Error("two machines, please");
    const drafts: Draft[] = [
      step({ target: looked.id, name: "look", action: "bmc.identify", params: {}, ...words }),
      {
        ...step({ target: looked.id, name: "again", action: "bmc.accept", params: {}, ...words }),
        needs: [named(looked.id, "look")],
      },
      {
        ...step({ target: written.id, name: "wait", action: "bmc.accept", params: {}, ...words }),
        needs: [named(looked.id, "again")],
      },
      {
        ...step({
          target: written.id,
          name: "write",
          action: "ramdisk.writeImage",
          params: { medium: { medium: medium.id, serial: medium.serial, sizeBytes: medium.sizeBytes }, image },
          destructive: true,
          disrupts: true,
          ...words,
        }),
        needs: [named(written.id, "wait")],
      },
    ];
    return ok(planOf(input, drafts, { workflow: "test.across", mode: "reinstall", approvals: 1 }));
  },
};

/** Takes machines out of service, looks at them, and brings them back: what `server.reinstall` does, without a disk. */
export const outage: Workflow = {
  ...common,
  name: "test.outage",
  title: "Power a machine off and on",
  startsFrom: ["active", "maintenance", "failed"],
  plan(input) {
    const drafts = input.devices.flatMap(({ id, state }): Draft[] => {
      const out = state === "active" ? (["draining", "maintenance"] as const) : (["maintenance"] as const);
      const power = (name: string, to: "On" | "Off") =>
        step({ target: id, name, action: "bmc.power", params: { state: to }, disrupts: true, ...words });
      return [
        step({ target: id, name: "identify", action: "bmc.identify", params: {}, ...words }),
        {
          ...power("off", "Off"),
          marks: { start: out.map((to) => ({ subject: "device", id, to })) },
          needs: [named(id, "identify")],
        },
        {
          ...step({ target: id, name: "look", action: "bmc.identify", params: {}, ...words }),
          needs: [named(id, "off")],
        },
        { ...power("on", "On"), needs: [named(id, "look")] },
        {
          ...step({ target: id, name: "check", action: "bmc.accept", params: {}, ...words }),
          marks: { success: [{ subject: "device", id, to: "active" }] },
          needs: [named(id, "on")],
        },
      ];
    });
    return ok(planOf(input, drafts, { workflow: "test.outage", mode: "keep-data", approvals: 0 }));
  },
};

/** A plan that breaks a rule: what `spoil` makes of the steps of one machine. */
export const broken = (name: string, spoil: (steps: PlanStep[]) => PlanStep[]): Workflow => ({
  ...common,
  name,
  title: "A defect",
  plan(input) {
    const drafts = input.devices.flatMap(({ id }): Draft[] => [
      step({ target: id, name: "a", action: "bmc.identify", params: {}, ...words }),
      {
        ...step({ target: id, name: "b", action: "bmc.accept", params: {}, ...words }),
        needs: [named(id, "a")],
      },
    ]);
    const plan = planOf(input, drafts, { workflow: name, mode: "keep-data", approvals: 0 });
    return ok({ ...plan, steps: spoil(plan.steps) });
  },
});

/** Each machine after the one before it. */
export const relay = broken("test.relay", (steps) =>
  steps.map((s) => (s.name === "a" && s.n > 0 ? { ...s, needs: [s.n - 1] } : s)),
);

/** Branches without a link between them: a machine's `a` needs nothing, its `b` the `a` of the machine before it. */
export const staggered = broken("test.staggered", (steps) =>
  steps.map((s) => (s.name === "b" && s.n > 1 ? { ...s, needs: [s.n - 3] } : s)),
);
