import { Counter, Gauge, Registry } from "prom-client";

export interface Metrics {
  registry: Registry;
  syncs: Counter<"outcome">;
  refused: Counter<"code">;
  actsRefused: Counter<"code">;
  listRefused: Counter<"code">;
  steps: Counter<"action" | "outcome">;
  bmcRequests: Counter<"outcome">;
  powerCommands: Counter<"kind">;
  boots: Counter<"event">;
  active: Gauge;
  unsent: Gauge;
  doorbell: Gauge;
}

/** A registry of its own, so that several agents fit in one process (tests, simulation). */
export function makeMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    syncs: new Counter({
      name: "turnup_agent_syncs_total",
      help: "Exchanges with the control plane, by outcome.",
      labelNames: ["outcome"],
      registers,
    }),
    refused: new Counter({
      name: "turnup_agent_reports_refused_total",
      help: "Reports that the control plane has and that changed nothing, by code.",
      labelNames: ["code"],
      registers,
    }),
    actsRefused: new Counter({
      name: "turnup_agent_acts_refused_total",
      help: "Acts on machines in service, or that end data, that no approved plan let through, by code.",
      labelNames: ["code"],
      registers,
    }),
    listRefused: new Counter({
      name: "turnup_agent_approver_changes_refused_total",
      help: "Changes of the list of approvers that were not signed as they must be, by code.",
      labelNames: ["code"],
      registers,
    }),
    steps: new Counter({
      name: "turnup_agent_steps_total",
      help: "Attempts that ended, by action and outcome.",
      labelNames: ["action", "outcome"],
      registers,
    }),
    bmcRequests: new Counter({
      name: "turnup_agent_bmc_requests_total",
      help: "Requests to BMCs, by outcome.",
      labelNames: ["outcome"],
      registers,
    }),
    powerCommands: new Counter({
      name: "turnup_agent_power_commands_total",
      help: "Power commands sent, by kind.",
      labelNames: ["kind"],
      registers,
    }),
    boots: new Counter({
      name: "turnup_agent_boot_events_total",
      help: "What happened to boots: fetch, hello, first_boot, closed, refused.",
      labelNames: ["event"],
      registers,
    }),
    active: new Gauge({ name: "turnup_agent_steps_active", help: "Attempts at work.", registers }),
    unsent: new Gauge({ name: "turnup_agent_reports_unsent", help: "Reports not yet acknowledged.", registers }),
    doorbell: new Gauge({ name: "turnup_agent_doorbell_up", help: "1 while the doorbell is connected.", registers }),
  };
}
