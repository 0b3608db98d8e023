/** Which machines of a site are in service, and how many of each floor. */
import type { DeviceState } from "../../../../shared/model/lifecycle.ts";
import type { Floor, ResolvedPolicy } from "../../../../shared/model/policy/resolve.ts";

export interface Machine {
  id: string;
  name: string;
  rack: string;
  state: DeviceState;
  /** Turnup installs it, so its state is known here; of other gear, as switches, it is not. */
  known: boolean;
}

/** The counts follow each move, so that asking costs the same at any size of the site. */
export class Service {
  readonly #byId = new Map<string, Machine>();
  readonly #byName = new Map<string, Machine>();
  readonly #in = new Map<Floor, number>();
  readonly #floorsOf: ResolvedPolicy["floorsOf"];

  constructor(machines: Iterable<Machine>, { floorsOf }: Pick<ResolvedPolicy, "floorsOf">) {
    this.#floorsOf = floorsOf;
    for (const machine of machines) {
      this.#byId.set(machine.id, { ...machine });
      this.#byName.set(machine.name, this.#byId.get(machine.id) as Machine);
      if (machine.state === "active") this.#count(machine.name, 1);
    }
  }

  byId(id: string): Machine | undefined {
    return this.#byId.get(id);
  }
  named(name: string): Machine | undefined {
    return this.#byName.get(name);
  }

  /** Machines of the floor that are in service. Whatever is not active counts as out (G1). */
  inService(floor: Floor): number {
    return this.#in.get(floor) ?? 0;
  }

  move(id: string, state: DeviceState): void {
    const machine = this.#byId.get(id);
    if (!machine || machine.state === state) return;
    const was = machine.state === "active" ? 1 : 0;
    const is = state === "active" ? 1 : 0;
    machine.state = state;
    if (was !== is) this.#count(machine.name, is - was);
  }

  #count(name: string, by: number): void {
    for (const floor of this.#floorsOf.get(name) ?? []) this.#in.set(floor, (this.#in.get(floor) ?? 0) + by);
  }
}
