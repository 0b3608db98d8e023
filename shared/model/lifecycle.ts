/**
 * The lifecycle tables of everything the ledger follows. One table each, used by the coordinator, the importer and
 * the documents; what is not listed here cannot happen.
 */
import type { Problem } from "../errors.ts";

const device = {
  planned: ["installing"],
  installing: ["active", "planned", "failed"],
  active: ["draining", "decommissioning", "failed"],
  draining: ["active", "maintenance", "failed"],
  maintenance: ["active", "draining", "decommissioning", "failed"],
  decommissioning: ["retired", "active", "failed"],
  retired: ["planned"],
  failed: ["installing", "draining", "maintenance", "decommissioning", "active"],
} as const;

const asset = {
  ordered: ["received"],
  received: ["stored", "rma"],
  stored: ["installed", "rma", "decommissioned"],
  installed: ["stored", "rma", "decommissioned"],
  rma: ["stored", "disposed"],
  decommissioned: ["stored", "disposed"],
  disposed: [],
} as const;

const medium = {
  present: ["erasing", "missing", "disposed"],
  erasing: ["erased", "not_erased", "missing"],
  erased: ["present", "disposed"],
  not_erased: ["erasing", "destroyed", "missing"],
  destroyed: ["disposed"],
  missing: ["present", "written_off"],
  written_off: [],
  disposed: [],
} as const;

export const lifecycle = { device, asset, medium } as const;
export type Subject = keyof typeof lifecycle;
export type StateOf<S extends Subject> = keyof (typeof lifecycle)[S] & string;
export type DeviceState = StateOf<"device">;
export type AssetState = StateOf<"asset">;
export type MediumState = StateOf<"medium">;

export const deviceStates = Object.keys(device) as [DeviceState, ...DeviceState[]];
export const assetStates = Object.keys(asset) as [AssetState, ...AssetState[]];
export const mediumStates = Object.keys(medium) as [MediumState, ...MediumState[]];

/** Whether `from → to` is in the table. */
export function mayMove<S extends Subject>(subject: S, from: StateOf<S>, to: StateOf<S>): boolean {
  const table: Readonly<Record<string, readonly string[]>> = lifecycle[subject];
  return table[from]?.includes(to) ?? false;
}

/** The refusal for a move that the table does not have, with what would be allowed instead. */
export function illegalMove<S extends Subject>(subject: S, id: string, from: StateOf<S>, to: StateOf<S>): Problem {
  const table: Readonly<Record<string, readonly string[]>> = lifecycle[subject];
  const allowed = table[from] ?? [];
  return {
    code: "lifecycle_refused",
    detail: `${subject} ${id} is ${from} and cannot become ${to}; from ${from} it may become ${allowed.join(", ") || "nothing"}.`,
  };
}
