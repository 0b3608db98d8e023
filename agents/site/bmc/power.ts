import { z } from "zod";
import { TurnupError } from "../../../shared/errors.ts";
import { type Bmc, loose, readOptional, readSystem, refusal, type SystemView } from "./redfish.ts";

const ActionInfo = z.object({
  Parameters: loose(z.array(z.object({ Name: loose(z.string()), AllowableValues: loose(z.array(z.string())) }))),
});

/** Reset types that bring a state about, best first. */
const wanted = { On: ["On", "ForceOn"], Off: ["ForceOff"], Shutdown: ["GracefulShutdown"] } as const;

/** Whether the BMC says that it can ask the system to shut down; one that says nothing is not taken to. */
export const canShutDown = async (bmc: Bmc, system: SystemView): Promise<boolean> =>
  (await offered(bmc, system))?.includes("GracefulShutdown") ?? false;

/** The reset types that the BMC offers: inline, else by ActionInfo, else undefined: it may be tried (hardware notes 0.3). */
async function offered(bmc: Bmc, system: SystemView): Promise<string[] | undefined> {
  const action = system.raw.Actions?.["#ComputerSystem.Reset"];
  const inline = action?.["ResetType@Redfish.AllowableValues"];
  if (inline) return inline;
  const link = action?.["@Redfish.ActionInfo"];
  if (!link) return undefined;
  const info = ActionInfo.safeParse(await readOptional(bmc, link));
  return info.data?.Parameters?.find((p) => p.Name === "ResetType")?.AllowableValues ?? undefined;
}

/**
 * Sends one power command. "Already so" is a success in every dialect: 409, 400 or 204 (P2). It does not wait for the
 * effect: a 2xx proves nothing.
 */
export async function commandPower(
  bmc: Bmc,
  system: SystemView,
  want: keyof typeof wanted,
): Promise<"sent" | "already" | "refused"> {
  const target = system.raw.Actions?.["#ComputerSystem.Reset"]?.target;
  if (!target) throw new TurnupError({ code: "bmc_error", detail: `The BMC ${bmc.name} offers no power control.` });
  const types = await offered(bmc, system);
  const type = wanted[want].find((t) => types?.includes(t) ?? true);
  if (!type)
    throw new TurnupError({
      code: "bmc_error",
      detail: `The BMC ${bmc.name} cannot switch ${want.toLowerCase()}: it offers ${types?.join(", ")}.`,
    });
  const response = await bmc.owner.send(bmc.fence, "POST", target, { login: system.login, body: { ResetType: type } });
  if (response.status < 300) return "sent";
  if (response.status === 400 || response.status === 409) {
    const now = await readSystem(bmc);
    // Not settled since the last command (P3): the caller tries again.
    return now.power === (want === "On" ? "On" : "Off") ? "already" : "refused";
  }
  throw refusal(bmc, `the power command ${type}`, response);
}
