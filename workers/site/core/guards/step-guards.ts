/** The guards of one step, over what is read once for a transaction or a view, and only if a step asks for it. */
import type { Millis } from "../../../../shared/deps.ts";
import type { Verdict } from "../../../../shared/model/guard.ts";
import type { ResolvedPolicy } from "../../../../shared/model/policy/resolve.ts";
import type { Sql } from "../../../../shared/sql.ts";
import { capsOf } from "../caps.ts";
import { policyInForce } from "../policy.ts";
import type { ProgressBoard } from "../progress.ts";
import { type DeviceRow, deviceById, deviceDoc } from "../rows.ts";
import { type StepRow, WORK_STEPS } from "../step-rows.ts";
import type { SiteRecord } from "../tx.ts";
import { floors } from "./floor.ts";
import { freeze } from "./freeze.ts";
import { groups } from "./group.ts";
import { type Ask, firstHeld, type PolicyWorld } from "./guard.ts";
import { anyHold, hold } from "./hold.ts";
import { type OutCaps, OutOfService } from "./out.ts";
import type { Machine } from "./service.ts";
import { serviceNow } from "./service-now.ts";
import { remainingMs } from "./typical.ts";
import { window } from "./window.ts";

export interface Guarded {
  sql: Sql;
  now: Millis;
  site: SiteRecord;
  board: ProgressBoard;
}

export class StepGuards {
  readonly #at: Guarded;
  #policy: { read: ResolvedPolicy | undefined } | undefined;
  #world: PolicyWorld | undefined;
  #out: OutOfService | undefined;

  constructor(at: Guarded) {
    this.#at = at;
  }

  /** The guard that keeps the step from starting; undefined when none does. What disrupts nothing is asked for holds alone. */
  heldBy(step: Pick<StepRow, "job" | "n" | "device" | "disruptive">): Verdict | undefined {
    const { sql, board } = this.#at;
    const policy = this.policy;
    if (step.disruptive === 0 && !(policy && anyHold(policy))) return undefined;
    const machine = this.machine(step.device);
    if (!machine) return undefined;
    const ask: Ask = { machine, restMs: () => remainingMs(sql, board, step) };
    return firstHeld(this.verdicts(ask, step.disruptive > 0));
  }

  /** What every guard says of a step on the machine, in the order in which they are asked. */
  verdicts(ask: Ask, disrupts: boolean): Verdict[] {
    const { world } = this;
    const held = world ? [hold(world, ask)] : [];
    if (!disrupts) return held;
    const { id, rack } = ask.machine;
    const guarded = world ? [freeze(world, ask), window(world, ask), ...floors(world, ask), ...groups(world, ask)] : [];
    return [...held, ...guarded, this.#outOfService.verdict(id, rack)];
  }

  /** Whether no machine that is in service may go now, whichever it is: then none need be asked about. */
  get full(): boolean {
    return this.#outOfService.full() !== undefined;
  }

  /** The step was leased: its machine has its place, and may have moved. */
  took({ device, disruptive }: Pick<StepRow, "device" | "disruptive">): void {
    if (disruptive === 0) return;
    const machine = this.machine(device);
    if (machine) this.#outOfService.take(device, machine.rack);
    this.#world = undefined;
  }

  /** So many machines may be out at once: as the policy says, else the site's file. */
  get caps(): OutCaps {
    const caps = this.policy?.policy.caps;
    return { disruptive: caps?.disruptive ?? capsOf(this.#at.sql).disruptive, perRack: caps?.perRack };
  }

  get policy(): ResolvedPolicy | undefined {
    const { sql, site, board } = this.#at;
    this.#policy ??= { read: policyInForce(sql, site, board) };
    return this.#policy.read;
  }

  /** What the policy protects; undefined where there is none. */
  get world(): PolicyWorld | undefined {
    const { policy } = this;
    const { sql, now, site, board } = this.#at;
    if (policy && !this.#world)
      this.#world = { now, site: site.name, policy, service: serviceNow(sql, board, policy), unread: unreadOf(sql) };
    return this.#world;
  }

  machine(id: string): Machine | undefined {
    const { world } = this;
    if (world) return world.service.byId(id);
    const row = deviceById(this.#at.sql, id);
    return row && machineOf(row);
  }

  get #outOfService(): OutOfService {
    this.#out ??= new OutOfService(this.caps, outNow(this.#at.sql));
    return this.#out;
  }
}

export function machineOf(row: DeviceRow): Machine {
  const { rack, install } = deviceDoc(row);
  return { id: row.id, name: row.name, state: row.state, rack, known: install !== undefined };
}

const unreadOf = (sql: Sql): ReadonlySet<string> =>
  new Set(sql.all<{ device: string }>("SELECT device FROM unread").map(({ device }) => device));

/** Machines that a job has out of service, with their racks: those that it holds drained or down, or acts on just now. */
function outNow(sql: Sql): Map<string, string> {
  const rows = sql.all<{ id: string; rack: string }>(
    `SELECT id, json_extract(doc, '$.rack') AS rack FROM device WHERE id IN (
       SELECT d.id FROM lock CROSS JOIN device d ON d.id = lock.device WHERE d.state IN ('draining', 'maintenance')
       UNION SELECT device FROM ${WORK_STEPS} AND disruptive > 0)`,
  );
  return new Map(rows.map(({ id, rack }) => [id, rack]));
}
