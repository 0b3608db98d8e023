/** G5: machines that the site's jobs have out of service at once, in all and in one rack. A machine keeps its place to its end. */
import type { Verdict } from "../../../../shared/model/guard.ts";
import { pass, wait } from "./guard.ts";

const GUARD = "caps";

export interface OutCaps {
  disruptive: number;
  perRack: number | undefined;
}

const full = (n: number, where: string): Verdict =>
  wait(
    GUARD,
    "cap_full",
    `a free place: ${n} ${n === 1 ? "machine is" : "machines are"} out of service for jobs ${where}`,
  );

export class OutOfService {
  readonly #caps: OutCaps;
  /** The rack of each machine that is out. */
  readonly #racks: Map<string, string>;

  constructor(caps: OutCaps, racks: ReadonlyMap<string, string>) {
    this.#caps = caps;
    this.#racks = new Map(racks);
  }

  take(device: string, rack: string): void {
    this.#racks.set(device, rack);
  }

  /** The verdict of a full site, which holds every machine that is not out yet. */
  full(): Verdict | undefined {
    return this.#racks.size >= this.#caps.disruptive ? full(this.#racks.size, "at the site") : undefined;
  }

  verdict(device: string, rack: string): Verdict {
    if (this.#racks.has(device)) return pass(GUARD, "it has its place");
    const inAll = this.full();
    if (inAll) return inAll;
    const { perRack, disruptive } = this.#caps;
    const here = [...this.#racks.values()].filter((one) => one === rack).length;
    if (perRack !== undefined && here >= perRack) return full(here, `in rack ${rack}`);
    return pass(GUARD, `${this.#racks.size} of ${disruptive} places are taken`);
  }
}
