import type { AgentActionName, ResultOf } from "../../../shared/actions/index.ts";
import type { Lease } from "../../../shared/protocol/agent.ts";

const results: { [A in AgentActionName]: (lease: Lease) => ResultOf<A> } = {
  "bmc.identify": ({ target }) => ({ serial: target.serial, power: "Off" }),
  "bmc.inventory": () => ({ observed: { source: "bmc" }, differences: [] }),
  "netboot.arm": ({ target }) => ({ boot: "bot_1", mac: target.boot.mac }),
  "bmc.bootOverride": () => ({ before: "None", after: "Pxe" }),
  "bmc.power": () => ({ before: "Off", after: "On", commands: 1 }),
  "ramdisk.await": () => ({ phonedHomeAt: 1 }),
  "ramdisk.inventory": () => ({ observed: { source: "ramdisk" }, differences: [] }),
  "ramdisk.proveBlank": () => ({ serial: "x", sizeBytes: 1, sampledBlocks: 1, bytesRead: 1 }),
  "ramdisk.overwrite": () => ({ serial: "x", bytes: 1, sampledBlocks: 1, bytesRead: 1 }),
  "ramdisk.writeImage": () => ({ serial: "x", bytes: 1, wireSha256: "a", readBackSha256: "a", resumed: 0 }),
  "ramdisk.bootDisk": () => ({ restartedAt: 1 }),
  "os.firstBoot": () => ({ phonedHomeAt: 1 }),
  "bmc.accept": () => ({ checks: [] }),
};

/** What a lease's action succeeds with, for agents that only play their part. */
export const resultOf = (lease: Lease): unknown => results[lease.action as AgentActionName](lease);
