import type { z } from "zod";
import type { ActionSpec } from "./action.ts";
import { bmcActions } from "./bmc.ts";
import { netbootActions } from "./netboot.ts";
import { ramdiskActions } from "./ramdisk.ts";

/** Every action there is. Workflows plan with it; the agent's handler map is checked against it by the compiler. */
export const actions = { ...bmcActions, ...netbootActions, ...ramdiskActions } as const;

export type Actions = typeof actions;
export type ActionName = keyof Actions;
export type ParamsOf<A extends ActionName> = z.infer<Actions[A]["params"]>;
export type ResultOf<A extends ActionName> = z.infer<Actions[A]["result"]>;

/** Actions that the site's agent runs. */
export type AgentActionName = { [A in ActionName]: Actions[A]["executor"] extends "agent" ? A : never }[ActionName];

export const isActionName = (name: string): name is ActionName => Object.hasOwn(actions, name);
export const actionSpec = (name: ActionName): ActionSpec => actions[name];
