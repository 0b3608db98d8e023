import { bmcHandlers } from "./bmc-handlers.ts";
import { ramdiskHandlers } from "./ramdisk-handlers.ts";
import type { Handlers } from "./step.ts";

/** Every action of the agent. One that is missing does not compile. */
export const handlers: Handlers = { ...bmcHandlers, ...ramdiskHandlers };
