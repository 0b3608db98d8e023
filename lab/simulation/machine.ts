/**
 * A server in its place: power, firmware, drives, and the RAM environment, which talks to the agents' netboot routes as
 * agents/ramdisk does. Everything it does takes virtual time and ends when its power is cut.
 */
import { createHash } from "node:crypto";
import type { NetbootRequest } from "../../agents/site/netboot/routes.ts";
import type { Image, ResolvedDevice } from "../../shared/model/site.ts";
import type { CommandState, RamdiskCommand } from "../../shared/protocol/ramdisk.ts";
import type { AgentHost } from "./agent-host.ts";
import { SimBmc } from "./bmc.ts";
import { MachineWitness } from "./machine-witness.ts";
import type { Stream } from "./random.ts";
import type { Sim } from "./sim.ts";

interface Drive {
  serial: string;
  content: "blank" | "image" | "foreign" | "torn";
}
/** What the RAM environment knows of its own boot. */
interface Ram {
  nonce: string;
  host: AgentHost;
  commands: CommandState[];
  blank: Set<string>;
  written: { serial: string; proof: object } | undefined;
  over: boolean;
}
interface Answer {
  status: number;
  body: string;
}

const POST_MS = [15_000, 60_000] as const;
/** From an agent's look at the power to the write that follows from it, at most. */
const LOOKED_MS = 120_000;
/** Longest wait between two tries to reach an agent. */
const HOLD_BACK_MS = 15_000;
const RAM_MS = 20_000;
const OS_MS = 40_000;
/** Bytes asked for at once. */
const PIECE = 400;

export class Machine {
  readonly planned: ResolvedDevice;
  readonly bmc: SimBmc;
  /** The site's id of the device whose place this is. */
  device = "";
  serial: string;
  inService = false;
  foreign = false;
  /** It has a port more than the bill of materials. */
  extraNic = false;
  readonly drives: Drive[];
  readonly #sim: Sim;
  readonly #random: Stream;
  readonly #hosts: () => readonly AgentHost[];
  /** Counts power-ons and restarts: what was begun before is gone. */
  #life = 0;
  #on = false;
  #pressedAt = 0;
  #entry: { serial: string; nonce: string; host: AgentHost } | undefined;

  constructor(sim: Sim, planned: ResolvedDevice, hosts: () => readonly AgentHost[], serial = planned.asset.serial) {
    this.#sim = sim;
    this.planned = planned;
    this.serial = serial;
    this.#hosts = hosts;
    this.#random = sim.stream(`machine ${planned.name}`);
    this.drives = planned.asset.media.map((m) => ({ serial: m.serial, content: "blank" }));
    const plan = { address: planned.install?.bmc.address ?? "", plannedSerial: planned.asset.serial };
    const witness = new MachineWitness(sim, () => ({ ...this.#seen(), ...plan }));
    this.bmc = new SimBmc(sim, this.serial, witness, (power) => this.#commanded(power));
  }

  get on(): boolean {
    return this.#on;
  }

  /** A person presses its button, or pulls its plug. */
  press(power: "On" | "Off"): void {
    if (this.#on === (power === "On")) return;
    this.bmc.show(power);
    this.#commanded(power);
    this.foreign = power === "On";
    this.#pressedAt = this.#sim.clock.now;
  }

  /** L5: its boot entry still names a boot that may have ended long ago. */
  remindsOf(nonce: string, host: AgentHost): void {
    void this.#phoneHome(this.#life, { nonce, host, serial: this.drives[0]?.serial ?? "" });
  }

  #seen() {
    const { device, serial, inService, foreign } = this;
    // Who was told that it is off, or had just looked, could not know.
    const known = this.#on && this.bmc.liedAt < this.#pressedAt && this.#sim.clock.now > this.#pressedAt + LOOKED_MS;
    const lied = this.bmc.liedAt > this.#sim.clock.now - LOOKED_MS;
    return { device, serial, inService, lied, foreign: foreign && known };
  }
  #say(what: string): void {
    this.#sim.say(`${this.planned.name} ${what}`);
  }

  #commanded(power: "On" | "Off"): void {
    this.#life += 1;
    this.#on = power === "On";
    this.foreign = false;
    this.#say(`power ${power}`);
    if (this.#on) void this.#firmware(this.#life);
    for (const drive of this.drives) if (drive.content === "torn") drive.content = "foreign";
  }
  #restart(why: string): void {
    this.#life += 1;
    this.#say(`restarts: ${why}`);
    void this.#firmware(this.#life);
  }

  /** True once the time has passed, if nothing cut its power meanwhile. */
  async #passes(life: number, ms: number): Promise<boolean> {
    await this.#sim.clock.pause(ms);
    if (life !== this.#life) return false;
    const { faults } = this.#sim;
    if (faults.strikes("machine loses power")) {
      this.bmc.show("Off");
      this.#commanded("Off");
      return false;
    }
    if (faults.strikes("machine resets itself")) {
      this.#restart("by itself");
      return false;
    }
    return true;
  }

  async #firmware(life: number): Promise<void> {
    if (!(await this.#passes(life, this.#random.between(...POST_MS)))) return;
    const boot = this.bmc.override;
    const net = boot.BootSourceOverrideEnabled !== "Disabled" && boot.BootSourceOverrideTarget === "Pxe";
    if (boot.BootSourceOverrideEnabled === "Once" && !this.#sim.faults.strikes("BMC keeps a one-time override"))
      Object.assign(boot, { BootSourceOverrideTarget: "None", BootSourceOverrideEnabled: "Disabled" });
    if (net && !this.#sim.faults.strikes("machine ignores the boot override")) return this.#netboot(life);
    return this.#disk(life);
  }

  /** Every agent may answer; the first that has a boot for it counts. */
  async #netboot(life: number): Promise<void> {
    for (const host of this.#random.shuffled(this.#hosts())) {
      const script = await this.#ask(host, "GET", "/boot/ipxe", undefined, {
        mac: this.planned.install?.boot.mac ?? "",
      });
      if (life !== this.#life) return;
      const nonce = /turnup\.nonce=(\S+)/.exec(script?.body ?? "")?.[1];
      if (nonce === undefined) continue;
      this.#armed(host, nonce);
      if (!(await this.#passes(life, RAM_MS))) return;
      return this.#ram(life, { nonce, host, commands: [], blank: new Set(), written: undefined, over: false });
    }
    return this.#disk(life);
  }

  /** A5: the script of a boot goes out only until its RAM environment has phoned home. */
  #armed(host: AgentHost, nonce: string): void {
    this.#sim.coverage.rule("A5");
    const boot = host.journal.get<{ hello_at: number | null; closed_at: number | null }>(
      "SELECT hello_at, closed_at FROM boot WHERE nonce = ?",
      nonce,
    );
    if (!boot || boot.hello_at !== null || boot.closed_at !== null)
      this.#sim.violate("A5", `${host.name} gave ${this.planned.name} the script of a boot that is not armed`);
  }

  async #ram(life: number, ram: Ram): Promise<void> {
    this.#say("is in RAM");
    if (!(await this.#hello(life, ram))) return;
    for (let wait = 500; life === this.#life && !ram.over; ) {
      const reply = await this.#ask(ram.host, "POST", "/ramdisk/v1/poll", {
        v: 1,
        nonce: ram.nonce,
        commands: ram.commands,
      });
      if (life !== this.#life) return;
      if (reply?.status === 410) return this.#say("is told that its boot is over");
      if (reply?.status === 409 && !(await this.#hello(life, ram))) return;
      if (reply?.status !== 200) {
        await this.#sim.clock.pause(wait);
        wait = Math.min(wait * 2, HOLD_BACK_MS);
        continue;
      }
      wait = 500;
      const { command } = JSON.parse(reply.body) as { command?: RamdiskCommand };
      if (command && !ram.commands.some((c) => c.id === command.id)) await this.#carryOut(life, ram, command);
    }
  }

  async #hello(life: number, ram: Ram): Promise<boolean> {
    const mac = this.planned.install?.boot.mac;
    for (let wait = 500; life === this.#life; wait = Math.min(wait * 2, HOLD_BACK_MS)) {
      const reply = await this.#ask(ram.host, "POST", "/ramdisk/v1/hello", {
        v: 1,
        nonce: ram.nonce,
        mac,
        serial: this.serial,
      });
      if (reply?.status === 200) return life === this.#life;
      if (reply?.status === 410) {
        this.#sim.coverage.rule("L5");
        return false;
      }
      await this.#sim.clock.pause(wait);
    }
    return false;
  }

  async #carryOut(life: number, ram: Ram, command: RamdiskCommand): Promise<void> {
    const state: CommandState = { id: command.id, state: "running", percent: 0 };
    ram.commands.push(state);
    // That it is at work is told at once, as the real program does.
    void this.#ask(ram.host, "POST", "/ramdisk/v1/poll", { v: 1, nonce: ram.nonce, commands: ram.commands });
    if (!(await this.#passes(life, this.#random.between(500, 4_000)))) return;
    const done = await this.#do(life, ram, command);
    if (life !== this.#life || !done) return;
    if ("code" in done) Object.assign(state, { state: "failed", failure: done });
    else Object.assign(state, { state: "succeeded", percent: 100, result: done.result });
    if (command.kind !== "boot-disk" || "code" in done) return;
    this.#entry = { serial: command.medium.serial, nonce: ram.nonce, host: ram.host };
    // Said once; if it is lost, the first boot tells as much.
    await this.#ask(ram.host, "POST", "/ramdisk/v1/poll", { v: 1, nonce: ram.nonce, commands: ram.commands });
    ram.over = true;
    if (life === this.#life) this.#restart("into its disk");
  }

  async #do(
    life: number,
    ram: Ram,
    command: RamdiskCommand,
  ): Promise<{ result: object } | { code: string; detail: string } | undefined> {
    const refuse = (code: string) => ({ code, detail: `${this.planned.name}: ${command.kind}` });
    if (command.kind === "inventory")
      return {
        result: {
          source: "ramdisk",
          serial: this.serial,
          nics: [
            { name: "eth0", mac: this.planned.install?.boot.mac },
            ...(this.extraNic ? [{ name: "eth1", mac: "02:ff:00:00:00:01" }] : []),
          ],
        },
      };
    const drive = this.drives.find((d) => d.serial === command.medium.serial);
    if (!drive) return refuse("disk_missing");
    if (command.kind === "prove-blank") {
      if (drive.content !== "blank" || ram.written) {
        this.#sim.coverage.rule("T5");
        return refuse("disk_not_blank");
      }
      ram.blank.add(drive.serial);
      return {
        result: { serial: drive.serial, sizeBytes: command.medium.sizeBytes, sampledBlocks: 64, bytesRead: 2 ** 22 },
      };
    }
    if (command.kind === "overwrite") {
      this.#sim.violate("T5", `${this.planned.name} was told to write over ${drive.serial}, which nobody has approved`);
      return refuse("write_failed");
    }
    if (command.kind === "boot-disk")
      return ram.written?.serial === drive.serial ? { result: {} } : refuse("boot_closed");
    if (ram.written)
      return ram.written.serial === drive.serial ? { result: ram.written.proof } : refuse("write_failed");
    if (!ram.blank.has(drive.serial)) {
      this.#sim.violate("T5", `${this.planned.name} was told to write ${drive.serial}, not proven blank in this boot`);
      return refuse("disk_not_blank");
    }
    if (drive.content !== "blank")
      this.#sim.violate("T5", `${drive.serial} is written although it is ${drive.content}`);
    drive.content = "torn";
    const sum = await this.#download(life, ram, command.image, new URL(command.url).pathname);
    if (sum === undefined || life !== this.#life) return undefined;
    drive.content = "image";
    const proof = {
      serial: drive.serial,
      bytes: command.image.sizeBytes,
      wireSha256: sum,
      readBackSha256: sum,
      resumed: 0,
    };
    ram.written = { serial: drive.serial, proof };
    return { result: proof };
  }

  /** Fetches the image in pieces, each as long as it takes, and returns its hash. */
  async #download(life: number, ram: Ram, image: Image, path: string): Promise<string | undefined> {
    const hash = createHash("sha256");
    for (let at = 0, wait = 500; at < image.sizeBytes; ) {
      const range = `bytes=${at}-${Math.min(at + PIECE, image.sizeBytes) - 1}`;
      const reply = await this.#ask(ram.host, "GET", path, undefined, {}, { range, "if-range": `"${image.sha256}"` });
      if (life !== this.#life) return undefined;
      if (reply?.status !== 206) {
        await this.#sim.clock.pause(wait);
        wait = Math.min(wait * 2, HOLD_BACK_MS);
        continue;
      }
      if (!(await this.#passes(life, this.#random.between(500, 3_000)))) return undefined;
      hash.update(reply.body, "latin1");
      at += reply.body.length;
      wait = 500;
      const state = ram.commands.at(-1);
      if (state) state.percent = Math.floor((99 * at) / image.sizeBytes);
      await this.#ask(ram.host, "POST", "/ramdisk/v1/poll", { v: 1, nonce: ram.nonce, commands: ram.commands });
      if (life !== this.#life) return undefined;
    }
    return hash.digest("hex");
  }

  async #disk(life: number): Promise<void> {
    const entry = this.#entry;
    if (!entry || this.drives.find((d) => d.serial === entry.serial)?.content !== "image")
      return this.#say("has nothing to start");
    if (!(await this.#passes(life, OS_MS))) return;
    this.#say("runs its system");
    await this.#phoneHome(life, entry);
  }

  async #phoneHome(
    life: number,
    { nonce, host, serial }: { nonce: string; host: AgentHost; serial: string },
  ): Promise<void> {
    const message = { v: 1, nonce, serial: this.serial, bootedFrom: `disk ${serial}` };
    for (let wait = 500; life === this.#life; wait = Math.min(wait * 2, 3_600_000)) {
      const open = host.alive && isOpen(host, nonce);
      const reply = await this.#ask(host, "POST", "/os/v1/first-boot", message);
      if (reply?.status === 410) this.#sim.coverage.rule("L5");
      if (reply?.status === 200 && !open && !isOpen(host, nonce))
        this.#sim.violate("L5", `${host.name} took a phone-home of ${this.planned.name} for a boot that had ended`);
      if (reply?.status === 200 || reply?.status === 410 || host.retired) return;
      await this.#sim.clock.pause(wait);
    }
  }

  async #ask(
    host: AgentHost,
    method: string,
    path: string,
    body?: unknown,
    query: Record<string, string> = {},
    headers: NetbootRequest["headers"] = {},
  ): Promise<Answer | undefined> {
    const { clock, faults } = this.#sim;
    // Nobody is there any more, or ever will be: asking on changes nothing.
    await clock.pause(host.retired ? 3_600_000 : this.#random.between(1, 8));
    if (faults.strikes("machine's link flaps")) return undefined;
    const text = body === undefined ? "" : JSON.stringify(body);
    const reply = await host.door({
      method,
      path,
      query: new URLSearchParams(query),
      headers,
      body: text,
      from: this.planned.name,
    });
    if (!reply) return undefined;
    return { status: reply.status, body: typeof reply.body === "string" ? reply.body : await whole(reply.body) };
  }
}

const isOpen = (host: AgentHost, nonce: string): boolean =>
  host.journal.get("SELECT 1 FROM boot WHERE nonce = ? AND closed_at IS NULL", nonce) !== undefined;

/** One character for each byte. */
async function whole(body: AsyncIterable<Uint8Array>): Promise<string> {
  let out = "";
  for await (const piece of body) out += Buffer.from(piece).toString("latin1");
  return out;
}
