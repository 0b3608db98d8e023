import type { Clock } from "../../shared/deps.ts";
import { TurnupError } from "../../shared/errors.ts";
import { type AuditTarget, DETAIL_MAX_CHARS, type Observation } from "../../shared/protocol/agent.ts";
import type { BmcPool } from "./bmc/pool.ts";
import { readSystem } from "./bmc/redfish.ts";
import type { Journal } from "./journal/journal.ts";
import { errorText, type Log } from "./log.ts";

/** Devices read at the same time: an audit gives way to installs. */
const PARALLEL = 8;

export interface Auditor {
  /** Reads what the journal says is still to be read; a call while it reads is not lost. */
  wake(): void;
  stop(): Promise<void>;
}

/** Reads serial and power of every asked device, each once, and puts the observations into the journal. */
export function makeAuditor(o: {
  journal: Journal;
  pool: BmcPool;
  clock: Clock;
  log: Log;
  /** Some observations are ready to be told. */
  observed(): void;
}): Auditor {
  let stopped = false;
  let working: Promise<void> = Promise.resolve();
  let active = false;
  let again = false;
  const fence = {
    async admit() {
      // A read for an audit changes nothing and needs no lease; it only ends with the agent.
      if (stopped) throw new TurnupError({ code: "bmc_unavailable", detail: "The agent is stopping." });
    },
  };

  const look = async (target: AuditTarget): Promise<Observation> => {
    try {
      const system = await readSystem(o.pool.bmc(target.bmc, fence));
      return {
        device: target.device,
        power: system.power,
        ...(system.serial !== undefined && { serial: system.serial }),
      };
    } catch (error) {
      if (error instanceof TurnupError)
        return {
          device: target.device,
          failure: { code: error.code, detail: error.problem.detail.slice(0, DETAIL_MAX_CHARS) },
        };
      o.log.error({ device: target.name, error: errorText(error) }, "a defect in an audit");
      return {
        device: target.device,
        failure: { code: "agent_defect", detail: "A defect in the agent; see its log." },
      };
    }
  };

  const work = async (): Promise<void> => {
    do {
      again = false;
      const todo = o.journal.audits.pending();
      const reader = async () => {
        for (let next = todo.shift(); next && !stopped; next = todo.shift()) {
          const seen = await look(next.target);
          if (!stopped) o.journal.audits.observed(next.window, seen);
        }
      };
      await Promise.all(Array.from({ length: Math.min(PARALLEL, todo.length) }, reader));
      if (o.journal.audits.untold(1)) o.observed();
    } while (again && !stopped);
  };

  return {
    wake() {
      again = true;
      if (active || stopped || o.journal.audits.pending().length === 0) return;
      active = true;
      working = work()
        .catch((error: unknown) => o.log.error({ error: errorText(error) }, "a defect in the auditor"))
        .finally(() => {
          active = false;
        });
    },
    async stop() {
      stopped = true;
      await working;
    },
  };
}
