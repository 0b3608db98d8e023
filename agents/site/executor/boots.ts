import { newId, newSecret } from "../../../shared/ids.ts";
import { sameText } from "../../../shared/model/inventory.ts";
import type { BootRef } from "../../../shared/protocol/agent.ts";
import type { Boot } from "../journal/boots.ts";
import { bootKey } from "../netboot/machines.ts";
import { failing, type Step, type World } from "./step.ts";

/**
 * A boot that nobody ended ends by itself after this long without a word from the control plane that it is still wanted,
 * ms: longer than the coordinator waits for a silent agent, so that nothing needs it any more.
 */
export const BOOT_IDLE_MS = 7 * 3_600_000;

/** What the control plane says of the boots that it was told: those have ended, the others are still wanted. */
export function tellBoots(
  world: Pick<World, "journal" | "clock" | "machines" | "signals" | "metrics">,
  ended: readonly BootRef[],
): void {
  const { boots } = world.journal;
  for (const { job, device } of ended) {
    const boot = boots.of(job, device);
    if (boot) closeBoot(world, boot, "its job has ended");
  }
  const now = world.clock.now();
  // A row only once half of the time has gone. One that has ended by itself stays so.
  boots.keep({ from: now, below: now + BOOT_IDLE_MS / 2 }, now + BOOT_IDLE_MS);
}

/** Opens a boot with a fresh nonce for this job and device, and closes whatever was open for the device before. */
export function openBoot(step: Step, world: World, why: string): Boot {
  const { boots } = world.journal;
  const { target, lease } = step;
  const now = world.clock.now();
  for (const old of boots.all()) if (old.device === target.device) closeBoot(world, old, why);
  boots.open({
    id: newId("boot", lease.site, world.random),
    nonce: newSecret(world.random),
    job: lease.job,
    device: target.device,
    mac: target.boot.mac,
    serial: target.serial,
    openedAt: now,
    endsAt: now + BOOT_IDLE_MS,
  });
  const opened = boots.of(lease.job, target.device);
  if (!opened) throw failing("agent_defect", "The journal did not keep the boot that was opened.");
  return opened;
}

export function closeBoot(
  world: Pick<World, "journal" | "clock" | "machines" | "signals" | "metrics">,
  boot: Boot,
  why: string,
): void {
  world.journal.boots.close(boot.id, world.clock.now(), why);
  world.machines.forget(boot.id);
  world.metrics.boots.inc({ event: "closed" });
  world.signals.notify(bootKey(boot.id));
}

/** The open boot of the step's job and device; throws when it has ended. */
export function bootOf(step: Step, world: World): Boot {
  const boot = world.journal.boots.of(step.lease.job, step.target.device);
  if (!boot || world.clock.now() >= boot.endsAt)
    throw failing("boot_closed", `The boot of ${step.target.name} in this job has ended.`);
  return boot;
}

/** T2: the serial that the firmware told from inside must be the planned one, as at the BMC: a BMC's cable can be swapped. */
export function checkInside(boot: Boot, step: Step): void {
  const { target } = step;
  const inside = boot.helloSerial ?? "";
  if (inside.trim() === "")
    throw failing("identity_unreadable", `The firmware of ${target.name} tells no serial to the RAM environment.`);
  if (![target.serial, ...target.aliases].some((s) => sameText(s, inside)))
    throw failing(
      "identity_mismatch",
      `${target.name} should be ${target.serial}, but the machine that booted says ${inside}.`,
    );
}
