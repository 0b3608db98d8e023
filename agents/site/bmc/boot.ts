import { z } from "zod";
import type { BmcResponse } from "./owner.ts";
import {
  type Bmc,
  type Boot,
  Link,
  loose,
  read,
  readOptional,
  readSystem,
  refusal,
  type SystemView,
} from "./redfish.ts";

export interface Override {
  target: "Pxe" | "None";
  mode: "UEFI";
}

const Settings = z.object({
  Boot: loose(
    z.object({
      BootSourceOverrideTarget: loose(z.string()),
      BootSourceOverrideEnabled: loose(z.string()),
      BootSourceOverrideMode: loose(z.string()),
    }),
  ),
});

interface Place {
  path: string;
  etag: string | undefined;
  boot: Boot;
}

/** Where the boot override lives: the system, or its settings resource where that carries one (B12). */
async function place(bmc: Bmc, system: SystemView): Promise<Place> {
  const own: Place = { path: system.path, etag: system.etag, boot: system.raw.Boot ?? {} };
  const link = Link.safeParse(system.raw["@Redfish.Settings"]?.SettingsObject);
  if (!link.success) return own;
  const path = link.data["@odata.id"];
  const body = Settings.safeParse(await readOptional(bmc, path));
  const boot = body.data?.Boot;
  if (!boot || Object.values(boot).every((v) => v === undefined || v === null)) return own;
  const { etag } = await read(bmc, path);
  return { path, etag, boot };
}

/** Whether this override is in force. Only Enabled other than Disabled means that one is set (B15). */
export function isSet(boot: Boot, want: Override): boolean {
  const enabled = boot.BootSourceOverrideEnabled ?? "Disabled";
  if (want.target === "None") return enabled === "Disabled" || boot.BootSourceOverrideTarget === "None";
  const mode = boot.BootSourceOverrideMode;
  return boot.BootSourceOverrideTarget === want.target && enabled !== "Disabled" && (!mode || mode === want.mode);
}

export const bootWords = (boot: Boot): string =>
  [boot.BootSourceOverrideTarget ?? "None", boot.BootSourceOverrideEnabled ?? "Disabled", boot.BootSourceOverrideMode]
    .filter(Boolean)
    .join(" ");

/** The override as the BMC tells it now. */
export async function readBoot(bmc: Bmc): Promise<Boot> {
  return (await place(bmc, await readSystem(bmc))).boot;
}

/** Writes the override once. Whether it was taken is seen only by reading it again. */
export async function writeBoot(bmc: Bmc, system: SystemView, want: Override): Promise<void> {
  const at = await place(bmc, system);
  const full: Boot = {
    BootSourceOverrideTarget: want.target,
    BootSourceOverrideEnabled: want.target === "None" ? "Disabled" : "Once",
    // A BMC that shows no mode has none to set (B7).
    ...(at.boot.BootSourceOverrideMode && want.target !== "None" && { BootSourceOverrideMode: want.mode }),
  };
  const changed = Object.fromEntries(
    Object.entries(full).filter(
      ([key, value]) => key === "BootSourceOverrideTarget" || value !== at.boot[key as keyof Boot],
    ),
  );
  const body = system.quirks.bootPatch === "changed" ? changed : full;
  const response = await patch(bmc, system.login, at, body);
  if (response.status < 300) return;
  const { BootSourceOverrideMode: mode, ...short } = full;
  if (response.status === 400 && mode !== undefined) {
    // B7: some reject the mode beside the target.
    const again = await patch(bmc, system.login, at, short);
    if (again.status < 300) return;
  }
  throw refusal(bmc, "the boot override", response);
}

/** B1, B2: the ETag as given, then without its weak mark, then none; "any" only where a precondition is demanded. */
async function patch(bmc: Bmc, login: number, at: Place, boot: object): Promise<BmcResponse> {
  const tags: (string | undefined)[] = at.etag
    ? [at.etag, ...(at.etag.startsWith("W/") ? [at.etag.slice(2)] : []), undefined]
    : [undefined];
  const send = (tag: string | undefined) =>
    bmc.owner.send(bmc.fence, "PATCH", at.path, {
      login,
      body: { Boot: boot },
      headers: tag === undefined ? {} : { "if-match": tag },
    });
  let last: BmcResponse | undefined;
  for (const tag of tags) {
    last = await send(tag);
    if (last.status === 428) return await send("*");
    if (last.status !== 412) return last;
  }
  return last ?? (await send(undefined));
}
