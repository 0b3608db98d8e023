/**
 * The program that runs inside the machine being installed. It phones home with the boot's nonce, asks what to do, does
 * it and says how it went. It refuses by itself what may not be: a write without its own proof, in this boot, that the
 * drive is blank, or the agent's word that an approved plan names the drive; and a second write in one boot (T5).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { BlankProof, OverwriteProof, WriteProof } from "../../shared/actions/ramdisk.ts";
import { type Outcome, ok, refuse } from "../../shared/errors.ts";
import type { Image } from "../../shared/model/site.ts";
import {
  type CommandState,
  POLL_HOLD_MS,
  RAMDISK_PROTOCOL,
  type RamdiskCommand,
  type RamdiskHello,
  type RamdiskPoll,
  RamdiskPollReply,
  STATUS_MS,
} from "../../shared/protocol/ramdisk.ts";
import { proveBlank } from "./blank.ts";
import { DriveError, type Medium, type RamdiskHardware, type Scratch } from "./hardware.ts";
import { overwrite } from "./overwrite.ts";
import { type Fetch, holdsImage, writeImage } from "./write-image.ts";

/** Waits between tries to reach the agent, ms. It may be restarting; the machine has nothing better to do. */
const RETRY_MS = 200;
const MAX_RETRY_MS = 2_000;
/** An answer that takes this much longer than a poll is held comes from nobody, ms: a dead host sends no reset. */
const PATIENCE_MS = POLL_HOLD_MS + 10_000;

/** All that a boot knows about itself; kept where a restarted program finds it, gone with the boot. */
export interface RamState {
  hello: boolean;
  commands: CommandState[];
  /** What each command that has not ended was. */
  open: RamdiskCommand[];
  /** Serials of drives proven blank in this boot. */
  blank: string[];
  /** The one write of this boot. */
  write?: { serial: string; image: string; offset: number; proof?: WriteProof };
  /** Drives whose overwriting has begun in this boot, by serial. Absent in the memory of an older program. */
  zeroed?: Record<string, { offset: number; proof?: OverwriteProof }>;
  /** Id of the command after which it restarts. */
  bootDisk?: string;
}

/** What a watcher of the machine may see; a real machine has a console there. */
export interface RamEvents {
  command(kind: RamdiskCommand["kind"], edge: "start" | "end"): void;
  write(edge: "start" | "resume" | "verified", serial: string): void;
  /** Zeros are written over a whole drive. */
  overwrite(edge: "start" | "resume" | "verified", serial: string): void;
}

export interface RamdiskOptions {
  agentUrl: string;
  nonce: string;
  hardware: RamdiskHardware;
  scratch: Scratch<RamState>;
  fetch: Fetch;
  events: RamEvents;
  /** Aborted when the machine loses power. */
  signal: AbortSignal;
}

/** Runs until the machine restarts, loses power, or the agent says that this boot is over. */
export async function runRamdisk(options: RamdiskOptions): Promise<"restarting" | "boot-closed" | "power-lost"> {
  const program = new Program(options);
  try {
    return await program.run();
  } catch (error) {
    if (options.signal.aborted) return "power-lost";
    throw error;
  }
}

class Program {
  readonly #o: RamdiskOptions;
  readonly #state: RamState;
  #changed: (() => void) | undefined;
  #dirty = false;
  #closed = false;
  /** Aborted when this boot's work is over: the machine lost power, restarts, or the boot was closed. */
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #working = new Set<Promise<void>>();
  #writing: Promise<Outcome<WriteProof>> | undefined;
  /** By serial. */
  readonly #zeroing = new Map<string, Promise<Outcome<OverwriteProof>>>();

  constructor(options: RamdiskOptions) {
    this.#o = options;
    this.#state = options.scratch.load() ?? { hello: false, commands: [], open: [], blank: [] };
    this.#signal = AbortSignal.any([options.signal, this.#over.signal]);
  }

  async run(): Promise<"restarting" | "boot-closed"> {
    try {
      const end = await this.#talk();
      if (end === "restarting") await this.#sayRestart();
      await this.#stop();
      // A machine that lost power meanwhile is off, and stays off.
      this.#o.signal.throwIfAborted();
      if (end === "restarting") this.#o.hardware.restart();
      return end;
    } finally {
      await this.#stop();
    }
  }

  /** Nothing of it touches a drive after this. */
  async #stop(): Promise<void> {
    this.#over.abort();
    await Promise.allSettled(this.#working);
  }

  async #talk(): Promise<"restarting" | "boot-closed"> {
    if (!this.#state.hello) await this.#hello();
    // A program that was restarted within its boot goes on with what it was doing.
    for (const command of [...this.#state.open]) this.#begin(command);
    for (let retry = RETRY_MS; ; ) {
      this.#o.signal.throwIfAborted();
      if (this.#restartIsDue()) return "restarting";
      if (this.#closed) return "boot-closed";
      this.#dirty = false;
      const first = await Promise.race([this.#poll(), this.#change()]);
      if (first === "answered") retry = RETRY_MS;
      if (first !== "failed" || this.#closed) continue;
      await Promise.race([sleep(retry, undefined, { signal: this.#o.signal }), this.#change()]);
      retry = Math.min(retry * 2, MAX_RETRY_MS);
    }
  }

  #restartIsDue(): boolean {
    return this.#state.commands.some((c) => c.state === "succeeded" && c.id === this.#state.bootDisk);
  }

  /** Resolves when there is something new to report. */
  #change(): Promise<"changed"> {
    return new Promise((resolve) => {
      if (this.#dirty) return resolve("changed");
      this.#changed = () => resolve("changed");
    });
  }

  #tell(): void {
    this.#dirty = true;
    this.#changed?.();
  }

  async #hello(): Promise<void> {
    const { hardware, nonce, signal } = this.#o;
    const hello: RamdiskHello = { v: RAMDISK_PROTOCOL, nonce, mac: hardware.mac, serial: hardware.serial() };
    for (let retry = RETRY_MS; ; retry = Math.min(retry * 2, MAX_RETRY_MS)) {
      const response = await this.#post("/ramdisk/v1/hello", hello);
      if (this.#closed) return;
      if (response?.ok) {
        this.#state.hello = true;
        this.#save();
        return;
      }
      await sleep(retry, undefined, { signal });
    }
  }

  async #poll(): Promise<"answered" | "failed"> {
    const message: RamdiskPoll = { v: RAMDISK_PROTOCOL, nonce: this.#o.nonce, commands: this.#state.commands };
    const response = await this.#post("/ramdisk/v1/poll", message);
    if (response?.status === 409) await this.#hello();
    if (!response?.ok) return "failed";
    const reply = RamdiskPollReply.safeParse(await response.json().catch(() => undefined));
    if (!reply.success) return "failed";
    const { command } = reply.data;
    // Two polls may be under way; both may bring the same command.
    if (command && !this.#state.commands.some((c) => c.id === command.id)) this.#begin(command);
    return "answered";
  }

  async #post(path: string, body: unknown): Promise<Response | undefined> {
    const { agentUrl, fetch, signal } = this.#o;
    try {
      const response = await fetch(agentUrl + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
      });
      // L5: this nonce is of no live boot; nothing more is done for it, and nobody would hear of it.
      if (response.status === 410) this.#closed = true;
      return response;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  #begin(command: RamdiskCommand): void {
    if (this.#signal.aborted) return;
    const work = this.#carryOut(command).finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  async #carryOut(command: RamdiskCommand): Promise<void> {
    const state: CommandState = { id: command.id, state: "running", percent: 0 };
    const known = this.#state.commands.findIndex((c) => c.id === command.id);
    if (known === -1) this.#state.commands.push(state);
    else this.#state.commands[known] = state;
    if (!this.#state.open.some((c) => c.id === command.id)) this.#state.open.push(command);
    this.#save();
    this.#o.events.command(command.kind, "start");
    const done = await this.#outcome(command);
    if (this.#o.signal.aborted) return;
    this.#o.events.command(command.kind, "end");
    if (done.ok) Object.assign(state, { state: "succeeded", percent: 100, result: done.value });
    else Object.assign(state, { state: "failed", failure: { code: done.problem.code, detail: done.problem.detail } });
    this.#state.open = this.#state.open.filter((c) => c.id !== command.id);
    this.#save();
    this.#tell();
  }

  async #outcome(command: RamdiskCommand): Promise<Outcome<unknown>> {
    try {
      return await this.#do(command);
    } catch (error) {
      if (error instanceof DriveError) return refuse("write_failed", error.message);
      if (this.#signal.aborted) return refuse("boot_closed", "The boot ended during the command.");
      return refuse(
        "agent_defect",
        `The RAM environment failed at ${command.kind}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  #do(command: RamdiskCommand): Promise<Outcome<unknown>> {
    switch (command.kind) {
      case "inventory":
        return this.#o.hardware.inventory().then((seen) => ok(seen));
      case "prove-blank":
        return this.#prove(command.medium);
      case "overwrite":
        return this.#overwrite(command);
      case "write-image":
        return this.#write(command);
      case "boot-disk":
        return this.#bootEntry(command);
    }
  }

  /** The drive by its serial; its size must be the planned one as well. */
  #medium(ref: { serial: string; sizeBytes: number }): Outcome<Medium> {
    const found = this.#o.hardware.media().find((m) => m.drive.serial === ref.serial);
    if (!found) return refuse("disk_missing", `There is no drive ${ref.serial} in this machine.`);
    if (found.drive.sizeBytes !== ref.sizeBytes) {
      return refuse(
        "disk_missing",
        `The drive ${ref.serial} has ${found.drive.sizeBytes} bytes, not ${ref.sizeBytes} as planned.`,
      );
    }
    return ok(found);
  }

  async #prove(ref: { serial: string; sizeBytes: number }): Promise<Outcome<BlankProof>> {
    const { write, blank } = this.#state;
    // After our own write it is not blank, and that proves nothing about what was there before.
    if (write?.serial === ref.serial)
      return refuse("disk_not_blank", `The drive ${ref.serial} was written in this boot.`);
    const medium = this.#medium(ref);
    if (!medium.ok) return medium;
    const proof = await proveBlank(medium.value, this.#o.nonce);
    if (proof.ok && !blank.includes(ref.serial)) blank.push(ref.serial);
    return proof;
  }

  async #write({
    medium: ref,
    image,
    url,
    over,
  }: Extract<RamdiskCommand, { kind: "write-image" }>): Promise<Outcome<WriteProof>> {
    const { serial } = ref;
    const medium = this.#medium(ref);
    if (!medium.ok) return medium;
    if (this.#state.zeroed?.[serial])
      return refuse("write_failed", `This boot writes zeros over ${serial}; it takes no image.`);
    const before = this.#state.write;
    if (before && (before.serial !== serial || before.image !== image.sha256)) {
      return refuse("write_failed", `This boot has written ${before.serial} already; one boot writes once.`);
    }
    if (before?.proof) return ok(before.proof);
    // The same write asked for again joins the one at work.
    if (this.#writing) return this.#writing;
    if (over !== true && !this.#state.blank.includes(serial))
      return refuse("disk_not_blank", `This boot holds no proof that ${serial} is blank; nothing is written.`);
    const write = before ?? { serial, image: image.sha256, offset: 0 };
    this.#state.write = write;
    this.#save();
    this.#o.events.write(before ? "resume" : "start", serial);
    this.#writing = this.#stream(medium.value, image, url, write);
    try {
      const done = await this.#writing;
      if (done.ok) {
        this.#o.events.write("verified", serial);
        this.#state.write = { ...write, proof: done.value };
      }
      return done;
    } finally {
      this.#writing = undefined;
    }
  }

  async #overwrite({ medium: ref }: Extract<RamdiskCommand, { kind: "overwrite" }>): Promise<Outcome<OverwriteProof>> {
    const { serial } = ref;
    const medium = this.#medium(ref);
    if (!medium.ok) return medium;
    if (this.#state.write?.serial === serial)
      return refuse("write_failed", `This boot has written an image to ${serial}; it is not written over.`);
    const all = this.#state.zeroed ?? {};
    this.#state.zeroed = all;
    const before = all[serial];
    if (before?.proof) return ok(before.proof);
    // The same asked for again joins the one at work.
    const atWork = this.#zeroing.get(serial);
    if (atWork) return atWork;
    const mine = before ?? { offset: 0 };
    all[serial] = mine;
    this.#save();
    this.#o.events.overwrite(before ? "resume" : "start", serial);
    const work = overwrite({
      medium: medium.value,
      from: mine.offset,
      nonce: this.#o.nonce,
      zeroed: (bytes) => {
        mine.offset = bytes;
        this.#save();
      },
      progress: this.#progressOf((c) => c.kind === "overwrite" && c.medium.serial === serial),
      signal: this.#signal,
    });
    this.#zeroing.set(serial, work);
    try {
      const done = await work;
      if (done.ok) {
        this.#o.events.overwrite("verified", serial);
        mine.proof = done.value;
      }
      return done;
    } finally {
      this.#zeroing.delete(serial);
    }
  }

  /** Shows how far it is at all commands that this is the work of, those that joined it as well. */
  #progressOf(of: (command: RamdiskCommand) => boolean): (percent: number) => void {
    let toldAt = Date.now();
    return (percent) => {
      const ids = this.#state.open.filter(of).map((c) => c.id);
      for (const each of this.#state.commands) if (ids.includes(each.id)) each.percent = Math.floor(percent);
      if (Date.now() - toldAt < STATUS_MS) return;
      toldAt = Date.now();
      this.#tell();
    };
  }

  #stream(
    medium: Medium,
    image: Image,
    url: string,
    write: NonNullable<RamState["write"]>,
  ): Promise<Outcome<WriteProof>> {
    const progress = this.#progressOf((c) => c.kind === "write-image");
    const written = (bytes: number) => {
      write.offset = bytes;
      this.#save();
    };
    const { fetch } = this.#o;
    return writeImage({ medium, image, url, from: write.offset, fetch, written, progress, signal: this.#signal });
  }

  async #bootEntry({
    id,
    medium,
    phoneHome,
    image,
  }: Extract<RamdiskCommand, { kind: "boot-disk" }>): Promise<Outcome<object>> {
    const { write } = this.#state;
    if (write?.serial !== medium.serial || !write.proof) {
      if (!image || write)
        return refuse("boot_closed", `The drive ${medium.serial} was not written and verified in this boot.`);
      // Written and verified by an earlier boot of the same plan: what lies there decides.
      const found = this.#medium(medium);
      if (!found.ok) return found;
      const holds = await holdsImage(found.value, image, this.#signal);
      if (!holds.ok) return holds;
    }
    this.#state.bootDisk = id;
    await this.#o.hardware.setBootEntry({ serial: medium.serial, nonce: this.#o.nonce, phoneHome });
    return ok({});
  }

  /** Says that it restarts; a message that is lost is made up for by the first boot. */
  async #sayRestart(): Promise<void> {
    const message: RamdiskPoll = { v: RAMDISK_PROTOCOL, nonce: this.#o.nonce, commands: this.#state.commands };
    const told = this.#post("/ramdisk/v1/poll", message).catch(() => undefined);
    await Promise.race([told, sleep(STATUS_MS, undefined, { signal: this.#o.signal })]);
  }

  #save(): void {
    this.#o.scratch.save(this.#state);
  }
}
