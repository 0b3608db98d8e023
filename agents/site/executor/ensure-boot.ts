import { TurnupError } from "../../../shared/errors.ts";
import { bootWords, isSet, type Override, readBoot, writeBoot } from "../bmc/boot.ts";
import type { SystemView } from "../bmc/redfish.ts";
import { sleep } from "../deps.ts";
import { inOneLogin, mayDisrupt } from "./guard.ts";
import { failing, type Step, type World } from "./step.ts";

/** Some BMCs drop a write in silence: this often it is written, and this often read after each write. */
const WRITES = 3;
const READS = 3;

/** Sets the one-time boot source and reads it back. One that is in force already is not written again. */
export async function ensureBoot(step: Step, world: World, want: Override): Promise<{ before: string; after: string }> {
  const first = await mayDisrupt(step, world);
  const before = await readBoot(step.bmc);
  if (isSet(before, want)) return { before: bootWords(before), after: bootWords(before) };
  let last = before;
  for (let write = 0; write < WRITES; write++) {
    const system = write === 0 ? first : await mayDisrupt(step, world);
    if (write > 0) step.repeated("bootOverride");
    try {
      await commandBoot(step, world, system, want);
    } catch (error) {
      // S8: a write without an answer may have been done; the reads below tell.
      if (!(error instanceof TurnupError) || error.code !== "bmc_unreachable") throw error;
    }
    for (let look = 0; look < READS; look++) {
      last = await readBoot(step.bmc);
      if (isSet(last, want)) return { before: bootWords(before), after: bootWords(last) };
      await sleep(world.timers, world.config.bmc.pollMs, step.signal);
    }
  }
  throw failing(
    "bmc_error",
    `The BMC ${step.bmc.name} took the boot source ${want.target} ${WRITES} times and still tells ${bootWords(last)}.`,
  );
}

/** A2: sends the override once, with its intent on disk before it and its outcome after it. Throws when it is not known to be taken. */
export const commandBoot = (step: Step, world: World, system: SystemView, want: Override): Promise<void> =>
  inOneLogin(step, world, system, (identified) => send(step, world, identified, want));

async function send(step: Step, world: World, system: SystemView, want: Override): Promise<void> {
  const { machines } = world.journal;
  const effect = machines.intend(step.target, step.lease.id, "bootOverride", world.clock.now());
  await world.journal.durable();
  try {
    await writeBoot(step.bmc, system, want);
    machines.done(effect, "sent");
  } catch (error) {
    machines.done(effect, error instanceof TurnupError ? error.code : "interrupted");
    throw error;
  }
}
