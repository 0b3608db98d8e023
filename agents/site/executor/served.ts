import type { AgentActionName } from "../../../shared/actions/index.ts";
import { BlankProof, WriteProof } from "../../../shared/actions/ramdisk.ts";
import { type Outcome, ok } from "../../../shared/errors.ts";
import { compareBom, Observed } from "../../../shared/model/inventory.ts";
import type { RamdiskCommand } from "../../../shared/protocol/ramdisk.ts";
import { bootWords, readBoot } from "../bmc/boot.ts";
import { checkIdentity, readSystem } from "../bmc/redfish.ts";
import type { Boot } from "../journal/boots.ts";
import type { Handler, Step, World } from "./step.ts";

/** Why a boot was closed whose machine passed its acceptance. */
export const IN_SERVICE = "in service";

/**
 * A step that is to be read (J4) although its machine has passed the acceptance of the same job: the site was restored
 * from an older export, or never got the report. The machine is in service and is not touched (T5). How its boot went is
 * in the journal; what it is like now the acceptance reads at its BMC, which is not answered here. Undefined: this is no
 * such step.
 */
export async function readServed(step: Step, world: World): Promise<Outcome<unknown> | undefined> {
  const { journal } = world;
  if (!step.resolve || !journal.machines.inService(step.target)) return undefined;
  const boot = journal.boots.last(step.lease.job, step.target.device);
  if (boot?.closedWhy !== IN_SERVICE) return undefined;
  const read = readers[step.lease.action as AgentActionName] as Reader<AgentActionName> | undefined;
  const result = await read?.(step, world, boot);
  if (result === undefined) return undefined;
  step.evidence({ inServiceSince: boot.closedAt });
  return ok(result);
}

type ResultOfHandler<A extends AgentActionName> = Extract<Awaited<ReturnType<Handler<A>>>, { ok: true }>["value"];
type Reader<A extends AgentActionName> = (
  step: Step<A>,
  world: World,
  boot: Boot,
) => Promise<ResultOfHandler<A> | undefined>;

/** What the RAM environment answered to the last command of a kind that succeeded. */
const told = (world: World, boot: Boot, kind: RamdiskCommand["kind"]): unknown =>
  world.journal.boots.commands(boot.id).findLast((c) => c.command.kind === kind && c.state?.state === "succeeded")
    ?.state?.result;

const readers: { readonly [A in AgentActionName]?: Reader<A> } = {
  "netboot.arm": async (_step, _world, boot) => ({ boot: boot.id, mac: boot.mac }),

  async "bmc.bootOverride"(step) {
    const now = bootWords(await readBoot(step.bmc));
    return { before: now, after: now };
  },

  async "bmc.power"(step) {
    const system = await readSystem(step.bmc);
    checkIdentity(system, step.target);
    return system.power === step.params.state ? { before: system.power, after: system.power, commands: 0 } : undefined;
  },

  "ramdisk.await": async (_step, _world, { helloAt }) => (helloAt === null ? undefined : { phonedHomeAt: helloAt }),

  async "ramdisk.inventory"(step, world, boot) {
    const observed = Observed.safeParse(told(world, boot, "inventory"));
    if (!observed.success) return undefined;
    return { observed: observed.data, differences: compareBom(step.params.bom, observed.data) };
  },

  "ramdisk.proveBlank": async (_step, world, boot) => BlankProof.safeParse(told(world, boot, "prove-blank")).data,

  "ramdisk.writeImage": async (_step, world, boot) => WriteProof.safeParse(told(world, boot, "write-image")).data,

  "ramdisk.bootDisk": async (_step, _world, { firstBootAt }) =>
    firstBootAt === null ? undefined : { restartedAt: firstBootAt },

  "os.firstBoot": async (_step, _world, { firstBootAt }) =>
    firstBootAt === null ? undefined : { phonedHomeAt: firstBootAt },
};
