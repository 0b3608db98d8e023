import { serverInstall } from "./server-install.ts";
import { serverReinstall } from "./server-reinstall.ts";
import type { Workflow } from "./workflow.ts";

/** Every workflow, by the name that a request gives. */
export const workflows: ReadonlyMap<string, Workflow> = new Map(
  [serverInstall, serverReinstall].map((w) => [w.name, w]),
);
