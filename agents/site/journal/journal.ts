import type { Sql } from "../../../shared/sql.ts";
import { type Approvers, approvers } from "./approvers.ts";
import { type Attempts, attempts } from "./attempts.ts";
import { type Audits, audits } from "./audits.ts";
import { type Boots, boots } from "./boots.ts";
import { deferred } from "./deferred.ts";
import { type Machines, machines } from "./machines.ts";
import { type Past, past } from "./past.ts";
import { type Plans, plans } from "./plans.ts";
import { migrate } from "./schema.ts";

/** The agent's memory on its own disk: what must survive a SIGKILL at any moment (A2). */
export interface Journal {
  attempts: Attempts;
  boots: Boots;
  machines: Machines;
  audits: Audits;
  past: Past;
  approvers: Approvers;
  plans: Plans;
  /** Writes what may wait: before the process ends. */
  flush(): void;
  /** A2: resolves when what was written before is safe from a power cut; awaited between an intent and its effect. */
  durable(): Promise<void>;
  /** Several writes in one commit. */
  transact(work: () => void): void;
  meta: { get(name: MetaName): string | undefined; set(name: MetaName, value: string): void };
  /** Where the open session of a BMC is, without its token: a restarted agent logs the old one out. */
  sessions: {
    get(bmc: string): string | undefined;
    set(bmc: string, location: string): void;
    delete(bmc: string): void;
  };
}
export type MetaName = "agent" | "site" | "siteName" | "generation" | "head";

export function openJournal(sql: Sql, durable: () => Promise<void>): Journal {
  migrate(sql);
  const later = deferred(sql);
  return {
    attempts: attempts(sql, later),
    boots: boots(sql),
    machines: machines(sql, later),
    audits: audits(sql, later),
    past: past(sql, later),
    approvers: approvers(sql),
    plans: plans(sql, later),
    flush: later.flush,
    durable,
    transact: (work) => {
      sql.transact(() => {
        work();
        return null;
      });
    },
    meta: {
      get: (name) => sql.get<{ value: string }>("SELECT value FROM meta WHERE name = ?", name)?.value,
      set: (name, value) => sql.run("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, value),
    },
    sessions: {
      get: (bmc) => sql.get<{ location: string }>("SELECT location FROM bmc_session WHERE bmc = ?", bmc)?.location,
      set: (bmc, location) =>
        sql.run("INSERT OR REPLACE INTO bmc_session (bmc, location) VALUES (?, ?)", bmc, location),
      delete: (bmc) => sql.run("DELETE FROM bmc_session WHERE bmc = ?", bmc),
    },
  };
}
