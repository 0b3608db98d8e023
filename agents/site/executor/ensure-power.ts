import { TurnupError } from "../../../shared/errors.ts";
import { canShutDown, commandPower } from "../bmc/power.ts";
import { readSystem, type SystemView } from "../bmc/redfish.ts";
import { hardwareMs } from "../config.ts";
import { sleep } from "../deps.ts";
import { inOneLogin, mayDisrupt, spendPower } from "./guard.ts";
import { failing, type Step, type World } from "./step.ts";

/** Commands that one attempt sends at most: a command may be lost (the hardware notes 0.2: a write is never proof). */
const MAX_COMMANDS = 3;

/** Brings the machine to a power state and sees it there. A machine in that state is not touched. */
export async function ensurePower(
  step: Step,
  world: World,
  want: "On" | "Off",
  gracefully = false,
): Promise<{ before: SystemView; after: SystemView; commands: number }> {
  const before = await mayDisrupt(step, world);
  let system = before;
  const { timing } = world.config;
  for (let commands = 0; ; commands++) {
    // A system that was asked to shut down has its own time for it.
    const seconds = gracefully && commands === 1 ? timing.shutdownSeconds : timing.powerSeconds;
    const seen = await settle(step, world, system, want, commands > 0 ? seconds : undefined);
    if (seen) return { before, after: seen, commands };
    if (commands === MAX_COMMANDS)
      throw failing(
        "power_no_effect",
        `${MAX_COMMANDS} commands did not bring ${step.target.name} ${want.toLowerCase()}.`,
      );
    // Between two commands anything may have happened: identity and the rules are looked at again.
    system = commands === 0 ? system : await mayDisrupt(step, world);
    if (system.power === want) continue;
    const ask = gracefully && commands === 0 && system.power === "On" && (await canShutDown(step.bmc, system));
    if (commands > 0 && !(gracefully && commands === 1)) step.repeated("power");
    await inOneLogin(step, world, system, (identified) => command(step, world, identified, ask ? "Shutdown" : want));
  }
}

/** Looks until the wanted state shows, or the time that hardware may take has passed. A state without a command is not waited for. */
async function settle(step: Step, world: World, last: SystemView, want: "On" | "Off", commanded: number | undefined) {
  if (commanded === undefined && (last.power === want || !last.power.startsWith("Powering")))
    return last.power === want ? last : undefined;
  const { config, clock } = world;
  const until = clock.monotonic() + hardwareMs(config.timing, commanded ?? config.timing.powerSeconds, 2000);
  while (clock.monotonic() < until) {
    const seen = await readSystem(step.bmc);
    if (seen.power === want) return seen;
    await sleep(world.timers, config.bmc.pollMs, step.signal);
  }
  return undefined;
}

/** A2: intent and its consequence for T5 are on disk before the command is sent. */
async function command(step: Step, world: World, system: SystemView, want: "On" | "Off" | "Shutdown"): Promise<void> {
  const { machines } = world.journal;
  spendPower(step, world);
  const effect = machines.intend(step.target, step.lease.id, `power.${want}`, world.clock.now());
  await world.journal.durable();
  world.metrics.powerCommands.inc({ kind: want });
  try {
    const answer = await commandPower(step.bmc, system, want);
    machines.done(effect, answer);
    step.evidence({ [`power${want}`]: answer });
  } catch (error) {
    machines.done(effect, error instanceof TurnupError ? error.code : "interrupted");
    // S8: the BMC may have done it although it did not say so. Reading the state will tell.
    if (error instanceof TurnupError && error.code === "bmc_unreachable") return;
    throw error;
  }
}
