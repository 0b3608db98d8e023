import { BlankProof, OverwriteProof, WriteProof } from "../../../shared/actions/ramdisk.ts";
import { type ErrorCode, errorCatalog, type Outcome, ok, refuse } from "../../../shared/errors.ts";
import { compareBom, Observed } from "../../../shared/model/inventory.ts";
import type { CommandState, RamdiskCommand } from "../../../shared/protocol/ramdisk.ts";
import { mustBeApproved } from "../approvals/gate.ts";
import { bootWords, isSet, readBoot } from "../bmc/boot.ts";
import { readSystem } from "../bmc/redfish.ts";
import { hardwareMs } from "../config.ts";
import type { Boot } from "../journal/boots.ts";
import { errorText } from "../log.ts";
import { bootKey } from "../netboot/machines.ts";
import { awaitRamdisk } from "./await-ramdisk.ts";
import { differenceWords } from "./bmc-handlers.ts";
import { bootOf, checkInside, openBoot } from "./boots.ts";
import { commandBoot } from "./ensure-boot.ts";
import { ensurePower } from "./ensure-power.ts";
import { mayDisrupt, mayTouch } from "./guard.ts";
import { patience } from "./patience.ts";
import { failing, type Handlers, type Step, Stopped, type World } from "./step.ts";

/** A RAM environment polls at least every 20 s; this long without a word is silence, ms. Software's own time: not divided. */
const SILENT_MS = 90_000;
/** How often silence is looked for while nothing happens, ms. */
const LOOK_MS = 10_000;
/** Power losses during the first boot that one attempt mends. */
const POWER_TRIES = 2;

/** The command without its id, which is the journal's to give. */
type Order = RamdiskCommand extends infer C ? (C extends RamdiskCommand ? Omit<C, "id"> : never) : never;

const isCode = (code: string): code is ErrorCode => Object.hasOwn(errorCatalog, code);

/**
 * Has the RAM environment carry out a command and waits for its end. A command of this boot, on this drive, that is under
 * way or has succeeded is joined, also after a restart of the agent (J4); one that failed in an earlier attempt is given
 * again under a new id.
 */
async function command(step: Step, world: World, boot: Boot, order: Order): Promise<Outcome<unknown>> {
  const { boots } = world.journal;
  const given = boots.commands(boot.id).filter((c) => c.command.kind === order.kind);
  let last = given.filter((c) => serialOf(c.command) === serialOf(order)).at(-1);
  if (!last || last.state?.state === "failed") {
    const id = `${order.kind}-${given.length + 1}`;
    last = { command: { ...order, id } as RamdiskCommand, state: null };
    await step.bmc.fence.admit(0);
    world.machines.command(boot.id, last.command);
  }
  const { id } = last.command;
  // L2, L3: the machine is told only while this attempt's lease lives, whenever it asks.
  const withdraw = world.machines.offer(boot.id, id, step.holds);
  try {
    return await endOf(step, world, boot, id);
  } finally {
    withdraw();
  }
}

/** The drive that a command is for, where it is for one. */
const serialOf = (order: Order): string | undefined => ("medium" in order ? order.medium.serial : undefined);

async function endOf(step: Step, world: World, boot: Boot, id: string): Promise<Outcome<unknown>> {
  const { boots } = world.journal;
  for (;;) {
    const seen = () => {
      // A closed boot ends the wait by throwing boot_closed.
      bootOf(step, world);
      const state = world.machines.state(boot.id, id);
      if (state?.state === "running") step.progress(state.percent);
      return boots.commands(boot.id).find((c) => c.command.id === id)?.state ?? undefined;
    };
    const ended: CommandState | undefined = await world.signals.until(bootKey(boot.id), seen, LOOK_MS, step.signal);
    if (ended?.state === "succeeded") return ok(ended.result);
    if (ended) {
      const failure = ended.failure ?? { code: "agent_defect", detail: "The RAM environment gave no reason." };
      return refuse(isCode(failure.code) ? failure.code : "agent_defect", failure.detail);
    }
    if (world.machines.silentMs(boot.id) > SILENT_MS)
      return refuse("ramdisk_silent", `The RAM environment of ${step.target.name} has not polled for 90 s.`);
  }
}

/** The boot, in RAM, with the planned machine around it. */
async function inRam(step: Step, world: World): Promise<Boot> {
  await mayTouch(step, world);
  const boot = bootOf(step, world);
  checkInside(boot, step);
  return boot;
}

/**
 * T5: a first install writes onto a drive that the RAM environment proves blank; all else that writes ends data, and
 * needs people's approval. Returns what the RAM environment is told of it.
 */
async function mayWrite(step: Step, world: World): Promise<{ over?: true }> {
  if (step.lease.mode === "first-install") return {};
  await mustBeApproved(step, world, true);
  return { over: true };
}

/** T5: only a drive that the plan names, and of two kinds of writing only the one that it is named for. */
function mustBePlanned(step: Step, medium: { serial: string }, chosen: boolean): void {
  if (step.target.media.some((m) => m.serial === medium.serial && m.chosen === chosen)) return;
  const what = chosen ? "the drive that the image goes to" : "a drive to write over";
  throw failing("plan_mismatch", `${medium.serial} is not ${what} in the plan of ${step.target.name}.`);
}

const misfit = (what: string) => refuse("agent_defect", `The RAM environment's ${what} does not fit the protocol.`);

export const ramdiskHandlers: Pick<
  Handlers,
  | "netboot.arm"
  | "ramdisk.await"
  | "ramdisk.inventory"
  | "ramdisk.proveBlank"
  | "ramdisk.overwrite"
  | "ramdisk.writeImage"
  | "ramdisk.bootDisk"
  | "os.firstBoot"
> = {
  async "netboot.arm"(step, world) {
    await mayTouch(step, world);
    await step.bmc.fence.admit(0);
    // The same job's boot goes on: a second nonce would orphan a machine that has started with the first.
    const open = world.journal.boots.of(step.lease.job, step.target.device);
    const boot =
      open && world.clock.now() < open.endsAt ? open : openBoot(step, world, "another job armed this device");
    return ok({ boot: boot.id, mac: boot.mac });
  },

  "ramdisk.await": awaitRamdisk,

  async "ramdisk.inventory"(step, world) {
    const done = await command(step, world, await inRam(step, world), { kind: "inventory" });
    if (!done.ok) return done;
    const observed = Observed.safeParse(done.value);
    if (!observed.success) return misfit("inventory");
    const differences = compareBom(step.params.bom, observed.data);
    if (differences.length > 0) {
      step.evidence({ differences: differences.slice(0, 50) });
      return refuse("bom_mismatch", `${step.target.name}: ${differenceWords(differences)}.`);
    }
    return ok({ observed: observed.data, differences });
  },

  async "ramdisk.proveBlank"(step, world) {
    const done = await command(step, world, await inRam(step, world), {
      kind: "prove-blank",
      medium: step.params.medium,
    });
    if (!done.ok) return done;
    const proof = BlankProof.safeParse(done.value);
    return proof.success ? ok(proof.data) : misfit("proof");
  },

  async "ramdisk.overwrite"(step, world) {
    const { medium } = step.params;
    const boot = await inRam(step, world);
    mustBePlanned(step, medium, false);
    await mustBeApproved(step, world, true);
    const done = await command(step, world, boot, { kind: "overwrite", medium });
    if (!done.ok) return done;
    const proof = OverwriteProof.safeParse(done.value);
    return proof.success ? ok(proof.data) : misfit("proof");
  },

  async "ramdisk.writeImage"(step, world) {
    const { medium, image } = step.params;
    const boot = await inRam(step, world);
    mustBePlanned(step, medium, true);
    const here = await world.images.find(image.name);
    if (!here) return refuse("image_unavailable", `The image ${image.name} is not in the agent's folder.`);
    if (here.sha256 !== image.sha256 || here.sizeBytes !== image.sizeBytes)
      return refuse("image_unavailable", `The agent's ${image.name} is not the one that the plan names.`);
    const url = `${world.publicUrl}/images/${encodeURIComponent(image.name)}`;
    const over = await mayWrite(step, world);
    const done = await command(step, world, boot, { kind: "write-image", medium, image, url, ...over });
    if (!done.ok) return done;
    const proof = WriteProof.safeParse(done.value);
    if (!proof.success) return misfit("proof");
    const { wireSha256, readBackSha256 } = proof.data;
    if (wireSha256 !== image.sha256 || readBackSha256 !== image.sha256)
      return refuse("verify_failed", `What was read back from ${medium.serial} is not the image ${image.name}.`);
    return ok(proof.data);
  },

  async "ramdisk.bootDisk"(step, world) {
    const boot = await inRam(step, world);
    // Netboot was disarmed by the phone-home (A5). The BMC's override is taken back too where it did not fall back by itself (B9).
    if (boot.firstBootAt === null) await clearOverride(step, world);
    const phoneHome = `${world.publicUrl}/os/v1/first-boot`;
    const { medium, image } = step.params;
    const done = command(step, world, boot, { kind: "boot-disk", medium, phoneHome, ...(image && { image }) });
    done.catch(() => undefined);
    // The restart may overtake the report of it: the installed system's own word is as good.
    const booted = world.signals.until(
      bootKey(boot.id),
      () => (bootOf(step, world).firstBootAt !== null ? ok({}) : undefined),
      step.lease.deadlineMs,
      step.signal,
    );
    booted.catch(() => undefined);
    const first = await Promise.race([done, booted]);
    if (first && !first.ok) return first;
    return ok({ restartedAt: world.clock.now() });
  },

  async "os.firstBoot"(step, world) {
    const { timing } = world.config;
    for (let tries = 0; ; tries++) {
      const boot = bootOf(step, world);
      const seen = () => bootOf(step, world).firstBootAt ?? undefined;
      const at = await world.signals.until(
        bootKey(boot.id),
        seen,
        hardwareMs(timing, timing.firstBootSeconds * patience(step.lease), 15_000),
        step.signal,
      );
      if (at !== undefined) return ok({ phonedHomeAt: at });
      const silent = `The installed system of ${step.target.name} did not phone home.`;
      if (tries === POWER_TRIES) return refuse("first_boot_silent", silent);
      const system = await mayDisrupt(step, world);
      step.evidence({ powerSeen: system.power });
      // On and silent may be slow: it is not restarted, as it may be writing to its new disk.
      if (system.power !== "Off") return refuse("first_boot_silent", `${silent} The machine is ${system.power}.`);
      await ensurePower(step, world, "On");
    }
  },
};

/** Best effort: with netboot disarmed, a machine that starts from the network once more is told to boot from disk. */
async function clearOverride(step: Step, world: World): Promise<void> {
  const none = { target: "None", mode: "UEFI" } as const;
  try {
    const boot = await readBoot(step.bmc);
    if (isSet(boot, none)) return;
    if ((await readSystem(step.bmc)).quirks.leaveBootAlone) return;
    await commandBoot(step, world, await mayDisrupt(step, world), none);
    step.evidence({ overrideBefore: bootWords(boot) });
  } catch (error) {
    if (error instanceof Stopped || step.signal.aborted) throw error;
    step.evidence({ overrideNotCleared: errorText(error) });
  }
}
