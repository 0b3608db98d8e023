import { type Fault, type Outcome, ok, refuse } from "../../errors.ts";
import type { DeviceTypeCatalog } from "../device-type/catalog.ts";
import { ResolvedSite } from "../site.ts";
import { checkCables } from "./cables.ts";
import { checkClasses } from "./classes.ts";
import { checkDevices } from "./devices.ts";
import type { Draft } from "./draft.ts";
import { Faults, MAX_FAULTS } from "./faults.ts";
import { checkImages, checkSite } from "./head.ts";
import { checkNames } from "./names.ts";
import { checkNetworks } from "./network.ts";
import { checkActions } from "./per-action.ts";
import { checkRacks } from "./racks.ts";
import { resolveSite } from "./resolve.ts";
import { SiteFile } from "./schema.ts";
import { readShape } from "./shape.ts";

/**
 * Judges a site file against the device types at hand and resolves every name in it. Pure: the CLI runs it on the file
 * and the control plane on the same document again. All faults are collected (`validation_failed`, each with its JSON
 * pointer, a stable code and what to write instead); of a file with faults nothing is taken. `libraryFaults` are those
 * of device-type libraries that could not be read: they are the file's too, and types that may be lost with them are
 * not missed one by one.
 */
export function validateSiteFile(
  document: unknown,
  types: DeviceTypeCatalog,
  libraryFaults: readonly Fault[] = [],
): Outcome<ResolvedSite> {
  const faults = new Faults();
  for (const { code, pointer, text, write } of libraryFaults) faults.add(code, pointer, text, write ?? "");
  const file = readShape(SiteFile, document, faults);
  const devices = file ? check({ file, types, faults, typesIncomplete: libraryFaults.length > 0 }) : [];
  if (faults.total > 0 || !file) {
    const cut = faults.total > MAX_FAULTS ? `, of which the first ${MAX_FAULTS} are listed` : "";
    const count = faults.total === 1 ? "1 fault" : `${faults.total} faults`;
    return refuse("validation_failed", `The site file has ${count}${cut}.`, faults.list);
  }
  return ok(ResolvedSite.parse(resolveSite(file, devices)));
}

function check(draft: Draft) {
  const images = checkImages(draft);
  checkSite(draft);
  checkActions(draft.file.atOnce?.actions, "/atOnce/actions", draft.faults);
  const networks = checkNetworks(draft);
  checkNames(draft.file.racks, "/racks", draft.faults);
  const classes = checkClasses(draft, images);
  const devices = checkDevices(draft, classes, networks);
  networks.judge();
  checkRacks(draft, devices);
  checkCables(draft, devices);
  return devices;
}
