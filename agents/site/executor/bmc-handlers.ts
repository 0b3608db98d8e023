import { ok, refuse } from "../../../shared/errors.ts";
import { compareBom, type Difference, sameText } from "../../../shared/model/inventory.ts";
import type { PlanTarget } from "../../../shared/model/plan.ts";
import { readInventory } from "../bmc/inventory.ts";
import { checkIdentity, readSystem } from "../bmc/redfish.ts";
import { bootKey } from "../netboot/machines.ts";
import { ensureBoot } from "./ensure-boot.ts";
import { ensurePower } from "./ensure-power.ts";
import { IN_SERVICE } from "./served.ts";
import type { Handlers } from "./step.ts";

/** Differences told in a failure; all of them are in the evidence. */
const TOLD = 5;

export const differenceWords = (differences: readonly Difference[]): string => {
  const said = differences.slice(0, TOLD).map((d) => `${d.part}: expected ${d.expected}, found ${d.found}`);
  const more = differences.length - said.length;
  return said.join("; ") + (more > 0 ? `; and ${more} more` : "");
};

/** Whether the system told that it runs from a disk of this machine, by its serial where it tells one. */
export function bootedFromDisk(from: string, target: Pick<PlanTarget, "media">): boolean {
  const names = (serial: string) => from.toLowerCase().includes(serial.toLowerCase());
  const chosen = target.media.find((m) => m.chosen);
  if (chosen && names(chosen.serial)) return true;
  if (target.media.some((m) => !m.chosen && names(m.serial))) return false;
  return from.trim() !== "" && !/pxe|net|http|ram|usb|cd/i.test(from);
}

export const bmcHandlers: Pick<
  Handlers,
  "bmc.identify" | "bmc.inventory" | "bmc.bootOverride" | "bmc.power" | "bmc.accept"
> = {
  async "bmc.identify"(step) {
    const system = await readSystem(step.bmc);
    const serial = checkIdentity(system, step.target);
    return ok({
      serial,
      ...(system.manufacturer && { manufacturer: system.manufacturer }),
      ...(system.model && { model: system.model }),
      power: system.power,
    });
  },

  async "bmc.inventory"(step) {
    const system = await readSystem(step.bmc);
    checkIdentity(system, step.target);
    const observed = await readInventory(step.bmc, system);
    const differences = compareBom(step.params.bom, observed);
    if (differences.length > 0) {
      step.evidence({ differences: differences.slice(0, 50) });
      return refuse("bom_mismatch", `${step.target.name}: ${differenceWords(differences)}.`);
    }
    return ok({ observed, differences });
  },

  async "bmc.bootOverride"(step, world) {
    return ok(await ensureBoot(step, world, step.params));
  },

  async "bmc.power"(step, world) {
    const { before, after, commands } = await ensurePower(
      step,
      world,
      step.params.state,
      step.params.gracefully === true,
    );
    return ok({ before: before.power, after: after.power, commands });
  },

  async "bmc.accept"(step, world) {
    const { target, lease } = step;
    const { boots, machines } = world.journal;
    const system = await readSystem(step.bmc);
    const boot = boots.last(lease.job, target.device);
    const from = boot?.bootedFrom ?? "";
    const known = [target.serial, ...target.aliases];
    const osSerial = boot?.osSerial ?? "";
    const checks = [
      {
        check: "serial at the BMC",
        passed: system.serial !== undefined && known.some((s) => sameText(s, system.serial ?? "")),
        seen: system.serial ?? "none",
      },
      {
        check: "serial told by the system",
        passed: known.some((s) => sameText(s, osSerial)),
        seen: osSerial || "none",
      },
      { check: "power", passed: system.power === "On", seen: system.power },
      { check: "boot source", passed: bootedFromDisk(from, target), seen: from || "none" },
    ];
    if (checks.some((c) => !c.passed)) {
      step.evidence({ checks });
      const said = checks.filter((c) => !c.passed).map((c) => `${c.check}: ${c.seen}`);
      return refuse("acceptance_failed", `${target.name}: ${said.join("; ")}.`);
    }
    // T5: from here on this agent touches it by an approved plan alone, whatever the cloud says.
    const now = world.clock.now();
    world.journal.transact(() => {
      machines.markInService(target, now);
      machines.markInService({ ...target, serial: system.serial ?? target.serial }, now);
      // G4: what was approved has been done here; the next time it is asked for anew.
      world.journal.plans.end(target.asset);
      if (boot) boots.close(boot.id, now, IN_SERVICE);
    });
    await world.journal.durable();
    if (boot) {
      world.machines.forget(boot.id);
      world.signals.notify(bootKey(boot.id));
    }
    return ok({ checks });
  },
};
