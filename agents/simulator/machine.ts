/**
 * One simulated machine: it takes time to POST, asks the network for its boot script, runs the real RAM environment on
 * its drives, starts what lies on them, and tells the witness log what happened to it. Its state outlives the process.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Observed } from "../../shared/model/inventory.ts";
import type { ResolvedDevice } from "../../shared/model/site.ts";
import { FirstBoot, RAMDISK_PROTOCOL } from "../../shared/protocol/ramdisk.ts";
import type { BootEntry, Medium, RamdiskHardware } from "../ramdisk/hardware.ts";
import { runRamdisk } from "../ramdisk/program.ts";
import type { Disk } from "./disk.ts";
import type { Faults } from "./faults.ts";
import { type MachineState, type Phase, saveState } from "./machine-state.ts";
import { askForScript, flappingFetch } from "./netboot-client.ts";
import type { Personality } from "./personality.ts";
import type { BootOverride, ServedMachine } from "./redfish.ts";
import type { Span, Witness } from "./witness.ts";

/** Seconds of real hardware: until a power command shows, to load the RAM environment, to start the installed system. */
const POWER_SHOWS = 3;
const RAM_BOOT = 30;
const OS_BOOT = 40;
/** Between two tries of the installed system to phone home, ms. */
const PHONE_HOME_GAP_MS = 500;

export interface MachineOptions {
  device: ResolvedDevice;
  personality: Personality;
  disks: readonly Disk[];
  faults: Faults;
  state: MachineState;
  statePath: string;
  witness: Witness;
  netbootUrl: string;
  speed: number;
  /** Told of what is no expected end of a phase. */
  onDefect(machine: string, cause: unknown): void;
}

export class Machine implements ServedMachine, RamdiskHardware {
  readonly #o: MachineOptions;
  readonly #state: MachineState;
  /** Aborted when power is cut or the simulator stops. */
  #power = new AbortController();
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: MachineOptions) {
    this.#o = options;
    this.#state = options.state;
  }

  get device(): ResolvedDevice {
    return this.#o.device;
  }
  get personality(): Personality {
    return this.#o.personality;
  }
  get identity(): string {
    const { serial } = this.#o.device.asset;
    return this.#o.faults.has("wrong-serial") ? `X${[...serial].reverse().join("")}` : serial;
  }
  get macs(): readonly string[] {
    const macs = this.#o.device.install?.bom.macs ?? [];
    return this.#o.faults.has("dead-nic") ? macs.slice(0, -1) : macs;
  }

  /** Goes on where the process before this one was killed. */
  start(): void {
    if (this.#state.phase !== "off") this.#begin();
  }

  /** Ends everything in memory; the machine stays as it is in its state file. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#power.abort(new Error("the simulator stops"));
    await this.#loop;
  }

  // What the BMC sees and does.

  power(): "On" | "Off" | "PoweringOn" | "PoweringOff" {
    const on = this.#state.phase !== "off";
    if (Date.now() < this.#state.powerShowsAt) return on ? "PoweringOn" : "PoweringOff";
    return on ? "On" : "Off";
  }

  override(): BootOverride {
    return this.#state.override;
  }

  setOverride(override: BootOverride): void {
    this.#state.override = override;
    this.save();
  }

  reset(type: string): void {
    if (this.#o.faults.strikes("lost-power")) {
      this.#fault("lost-power");
      return;
    }
    const off = type === "ForceOff" || type === "GracefulShutdown";
    const again = type.includes("Restart") || type === "PowerCycle";
    if (this.#state.phase !== "off" && (off || again)) this.#cut();
    if (!off && this.#state.phase === "off") this.#powerOn();
  }

  // What the RAM environment sees and does.

  get mac(): string {
    return this.#o.device.install?.boot.mac ?? "";
  }
  serial(): string {
    return this.identity;
  }
  media(): readonly Medium[] {
    return this.#o.disks;
  }
  async inventory(): Promise<Observed> {
    const { device, disks } = this.#o;
    const bom = device.install?.bom;
    if (!bom) return { source: "ramdisk" };
    return {
      source: "ramdisk",
      manufacturer: bom.manufacturer,
      model: bom.model,
      serial: this.identity,
      cpus: Array.from({ length: bom.cpus.count }, (_, i) => ({
        socket: `CPU ${i}`,
        ...(bom.cpus.model !== undefined && { model: bom.cpus.model }),
        ...(bom.cpus.coresEach !== undefined && { cores: bom.cpus.coresEach }),
      })),
      memory: Array.from({ length: bom.memory.modules }, (_, i) => ({
        slot: `DIMM ${i}`,
        sizeMiB: bom.memory.sizeMiBEach,
      })),
      drives: disks.map((d) => d.drive),
      nics: this.macs.map((mac, i) => ({ name: `eth${i}`, mac, linkUp: true })),
    };
  }
  async setBootEntry(entry: BootEntry): Promise<void> {
    this.#state.bootEntry = entry;
    this.save();
  }
  restart(): void {
    this.#witness("restart");
    this.#enterPost();
  }

  /** Persists the state; also when a fault was used up. */
  save(): void {
    saveState(this.#o.statePath, this.#state);
  }

  #powerOn(): void {
    this.#state.powerShowsAt = Date.now() + this.#ms(POWER_SHOWS);
    this.#witness("power.on");
    this.#enterPost();
    this.#begin();
  }

  #cut(): void {
    this.#power.abort(new Error("power off"));
    Object.assign(this.#state, {
      phase: "off",
      nonce: null,
      agentUrl: null,
      ram: null,
      powerShowsAt: Date.now() + this.#ms(POWER_SHOWS),
    });
    this.save();
    this.#witness("power.off");
  }

  #enterPost(): void {
    Object.assign(this.#state, { nonce: null, agentUrl: null, ram: null });
    this.#enter("post", this.#o.personality.postSeconds);
  }

  #enter(phase: Phase, seconds = 0): void {
    this.#state.phase = phase;
    this.#state.endsAt = Date.now() + this.#ms(seconds);
    this.save();
  }

  #begin(): void {
    this.#power = new AbortController();
    const { signal } = this.#power;
    this.#loop = this.#run(signal).catch((cause: unknown) => {
      if (!signal.aborted) this.#o.onDefect(this.#o.device.name, cause);
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#stopped) {
      const { phase } = this.#state;
      switch (phase) {
        case "post":
          await this.#span("post", () => this.#wait(signal));
          this.#firmwareBoots();
          break;
        case "netboot":
          await this.#span("netboot", () => this.#netboot(signal));
          break;
        case "ram-boot":
          await this.#span("ram-boot", () => this.#wait(signal));
          this.#enter("ram");
          break;
        case "ram":
          await this.#ram(signal);
          if (this.#state.phase === "ram") return;
          break;
        case "disk":
          await this.#disk(signal);
          break;
        case "os-boot":
          this.#witness("os.start");
          await this.#span("os-boot", () => this.#wait(signal));
          this.#enter("os");
          break;
        case "os":
          await this.#phoneHome(signal);
          return;
        case "off":
        case "no-boot-device":
          return;
        default:
          phase satisfies never;
      }
    }
  }

  /** The one-time override counts once; then the boot entry; a machine without either has nothing to start. */
  #firmwareBoots(): void {
    const { override } = this.#state;
    const once = override.BootSourceOverrideEnabled === "Once";
    const net = override.BootSourceOverrideEnabled !== "Disabled" && override.BootSourceOverrideTarget === "Pxe";
    if (once)
      this.#state.override = { ...override, BootSourceOverrideTarget: "None", BootSourceOverrideEnabled: "Disabled" };
    const ignored = net && this.#o.faults.strikes("ignored-boot-override");
    if (ignored) this.#fault("ignored-boot-override");
    this.#enter(net && !ignored ? "netboot" : "disk");
  }

  async #netboot(signal: AbortSignal): Promise<void> {
    const script = await askForScript(this.#o.netbootUrl, this.mac, signal);
    this.#o.witness.record(
      this.#o.device.name,
      "boot.fetch",
      script.kind === "ramdisk" ? { nonce: script.nonce, detail: script.kind } : { detail: script.kind },
    );
    if (script.kind !== "ramdisk") return this.#enter("disk");
    Object.assign(this.#state, { nonce: script.nonce, agentUrl: script.agentUrl, ram: null });
    this.#enter("ram-boot", RAM_BOOT);
  }

  async #ram(signal: AbortSignal): Promise<void> {
    const { nonce, agentUrl } = this.#state;
    const { faults } = this.#o;
    if (nonce === null || agentUrl === null) return this.#enter("disk");
    this.#witness("ram.start", nonce);
    const end = await runRamdisk({
      agentUrl,
      nonce,
      hardware: this,
      scratch: {
        load: () => this.#state.ram ?? undefined,
        save: (ram) => {
          // After a restart of the machine nothing of it is left, whatever was still on its way.
          if (this.#state.nonce !== nonce || this.#state.phase !== "ram") return;
          this.#state.ram = ram;
          this.save();
        },
      },
      fetch: flappingFetch(() => {
        const strikes = faults.strikes("flapping-link");
        if (strikes) this.#fault("flapping-link");
        return strikes;
      }),
      events: {
        command: (kind, edge) =>
          this.#o.witness.record(this.#o.device.name, `command.${edge}`, { nonce, detail: kind }),
        write: (edge, serial) =>
          this.#o.witness.record(this.#o.device.name, `disk.write.${edge}`, { nonce, detail: serial }),
        overwrite: (edge, serial) =>
          this.#o.witness.record(this.#o.device.name, `disk.zero.${edge}`, { nonce, detail: serial }),
      },
      signal,
    });
    if (end === "boot-closed") this.#witness("ram.idle", nonce);
  }

  async #disk(signal: AbortSignal): Promise<void> {
    const { bootEntry } = this.#state;
    const { disks } = this.#o;
    const chosen = bootEntry ? disks.filter((d) => d.drive.serial === bootEntry.serial) : disks;
    for (const disk of chosen) {
      const bootable = await disk.bootable();
      signal.throwIfAborted();
      if (bootable) return this.#enter("os-boot", OS_BOOT);
    }
    this.#witness("no-boot-device");
    this.#enter("no-boot-device");
  }

  /** The installed system finds nonce and address in its boot entry. One that finds none has nobody to call. */
  async #phoneHome(signal: AbortSignal): Promise<void> {
    const { bootEntry } = this.#state;
    if (!bootEntry || this.#state.phonedHome === bootEntry.nonce) return;
    const message: FirstBoot = {
      v: RAMDISK_PROTOCOL,
      nonce: bootEntry.nonce,
      serial: this.identity,
      bootedFrom: `disk ${bootEntry.serial}`,
    };
    for (;;) {
      const status = await fetch(bootEntry.phoneHome, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(FirstBoot.parse(message)),
        signal,
      })
        .then((r) => r.status)
        .catch(() => 0);
      signal.throwIfAborted();
      if (status === 200 || status === 410) {
        this.#state.phonedHome = bootEntry.nonce;
        this.save();
        this.#o.witness.record(this.#o.device.name, "first-boot", { nonce: bootEntry.nonce, detail: String(status) });
        return;
      }
      await sleep(PHONE_HOME_GAP_MS, undefined, { signal });
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return sleep(Math.max(0, this.#state.endsAt - Date.now()), undefined, { signal });
  }

  async #span(span: Span, work: () => Promise<void>): Promise<void> {
    this.#witness(`${span}.start`);
    await work();
    this.#witness(`${span}.end`);
  }

  #fault(name: string): void {
    this.save();
    this.#o.witness.record(this.#o.device.name, "fault", { detail: name });
  }

  #witness(event: string, nonce?: string): void {
    this.#o.witness.record(this.#o.device.name, event, nonce === undefined ? {} : { nonce });
  }

  #ms(seconds: number): number {
    return (seconds * 1000) / this.#o.speed;
  }
}
