import { serverInstall } from "./server-install.ts";
import type { Workflow } from "./workflow.ts";

/** Every workflow, by the name that a request gives. */
export const workflows: ReadonlyMap<string, Workflow> = new Map([serverInstall].map((w) => [w.name, w]));
