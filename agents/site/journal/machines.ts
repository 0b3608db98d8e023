import type { Millis } from "../../../shared/deps.ts";
import type { PlanTarget } from "../../../shared/model/plan.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Deferred } from "./deferred.ts";

export type EffectKind = "power.On" | "power.Off" | "power.Shutdown" | "bootOverride";
type Machine = Pick<PlanTarget, "device" | "asset" | "serial">;

/** What the agent itself knows of machines, whatever the cloud says (T5), and what it did to them (A2, A4). */
export interface Machines {
  /** A2: written before the effect, with what it means for T5; returns its number for `done`. */
  intend(machine: Machine, lease: string, kind: EffectKind, at: Millis): number;
  done(effect: number, outcome: string): void;
  /** A4: power commands to this machine since then. */
  powerCommands(device: string, since: Millis): number;
  /** T5: a machine that this agent powered on counts as such until it is seen off. */
  seenOff(device: string): void;
  poweredByUs(machine: Machine): boolean;
  /** T5: assets that reached service through this agent. */
  markInService(machine: Machine, at: Millis): void;
  inService(machine: Machine): boolean;
}

const KEEP_EFFECTS_MS = 7 * 86_400_000;

export function machines(sql: Sql, later: Deferred): Machines {
  return {
    intend: (machine, lease, kind, at) =>
      sql.transact(() => {
        const { device, serial } = machine;
        sql.run("DELETE FROM effect WHERE device = ? AND at < ?", device, at - KEEP_EFFECTS_MS);
        sql.run("INSERT INTO effect (device, lease, kind, at) VALUES (?, ?, ?, ?)", device, lease, kind, at);
        const id = sql.get<{ id: number }>("SELECT last_insert_rowid() AS id")?.id ?? 0;
        if (kind === "power.On")
          sql.run(
            "INSERT OR REPLACE INTO powered (device, serial, at) VALUES (?, ?, ?)",
            device,
            serial.toLowerCase(),
            at,
          );
        return id;
      }),
    done: (effect, outcome) => later.add(() => sql.run("UPDATE effect SET outcome = ? WHERE id = ?", outcome, effect)),
    powerCommands: (device, since) =>
      sql.get<{ n: number }>(
        "SELECT count(*) AS n FROM effect WHERE device = ? AND at > ? AND kind LIKE 'power.%'",
        device,
        since,
      )?.n ?? 0,
    seenOff: (device) => sql.run("DELETE FROM powered WHERE device = ?", device),
    poweredByUs: (machine) =>
      sql.get("SELECT 1 FROM powered WHERE device = ? AND serial = ?", machine.device, machine.serial.toLowerCase()) !==
      undefined,
    markInService(machine, at) {
      sql.run(
        "INSERT OR IGNORE INTO in_service (asset, serial, device, at) VALUES (?, ?, ?, ?)",
        machine.asset,
        machine.serial.toLowerCase(),
        machine.device,
        at,
      );
    },
    inService: (machine) =>
      sql.get("SELECT 1 FROM in_service WHERE asset = ? OR serial = ?", machine.asset, machine.serial.toLowerCase()) !==
      undefined,
  };
}
