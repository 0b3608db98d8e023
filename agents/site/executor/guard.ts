import type { Problem } from "../../../shared/errors.ts";
import { mustBeApproved, refused } from "../approvals/gate.ts";
import { LoginEnded } from "../bmc/owner.ts";
import { checkIdentity, readSystem, type SystemView } from "../bmc/redfish.ts";
import { failing, type Step, type World } from "./step.ts";

const HOUR_MS = 3_600_000;

/** T5: a first install acts on nothing that is in use; other plans do, when people have approved just that. */
async function mustBeMeant(step: Step, world: World, problem: Problem): Promise<void> {
  if (step.lease.mode === "first-install") throw refused(step, world, problem);
  await mustBeApproved(step, world, false);
}

/** T5: what reached service through this agent is touched by an approved plan alone, whatever the cloud says. */
export async function mayTouch(step: Step, world: World, serial = step.target.serial): Promise<void> {
  const { target } = step;
  if (!world.journal.machines.inService({ ...target, serial })) return;
  const detail = `${target.name} (${serial}) reached service through this agent.`;
  await mustBeMeant(step, world, { code: "asset_in_service", detail });
}

/**
 * Asked before every power or boot command: an asset in service, and a machine that is on without our doing, need an
 * approved plan (T5). Reads the serial at the device (T2), and returns what was read.
 */
export async function mayDisrupt(step: Step, world: World): Promise<SystemView> {
  const { target } = step;
  await mayTouch(step, world);
  const system = await readSystem(step.bmc);
  // What stands there counts, whatever a lease calls it.
  await mayTouch(step, world, checkIdentity(system, target));
  const { machines } = world.journal;
  if (system.power === "Unknown")
    throw failing("bmc_error", `The BMC ${step.bmc.name} tells no power state, so nothing is done.`);
  // Off again: whoever switches it on next is not known.
  if (system.power === "Off") machines.seenOff(target.device);
  else if (!machines.poweredByUs(target)) {
    const detail = `${target.name} is ${system.power} and this agent did not power it on.`;
    await mustBeMeant(step, world, { code: "machine_powered_on", detail });
  }
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
