import { type Outcome, ok, type Problem, refuse } from "../../shared/errors.ts";
import { leastApprovals } from "../../shared/model/approval.ts";
import type { Plan, PlanStep, PlanTarget } from "../../shared/model/plan.ts";
import { intoRam, type ResolvedServer, resolveServer } from "./server-target.ts";
import {
  chain,
  MAX_TARGETS,
  type PlanDevice,
  type PlannedStep,
  step,
  type Workflow,
  withDeadline,
} from "./workflow.ts";

const modes = ["keep-data", "wipe"] as const;
type Mode = (typeof modes)[number];

/**
 * Takes a server out of service, writes its system anew and brings it back (workflows 6.4). `keep-data` writes the one
 * drive that the plan names; `wipe` writes zeros over each other drive that it names, too, which is no erasure and gives no
 * certificate. Both end data, so people approve the plan (G4), and the agent judges that by itself.
 */
export const serverReinstall: Workflow = {
  name: "server.reinstall",
  title: "Take a server out of service, install it anew and bring it back",
  startsFrom: ["active", "maintenance", "failed"],
  maxTargets: MAX_TARGETS,
  params: ["mode", "image"],
  example: { mode: "keep-data" },
  plan(input) {
    const asked = paramsOf(input.params);
    if (!asked.ok) return asked;
    const { mode, image } = asked.value;
    const targets: PlanTarget[] = [];
    const steps: PlanStep[] = [];
    const problems: Problem[] = [];
    for (const device of input.devices) {
      const server = resolveServer(device, input.images, image);
      if (!server.ok) {
        problems.push(server.problem);
        continue;
      }
      targets.push(server.value.target);
      steps.push(...needingRam(chain(steps.length, reinstallSteps(device, server.value, mode))));
    }
    const first = problems[0];
    if (first) return refuse(first.code, problems.map((p) => p.detail).join(" "));
    const { planId: id, site, siteName, requester, expiresAt } = input;
    const head = { v: 1, id, site, siteName, workflow: serverReinstall.name, mode, requester, expiresAt } as const;
    return ok({ ...head, approvals: leastApprovals({ mode, targets, steps }), targets, steps } satisfies Plan);
  },
};

/** J9: which of the two is meant is said, never guessed. */
function paramsOf({ mode, image }: Record<string, unknown>): Outcome<{ mode: Mode; image?: string }> {
  const known = modes.find((m) => m === mode);
  const faults = [
    ...(known
      ? []
      : [
          {
            code: "value_not_allowed",
            pointer: "/params/mode",
            text: "says which data stay",
            write: modes.join(" or "),
          },
        ]),
    ...(image === undefined || typeof image === "string"
      ? []
      : [
          {
            code: "wrong_type",
            pointer: "/params/image",
            text: "is no name",
            write: "the name of an image of the site",
          },
        ]),
  ];
  if (!known || faults.length > 0)
    return refuse(
      "validation_failed",
      `server.reinstall takes mode (${modes.join(" or ")}), and image where it is not that of the hardware class.`,
      faults,
    );
  return ok({ mode: known, ...(typeof image === "string" && { image }) });
}

/**
 * What is written stays so when its boot ends (J8): these steps are of no boot, but each is done in one. So each, and the
 * one after them, also needs the step that says that the machine is in RAM.
 */
function needingRam(steps: PlanStep[]): PlanStep[] {
  const inside = steps.find((s) => s.name === "inventory-inside")?.n;
  const rests = (s: PlanStep) => s.destructive === true || s.action === "ramdisk.bootDisk";
  if (inside === undefined) return steps;
  return steps.map((s) => (rests(s) && !s.needs.includes(inside) ? { ...s, needs: [inside, ...s.needs] } : s));
}

function reinstallSteps(device: PlanDevice, server: ResolvedServer, mode: Mode): PlannedStep[] {
  const { target, image, medium } = server;
  const on = { target: target.device };
  const bmc = `BMC ${target.bmc.address}`;
  const drive = `drive ${medium.serial} in ${medium.bay}`;
  const ref = refOf(medium);
  const others = mode === "wipe" ? target.media.filter((m) => !m.chosen) : [];
  const to = (state: string) => ({ subject: "device", id: device.id, to: state }) as const;
  const steps = [
    step({
      ...on,
      name: "identify",
      action: "bmc.identify",
      params: {},
      touches: `${bmc}: reads serial and power state`,
      waitingOn: "the BMC to tell its serial",
    }),
    step({
      ...on,
      name: "power-off",
      action: "bmc.power",
      disrupts: true,
      params: { state: "Off", gracefully: true },
      touches: `${bmc}: has the system shut down, and cuts power if it does not; the server leaves service`,
      waitingOn: "the machine to shut down",
      start: [to("draining"), to("maintenance")],
    }),
    ...intoRam(server, { disrupts: true }),
    ...others.map((other) =>
      step({
        ...on,
        name: `overwrite-${other.bay.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`,
        action: "ramdisk.overwrite",
        destructive: true,
        disrupts: true,
        writes: true,
        params: { medium: refOf(other) },
        touches: `drive ${other.serial} in ${other.bay}: writes zeros over all ${other.sizeBytes} bytes; its data end`,
        waitingOn: `zeros to be written over the drive in ${other.bay}`,
      }),
    ),
    step({
      ...on,
      name: "write-image",
      action: "ramdisk.writeImage",
      destructive: true,
      disrupts: true,
      writes: true,
      params: { medium: ref, image },
      touches: `${drive}: writes ${image.name} (${image.sizeBytes} bytes) over what is there and reads it back; its data end`,
      waitingOn: "the image to be written and verified",
    }),
    step({
      ...on,
      name: "boot-disk",
      action: "ramdisk.bootDisk",
      boot: true,
      disrupts: true,
      params: { medium: ref, image },
      touches: "the machine: restarts from the written drive; netboot is disarmed",
      waitingOn: "the machine to restart from its drive",
    }),
    step({
      ...on,
      name: "first-boot",
      action: "os.firstBoot",
      boot: true,
      disrupts: true,
      params: {},
      touches: `${bmc}: powers the machine on again if it is off; else nothing`,
      waitingOn: "the installed system to phone home",
    }),
    step({
      ...on,
      name: "acceptance",
      action: "bmc.accept",
      params: {},
      touches: `${bmc}: reads serial, power and boot source; the server is in service again`,
      waitingOn: "the last checks before service",
      success: [to("active")],
    }),
  ];
  const { deadlines } = device.doc.install ?? {};
  return steps.map((s) => withDeadline(s, deadlines?.[s.action]));
}

const refOf = ({ id, serial, sizeBytes }: PlanTarget["media"][number]) => ({ medium: id, serial, sizeBytes });
