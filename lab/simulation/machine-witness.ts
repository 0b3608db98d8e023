/** What may never happen to a machine, whatever agents and coordinator believe: told by the machine itself. */
import type { AgentHost } from "./agent-host.ts";
import type { Witness, Write } from "./bmc.ts";
import type { Sim } from "./sim.ts";

/** What the witness must know of the machine and of what the site planned for its place. */
export interface Witnessed {
  /** The device whose place it stands in. */
  device: string;
  /** Where the site looks for its BMC. */
  address: string;
  plannedSerial: string;
  serial: string;
  inService: boolean;
  /** Its BMC has just told a power state that it was not in. */
  lied: boolean;
  /** A person switched it on. */
  foreign: boolean;
}

export class MachineWitness implements Witness {
  readonly #sim: Sim;
  readonly #of: () => Witnessed;
  /** Writes under way, by whom. */
  readonly #open = new Set<{ host: AgentHost; kind: string }>();
  #newest = { epoch: 0, host: "" };

  constructor(sim: Sim, of: () => Witnessed) {
    this.#sim = sim;
    this.#of = of;
  }

  sent(host: AgentHost, write: Write): () => void {
    const { device, address, plannedSerial, serial, inService, lied, foreign } = this.#of();
    const what = `${host.name} sent ${write.kind} to ${serial}`;
    this.#sim.say(what);
    if (write.to !== address) this.#sim.violate("T2", `${what}, which does not belong to the address ${write.to}`);
    if (serial !== plannedSerial) this.#sim.violate("T2", `${what}, which stands where ${plannedSerial} was planned`);
    if (inService && !this.#deceived(host, device, serial, write, lied))
      this.#sim.violate("T5", `${what}, which is in service`);
    if (foreign && !host.journal.get("SELECT 1 FROM effect WHERE device = ? AND kind = 'power.On'", device))
      this.#sim.violate("T5", `${what}, which a person had switched on`);
    this.#leased(host, device, write, what);
    if (!host.journal.get("SELECT 1 FROM effect WHERE device = ? AND kind = ? AND outcome IS NULL", device, write.kind))
      this.#sim.violate("A2", `${what} without an intent in its journal`);
    for (const other of this.#open)
      if (other.host !== host) this.#sim.violate("L1", `${what} while ${other.host.name} is in ${other.kind}`);
    const epoch = host.journal.get<{ epoch: number }>("SELECT epoch FROM epoch WHERE device = ?", device)?.epoch ?? 0;
    if (epoch < this.#newest.epoch && host.name !== this.#newest.host)
      this.#sim.violate("L2", `${what} with epoch ${epoch} after ${this.#newest.host} with ${this.#newest.epoch}`);
    if (epoch >= this.#newest.epoch) this.#newest = { epoch, host: host.name };
    const mine = { host, kind: write.kind };
    this.#open.add(mine);
    return () => this.#open.delete(mine);
  }

  /**
   * An agent that came after its site was restored from before the install knows only what the BMC tells of the power.
   * Where that was a lie, it takes the machine for one that is off, and from then on for one that it switched on.
   */
  #deceived({ journal }: AgentHost, device: string, serial: string, { kind }: Write, lied: boolean): boolean {
    if (journal.get("SELECT 1 FROM in_service WHERE serial = ?", serial.toLowerCase())) return false;
    return lied || (kind !== "power.On" && journal.get("SELECT 1 FROM powered WHERE device = ?", device) !== undefined);
  }

  /** L3: the call and its time-out fit into what is left of a lease that this process has in hand. */
  #leased(host: AgentHost, device: string, { timeoutMs }: Write, what: string): void {
    const seen = host.seen.get(device);
    const left = (seen?.until ?? 0) - this.#sim.clock.now;
    if (left < timeoutMs)
      this.#sim.violate(
        "L3",
        `${what} with ${seen ? `${left} ms` : "nothing"} left of a lease; the call may take ${timeoutMs} ms`,
      );
    else if (left < timeoutMs + 10_000) this.#sim.coverage.rule("L3");
  }
}
