import { createHash } from "node:crypto";
import type { PlanTarget } from "../../../shared/model/plan.ts";
import type { CommandState, RamdiskCommand } from "../../../shared/protocol/ramdisk.ts";
import { type FakeBmc, type FakeBmcOptions, fakeBmc } from "./fake-bmc.ts";

/** A machine behind its BMC: asks for its boot script when it is switched on, and does as it is told, fast. */
export interface FakeMachine {
  target: PlanTarget;
  bmc: FakeBmc;
  /** What happened to its disk and its boots. */
  events: string[];
  /** Holds its image write up until released. */
  holdWrite: Promise<void> | undefined;
  stop(): void;
}

export function fakeMachine(target: PlanTarget, agentUrl: () => string, options: FakeBmcOptions = {}): FakeMachine {
  let life = 0;
  let stopped = false;
  let written: CommandState | undefined;

  /** Talks to the agent until it answers: an agent that was killed comes back. */
  const ask = async (path: string, body?: unknown): Promise<Response | undefined> => {
    for (let i = 0; i < 300 && !stopped; i++) {
      try {
        const message: RequestInit = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
        return await fetch(`${agentUrl()}${path}`, { ...message, signal: AbortSignal.timeout(30_000) });
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    return undefined;
  };

  const execute = async (command: RamdiskCommand): Promise<CommandState> => {
    const done = (result: NonNullable<CommandState["result"]>): CommandState => ({
      id: command.id,
      state: "succeeded",
      percent: 100,
      result,
    });
    switch (command.kind) {
      case "inventory":
        return done({ source: "ramdisk", serial: target.serial, nics: [{ name: "eth0", mac: target.boot.mac }] });
      case "prove-blank":
        return done({
          serial: command.medium.serial,
          sizeBytes: command.medium.sizeBytes,
          sampledBlocks: 3,
          bytesRead: 9,
        });
      case "overwrite":
        return done({ serial: command.medium.serial, bytes: command.medium.sizeBytes, sampledBlocks: 3, bytesRead: 9 });
      case "write-image": {
        if (written) return { ...written, id: command.id };
        machine.events.push(`write ${life}`);
        await machine.holdWrite;
        const path = new URL(command.url).pathname;
        const bytes = Buffer.from((await (await ask(path))?.arrayBuffer()) ?? new ArrayBuffer(0));
        const sha = createHash("sha256").update(bytes).digest("hex");
        written = done({
          serial: command.medium.serial,
          bytes: bytes.length,
          wireSha256: sha,
          readBackSha256: sha,
          resumed: 0,
        });
        return written;
      }
      case "boot-disk":
        return done({});
    }
  };

  const ram = async (nonce: string, mine: number): Promise<void> => {
    const { mac } = target.boot;
    await ask("/ramdisk/v1/hello", { v: 1, nonce, mac, serial: target.serial });
    const commands: CommandState[] = [];
    while (mine === life && !stopped) {
      const reply = await ask("/ramdisk/v1/poll", { v: 1, nonce, commands });
      if (!reply || reply.status === 410) return;
      const { command } = (await reply.json()) as { command?: RamdiskCommand };
      if (!command) continue;
      commands.push(await execute(command));
      if (command.kind !== "boot-disk") continue;
      await ask("/ramdisk/v1/poll", { v: 1, nonce, commands });
      const bootedFrom = `disk ${command.medium.serial}`;
      machine.events.push("first-boot");
      await ask("/os/v1/first-boot", { v: 1, nonce, serial: target.serial, bootedFrom });
      return;
    }
  };

  const start = async (mine: number): Promise<void> => {
    const { boot } = machine.bmc.state;
    if (boot.BootSourceOverrideTarget !== "Pxe" || boot.BootSourceOverrideEnabled === "Disabled") return;
    boot.BootSourceOverrideEnabled = "Disabled";
    const script = await (await ask(`/boot/ipxe?mac=${target.boot.mac}`))?.text();
    const nonce = /turnup\.nonce=(\S+)/.exec(script ?? "")?.[1];
    machine.events.push(nonce ? "ram" : "disk");
    if (nonce) await ram(nonce, mine);
  };

  const machine: FakeMachine = {
    target,
    bmc: fakeBmc(target.serial, options),
    events: [],
    holdWrite: undefined,
    stop() {
      stopped = true;
      life += 1;
    },
  };
  machine.bmc.onPower = (power) => {
    life += 1;
    machine.events.push(`power ${power}`);
    if (power === "On") void start(life);
  };
  return machine;
}
