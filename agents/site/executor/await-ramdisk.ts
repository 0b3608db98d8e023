import { type Outcome, ok, refuse } from "../../../shared/errors.ts";
import { hardwareMs } from "../config.ts";
import type { Boot } from "../journal/boots.ts";
import { bootKey } from "../netboot/machines.ts";
import { bootOf, checkInside, openBoot } from "./boots.ts";
import { ensureBoot } from "./ensure-boot.ts";
import { ensurePower } from "./ensure-power.ts";
import { mayDisrupt } from "./guard.ts";
import { patience } from "./patience.ts";
import type { Step, World } from "./step.ts";

/** How often one attempt sets override and power anew. */
const RESCUES = 3;
const GIVEN_UP = "the RAM environment did not phone home";

type AwaitStep = Step<"ramdisk.await">;

/**
 * Waits for the RAM environment's phone-home. A machine that never asked for its boot script within the time that POST
 * may take is brought to ask again. One that did ask is starting: it is left alone for as long as that may take (lesson
 * C7), and only then, as nothing can have been written before the phone-home, started anew with a fresh nonce.
 */
export async function awaitRamdisk(step: AwaitStep, world: World): Promise<Outcome<{ phonedHomeAt: number }>> {
  const { timing } = world.config;
  const longer = patience(step.lease);
  const fetchMs = hardwareMs(timing, timing.bootFetchSeconds * longer);
  const helloMs = hardwareMs(timing, timing.ramdiskSeconds * longer);
  let boot = bootOf(step, world);
  let since = world.clock.now();
  for (let rescues = 0; ; rescues++) {
    const home = await waitForHello(step, world, boot.id, since, fetchMs, helloMs);
    if (home) {
      checkInside(home, step);
      return ok({ phonedHomeAt: home.helloAt ?? world.clock.now() });
    }
    boot = bootOf(step, world);
    const asked = boot.fetchedAt !== null;
    if (rescues === RESCUES)
      return asked
        ? refuse(
            "ramdisk_silent",
            `${step.target.name} took its boot script, but its RAM environment did not phone home.`,
          )
        : refuse("boot_not_seen", `${step.target.name} did not ask for its boot script after ${RESCUES} restarts.`);
    step.evidence({
      [`restart${rescues + 1}`]: asked ? "no phone-home after the boot script" : "no request for the boot script",
    });
    boot = await rescue(step, world, boot);
    since = world.clock.now();
  }
}

/** Resolves with the boot once it has phoned home; undefined when the machine had all the time that it may take. */
async function waitForHello(
  step: AwaitStep,
  world: World,
  id: string,
  since: number,
  fetchMs: number,
  helloMs: number,
): Promise<Boot | undefined> {
  for (;;) {
    const boot = bootOf(step, world);
    if (boot.helloAt !== null) return boot;
    const until = Math.max(since + fetchMs, boot.fetchedAt === null ? 0 : boot.fetchedAt + helloMs);
    const left = until - world.clock.now();
    if (left <= 0) return undefined;
    const news = () => {
      const now = bootOf(step, world);
      return now.helloAt !== null || now.fetchedAt !== boot.fetchedAt ? now : undefined;
    };
    await world.signals.until(bootKey(id), news, left, step.signal);
  }
}

async function rescue(step: AwaitStep, world: World, boot: Boot): Promise<Boot> {
  const system = await mayDisrupt(step, world);
  // The reads took time: the evidence is looked at again right before the machine is touched.
  const now = bootOf(step, world);
  if (now.helloAt !== null || now.fetchedAt !== boot.fetchedAt) return now;
  // A phone-home of the start that is given up now must not disarm the next one.
  let fresh = now.fetchedAt === null ? now : openBoot(step, world, GIVEN_UP);
  world.log.warn(
    { device: step.target.name, power: system.power },
    "starting the machine anew: it did not boot into RAM",
  );
  step.repeated("restart");
  if (system.power !== "Off") await ensurePower(step, world, "Off");
  // L5: whatever came while its power was being taken is gone with it.
  const left = bootOf(step, world);
  if (left.fetchedAt !== null || left.helloAt !== null) fresh = openBoot(step, world, GIVEN_UP);
  await ensureBoot(step, world, step.params);
  await ensurePower(step, world, "On");
  return fresh;
}
