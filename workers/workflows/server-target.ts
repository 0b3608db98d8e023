import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import type { PlanTarget } from "../../shared/model/plan.ts";
import type { Image } from "../../shared/model/site.ts";
import { type PlanDevice, type PlannedStep, step } from "./workflow.ts";

/** A server as a plan needs it: what is frozen of it, the image, and the one drive that it goes to. */
export interface ResolvedServer {
  target: PlanTarget;
  image: Image;
  medium: PlanTarget["media"][number];
  bom: NonNullable<PlanDevice["doc"]["install"]>["bom"];
}

/** Refuses a device that cannot be installed as it is recorded; `wanted`: another image than that of its hardware class. */
export function resolveServer(
  { id, doc, asset, media }: PlanDevice,
  images: readonly Image[],
  wanted?: string,
): Outcome<ResolvedServer> {
  const { install, name } = doc;
  if (!install) return refuse("target_state", `${name} has no hardware class, so nothing says how to install it.`);
  if (!asset) return refuse("target_state", `${name} has no asset bound to it.`);
  const imageName = wanted ?? install.image;
  const image = images.find((i) => i.name === imageName);
  if (!image) return refuse("image_unavailable", `${name} wants the image ${imageName}, which the site does not list.`);
  const frozen = media.map((m) => ({
    id: m.id,
    bay: m.bay,
    serial: m.serial,
    sizeBytes: m.sizeBytes,
    chosen: m.serial === install.systemDrive,
  }));
  const medium = frozen.find((m) => m.chosen);
  if (!medium) return refuse("disk_missing", `${name} has no drive with the serial ${install.systemDrive}.`);
  const state = media.find((m) => m.id === medium.id)?.state;
  if (state !== "present" && state !== "erased")
    return refuse("disk_missing", `The drive ${medium.serial} of ${name} is recorded as ${state}.`);
  const target: PlanTarget = {
    device: id,
    name,
    asset: asset.id,
    serial: asset.serial,
    aliases: asset.aliases,
    bmc: install.bmc,
    boot: install.boot,
    media: frozen,
  };
  return ok({ target, image, medium, bom: install.bom });
}

/** Brings the machine into its RAM environment and reads it from inside; `more` is said of each step that acts on it. */
export function intoRam({ target, bom }: ResolvedServer, more: { disrupts?: true } = {}): PlannedStep[] {
  const bmc = `BMC ${target.bmc.address}`;
  return [
    step({
      target: target.device,
      name: "arm-netboot",
      action: "netboot.arm",
      boot: true,
      params: { environment: "ramdisk" },
      touches: `agent: the next boot of ${target.boot.mac} loads the RAM environment, once`,
      waitingOn: "the agent to arm netboot",
    }),
    step({
      target: target.device,
      name: "boot-override",
      action: "bmc.bootOverride",
      boot: true,
      ...more,
      params: { target: "Pxe", mode: "UEFI" },
      touches: `${bmc}: sets the one-time boot source to network`,
      waitingOn: "the BMC to take the boot override",
    }),
    step({
      target: target.device,
      name: "power-on",
      action: "bmc.power",
      boot: true,
      ...more,
      params: { state: "On" },
      touches: `${bmc}: powers the machine on`,
      waitingOn: "the BMC to report the machine on",
    }),
    step({
      target: target.device,
      name: "in-ram",
      action: "ramdisk.await",
      boot: true,
      ...more,
      params: { target: "Pxe", mode: "UEFI" },
      touches: `the machine: loads the RAM environment; until it does, ${bmc} is set and powered anew`,
      waitingOn: "the machine to start its RAM environment and phone home",
    }),
    step({
      target: target.device,
      name: "inventory-inside",
      action: "ramdisk.inventory",
      boot: true,
      params: { bom },
      touches: "the machine: reads its parts from inside",
      waitingOn: "the RAM environment to tell its inventory",
    }),
  ];
}
