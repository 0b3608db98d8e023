/** Reading a Redfish service: by links, never by guessed URIs, with answers that may lack anything. */
import { z } from "zod";
import { type PowerState, PowerState as PowerStates } from "../../../shared/actions/bmc.ts";
import { TurnupError } from "../../../shared/errors.ts";
import { sameText } from "../../../shared/model/inventory.ts";
import type { PlanTarget } from "../../../shared/model/plan.ts";
import type { BmcOwner, BmcResponse, Fence } from "./owner.ts";
import { type Quirks, quirksOf, realText } from "./quirks.ts";

/** A BMC in one attempt: its owner and the fence that each call passes. */
export interface Bmc {
  owner: BmcOwner;
  fence: Fence;
  /** Address for messages. */
  name: string;
}

/** An optional field of which a wrong type is as good as none. */
export const loose = <T extends z.ZodType>(type: T) => type.nullish().catch(undefined);
const text = loose(z.string());
export const Link = z.object({ "@odata.id": z.string() });

const Boot = z.object({
  BootSourceOverrideTarget: text,
  BootSourceOverrideEnabled: text,
  BootSourceOverrideMode: text,
});
export type Boot = z.infer<typeof Boot>;

const System = z.object({
  "@odata.id": text,
  Manufacturer: text,
  Model: text,
  SerialNumber: text,
  SKU: text,
  PowerState: text,
  Boot: loose(Boot),
  Bios: loose(Link),
  Processors: loose(Link),
  Memory: loose(Link),
  Storage: loose(Link),
  SimpleStorage: loose(Link),
  EthernetInterfaces: loose(Link),
  "@Redfish.Settings": loose(z.object({ SettingsObject: loose(Link) })),
  Actions: loose(
    z.object({
      "#ComputerSystem.Reset": loose(
        z.object({
          target: text,
          "ResetType@Redfish.AllowableValues": loose(z.array(z.string())),
          "@Redfish.ActionInfo": text,
        }),
      ),
    }),
  ),
});

export interface SystemView {
  path: string;
  /** The login in which it was read: writes that rest on it go out in the same one (T2). */
  login: number;
  etag: string | undefined;
  raw: z.infer<typeof System>;
  quirks: Quirks;
  manufacturer: string | undefined;
  model: string | undefined;
  /** The identity as the vendor gives it; undefined where the BMC tells none. */
  serial: string | undefined;
  power: PowerState;
}

const MessageIds = z.object({
  error: z.object({
    "@Message.ExtendedInfo": z
      .array(z.object({ MessageId: z.string() }))
      .or(z.object({ MessageId: z.string() }).transform((m) => [m])),
  }),
});

/** Why a BMC refused: status and message ids. Its free text stays out: some echo what was sent to them (A7). */
export function refusal(bmc: Bmc, what: string, response: BmcResponse): TurnupError {
  const ids = MessageIds.safeParse(response.json);
  const said = ids.success
    ? ids.data.error["@Message.ExtendedInfo"]
        .map((m) => m.MessageId)
        .filter((id) => /^[A-Za-z0-9_.-]{1,80}$/.test(id))
        .slice(0, 3)
        .join(", ")
    : "";
  const code = response.status === 403 ? "bmc_auth_failed" : "bmc_error";
  return new TurnupError({
    code,
    detail: `The BMC ${bmc.name} answered ${response.status}${said ? ` (${said})` : ""} to ${what}.`,
  });
}

/** Reads a resource by its link; throws unless it is there. */
export async function read(bmc: Bmc, path: string): Promise<BmcResponse> {
  const response = await bmc.owner.send(bmc.fence, "GET", path);
  if (response.status !== 200) throw refusal(bmc, `a read of ${path}`, response);
  return response;
}

/** Reads what may be missing: undefined when the BMC has no such resource, or not now (T16 of the hardware notes). */
export async function readOptional(bmc: Bmc, path: string): Promise<unknown> {
  const response = await bmc.owner.send(bmc.fence, "GET", path);
  if (response.status === 200) return response.json;
  if ([400, 404, 405, 501].includes(response.status)) return undefined;
  throw refusal(bmc, `a read of ${path}`, response);
}

const Page = z.object({
  Members: loose(z.array(Link)),
  "Members@odata.nextLink": text,
});
/** Members and pages of one collection that are read at most: the model is a graph (S10, S11). */
const MAX_MEMBERS = 256;

/** Links of a collection's members, over all of its pages; undefined when there is no such collection. */
export async function members(bmc: Bmc, path: string): Promise<string[] | undefined> {
  const out = new Set<string>();
  const seen = new Set<string>();
  let next: string | null | undefined = path;
  let found = false;
  while (next && !seen.has(next) && out.size < MAX_MEMBERS) {
    seen.add(next);
    const page = Page.safeParse(await readOptional(bmc, next));
    if (!page.success) break;
    found = true;
    for (const m of page.data.Members ?? []) if (out.size < MAX_MEMBERS) out.add(m["@odata.id"]);
    next = page.data["Members@odata.nextLink"];
  }
  return found ? [...out] : undefined;
}

function view(path: string, response: BmcResponse): SystemView | undefined {
  const parsed = System.safeParse(response.json);
  if (!parsed.success) return undefined;
  const raw = parsed.data;
  const quirks = quirksOf(raw.Manufacturer ?? undefined);
  const power = PowerStates.safeParse(raw.PowerState);
  return {
    path,
    login: response.login,
    etag: response.etag,
    raw,
    quirks,
    manufacturer: realText(raw.Manufacturer),
    model: realText(raw.Model),
    serial: realText(raw[quirks.identity]),
    power: power.success ? power.data : "Unknown",
  };
}

/** Reads the host's system. Of several members it is the one that boots (hardware notes 0.1); found once per session. */
export async function readSystem(bmc: Bmc): Promise<SystemView> {
  const { owner, fence, name } = bmc;
  const known = owner.memo.get("system");
  if (typeof known === "string") {
    const found = view(known, await read(bmc, known));
    if (found) return found;
  }
  const root = await owner.root(fence);
  const paths = root.Systems ? await members(bmc, root.Systems["@odata.id"]) : undefined;
  let only: SystemView | undefined;
  for (const path of paths ?? []) {
    const found = view(path, await read(bmc, path));
    if (!found) continue;
    if (found.raw.Boot || found.raw.Bios || paths?.length === 1) {
      owner.memo.set("system", path);
      return found;
    }
    only ??= found;
  }
  if (!only) throw new TurnupError({ code: "bmc_error", detail: `The BMC ${name} shows no system.` });
  owner.memo.set("system", only.path);
  return only;
}

/** T2: compares the serial at the device with the planned one, by aliases too, without case. Throws unless it is the same. */
export function checkIdentity(system: SystemView, target: Pick<PlanTarget, "name" | "serial" | "aliases">): string {
  if (system.serial === undefined)
    throw new TurnupError({
      code: "identity_unreadable",
      detail: `The BMC of ${target.name} tells no serial (field ${system.quirks.identity}).`,
    });
  const { serial } = system;
  if (![target.serial, ...target.aliases].some((s) => sameText(s, serial)))
    throw new TurnupError({
      code: "identity_mismatch",
      detail: `${target.name} should be ${target.serial}, but the machine there says ${serial}.`,
    });
  return serial;
}
