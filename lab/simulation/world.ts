/** Everything of one run put together: a site, its agents, its machines, and the wires between them. */
import { newSecret } from "../../shared/ids.ts";
import { sha256 } from "../../workers/site/platform.ts";
import { AgentHost, type Outside } from "./agent-host.ts";
import { SimBudget } from "./budget.ts";
import { Machine } from "./machine.ts";
import { Network } from "./network.ts";
import type { Stream } from "./random.ts";
import { SimReadModel } from "./read-model.ts";
import type { Sim } from "./sim.ts";
import { SiteHost } from "./site-host.ts";
import { SITE, SITE_KEY, siteOf } from "./site-plan.ts";
import { Watch } from "./watch.ts";

export const ACTOR = "token:sim";
const DAY_MS = 86_400_000;

export class World {
  readonly sim: Sim;
  readonly network: Network;
  readonly readModel: SimReadModel;
  readonly budget: SimBudget;
  readonly watch: Watch;
  readonly site: SiteHost;
  readonly machines: Machine[];
  hosts: AgentHost[] = [];
  readonly #random: Stream;
  readonly #addresses = new Map<string, Machine>();
  #hostsMade = 0;

  constructor(sim: Sim, servers: number) {
    this.sim = sim;
    this.#random = sim.stream("world");
    this.network = new Network(sim);
    this.readModel = new SimReadModel(sim);
    this.budget = new SimBudget(sim);
    this.watch = new Watch(sim, () => this.hosts, this.readModel);
    this.site = new SiteHost(sim, this);
    this.#must("site.create", { ...SITE, locationHint: "weur", jurisdiction: "none", actor: ACTOR });
    const planned = siteOf(servers);
    this.#must("site.import", { site: planned, actor: ACTOR });
    this.machines = planned.devices.map((device) => this.#rack(device));
    this.watch.moved.push(({ kind, device, was, now }) => {
      const machine = kind === "device" && this.machines.find((m) => m.device === device);
      // A restored site may have forgotten that the machine is in service; it is nevertheless.
      if (machine && (was === "active" || now === "active")) machine.inService = now === "active";
    });
  }

  #must: SiteHost["tell"] = (kind, input) => {
    const done = this.site.tell(kind, input);
    if (!done.reply.ok) throw new Error(`${kind}: ${done.reply.problem.detail}`);
    return done;
  };

  #rack(device: ReturnType<typeof siteOf>["devices"][number]): Machine {
    const other = this.sim.stream(`place ${device.name}`).chance(0.03);
    if (other) this.sim.faults.began("wrong machine in the place");
    const machine = new Machine(this.sim, device, () => this.hosts, other ? `X${device.asset.serial}` : undefined);
    if (this.sim.stream(`parts ${device.name}`).chance(0.09)) {
      this.sim.faults.began("part that nobody ordered");
      machine.extraNic = true;
    }
    const found = this.site.ask("device", { device: device.name });
    if (found.ok) machine.device = found.value.id;
    this.#addresses.set(device.install?.bmc.address ?? "", machine);
    return machine;
  }

  /** The BMCs of two machines answer at each other's address, until somebody has found it. */
  swapCables(a: Machine, b: Machine, ms: number): void {
    const plug = (at: Machine, machine: Machine) => this.#addresses.set(at.planned.install?.bmc.address ?? "", machine);
    plug(a, b);
    plug(b, a);
    this.sim.clock.after(ms, () => {
      plug(a, a);
      plug(b, b);
    });
  }

  /** A host with an agent that is to enrol. */
  addHost(): AgentHost {
    this.#hostsMade += 1;
    const token = `enr_${SITE_KEY}_${newSecret(this.#random)}`;
    this.site.tell("agent.invite", { tokenHash: sha256(token), expiresAt: this.sim.clock.now + DAY_MS, actor: ACTOR });
    const host = new AgentHost(this.sim, `a${this.#hostsMade}`, token, this.#outside);
    this.hosts.push(host);
    host.start();
    return host;
  }

  /** Whoever keeps hosts running starts a dead agent again after a while. */
  readonly #outside: Outside = {
    post: (host, life, request) => this.site.post(host, life, request),
    socket: (host, life, token, events) => this.site.socket(host, life, token, events),
    bmc: (host, life, request) => {
      const machine = this.#addresses.get(new URL(request.url).hostname);
      return machine ? machine.bmc.call(host, life, request) : new Promise(() => undefined);
    },
    died: (host) => {
      const away = this.#random.chance(0.7) ? this.#random.between(500, 20_000) : this.#random.between(20_000, 400_000);
      this.sim.clock.after(away, () => host.start());
    },
  };
}
