import { ok, type Problem, refuse } from "../../shared/errors.ts";
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

/**
 * Brings a racked server with blank media into service (workflows 6.3). A first install is not destructive (T5): the
 * asset is in no service, and the RAM environment proves the drive blank in the same boot, or nothing is written.
 */
export const serverInstall: Workflow = {
  name: "server.install",
  title: "Install a server onto a blank drive and bring it into service",
  startsFrom: ["planned", "failed"],
  maxTargets: MAX_TARGETS,
  params: [],
  plan(input) {
    const targets: PlanTarget[] = [];
    const steps: PlanStep[] = [];
    const problems: Problem[] = [];
    for (const device of input.devices) {
      const resolved = resolveServer(device, input.images);
      if (!resolved.ok) {
        problems.push(resolved.problem);
        continue;
      }
      targets.push(resolved.value.target);
      steps.push(...chain(steps.length, installSteps(device, resolved.value)));
    }
    const first = problems[0];
    if (first) return refuse(first.code, problems.map((p) => p.detail).join(" "));
    return ok({
      v: 1,
      id: input.planId,
      site: input.site,
      siteName: input.siteName,
      workflow: serverInstall.name,
      mode: "first-install",
      requester: input.requester,
      approvals: 0,
      expiresAt: input.expiresAt,
      targets,
      steps,
    } satisfies Plan);
  },
};

function installSteps(device: PlanDevice, server: ResolvedServer): PlannedStep[] {
  const { target, image, medium, bom } = server;
  const on = target.device;
  const bmc = `BMC ${target.bmc.address}`;
  const drive = `drive ${medium.serial} in ${medium.bay}`;
  const ref = { medium: medium.id, serial: medium.serial, sizeBytes: medium.sizeBytes };
  const steps = [
    step({
      target: on,
      name: "identify",
      action: "bmc.identify",
      params: {},
      touches: `${bmc}: reads serial and power state`,
      waitingOn: "the BMC to tell its serial",
      start: [{ subject: "device", id: device.id, to: "installing" }],
    }),
    step({
      target: on,
      name: "inventory",
      action: "bmc.inventory",
      params: { bom },
      touches: `${bmc}: reads the inventory`,
      waitingOn: "the BMC to tell its inventory",
    }),
    ...intoRam(server),
    step({
      target: on,
      name: "prove-blank",
      action: "ramdisk.proveBlank",
      boot: true,
      params: { medium: ref },
      touches: `${drive}: reads`,
      waitingOn: "the RAM environment to prove the drive blank",
    }),
    step({
      target: on,
      name: "write-image",
      action: "ramdisk.writeImage",
      boot: true,
      params: { medium: ref, image },
      touches: `${drive}: writes ${image.name} (${image.sizeBytes} bytes) and reads it back`,
      waitingOn: "the image to be written and verified",
      writes: true,
    }),
    step({
      target: on,
      name: "boot-disk",
      action: "ramdisk.bootDisk",
      boot: true,
      params: { medium: ref },
      touches: "the machine: restarts from the written drive; netboot is disarmed",
      waitingOn: "the machine to restart from its drive",
    }),
    step({
      target: on,
      name: "first-boot",
      action: "os.firstBoot",
      boot: true,
      params: {},
      touches: `${bmc}: powers the machine on again if it is off; else nothing`,
      waitingOn: "the installed system to phone home",
    }),
    step({
      target: on,
      name: "acceptance",
      action: "bmc.accept",
      params: {},
      touches: `${bmc}: reads serial, power and boot source`,
      waitingOn: "the last checks before service",
      success: [{ subject: "device", id: device.id, to: "active" }],
    }),
  ];
  const { deadlines } = device.doc.install ?? {};
  return steps.map((s) => withDeadline(s, deadlines?.[s.action]));
}
