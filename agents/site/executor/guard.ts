import type { PlanTarget } from "../../../shared/model/plan.ts";
import { LoginEnded } from "../bmc/owner.ts";
import { checkIdentity, readSystem, type SystemView } from "../bmc/redfish.ts";
import { failing, type Step, type World } from "./step.ts";

const HOUR_MS = 3_600_000;

/** T5: what reached service through this agent is not touched, whatever the cloud says. */
export function refuseInService(target: PlanTarget, world: World): void {
  if (world.journal.machines.inService(target))
    throw failing("asset_in_service", `${target.name} (${target.serial}) reached service through this agent.`);
}

/**
 * Asked before every power or boot command: reads the serial at the device (T2), refuses an asset in service and a
 * machine that is on without our doing (T5), and returns what was read.
 */
export async function mayDisrupt(step: Step, world: World): Promise<SystemView> {
  const { target } = step;
  refuseInService(target, world);
  const system = await readSystem(step.bmc);
  checkIdentity(system, target);
  const { machines } = world.journal;
  if (system.power === "Unknown")
    throw failing("bmc_error", `The BMC ${step.bmc.name} tells no power state, so nothing is done.`);
  // Off again: whoever switches it on next is not known.
  if (system.power === "Off") machines.seenOff(target.device);
  else if (!machines.poweredByUs(target))
    throw failing("machine_powered_on", `${target.name} is ${system.power} and this agent did not power it on.`);
  return system;
}

/** Logins that one write may lose before it counts as failed. */
const LOGINS = 3;

/**
 * T2: has a write sent in the login in which the machine was identified. Where that has ended, nothing was sent, and
 * whatever stands there now is asked first, by `mayDisrupt`.
 */
export async function inOneLogin(
  step: Step,
  world: World,
  system: SystemView,
  send: (system: SystemView) => Promise<void>,
): Promise<void> {
  let identified = system;
  for (let tries = 1; ; tries++) {
    try {
      return await send(identified);
    } catch (error) {
      if (!(error instanceof LoginEnded) || tries === LOGINS) throw error;
    }
    identified = await mayDisrupt(step, world);
  }
}

/** A4: counts power commands over the last hour, on disk. Throws when the next one would be too many. */
export function spendPower(step: Step, world: World): void {
  const spent = world.journal.machines.powerCommands(step.target.device, world.clock.now() - HOUR_MS);
  if (spent >= world.config.powerBudgetPerHour)
    throw failing("power_budget_spent", `${step.target.name} had ${spent} power commands within an hour.`);
}
