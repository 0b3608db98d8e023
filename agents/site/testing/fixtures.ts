import type { AgentActionName } from "../../../shared/actions/index.ts";
import type { PlanTarget } from "../../../shared/model/plan.ts";
import { AGENT_PROTOCOL, type Lease, type Report, type SyncReply } from "../../../shared/protocol/agent.ts";

export const SITE = "st_aaaaaaaaaa";
export const SERIAL = "SN-0001";
export const MAC = "3c:ec:ef:00:10:01";
export const GIB = 2 ** 30;

export function target(n = 1): PlanTarget {
  const two = String(n).padStart(2, "0");
  return {
    device: `dev_aaaaaaaaaa_${two.padStart(16, "0")}`,
    name: `r01u${two}`,
    asset: `ast_aaaaaaaaaa_${two.padStart(16, "0")}`,
    serial: n === 1 ? SERIAL : `SN-00${two}`,
    aliases: [],
    bmc: { address: `10.20.0.${n}`, port: 80, scheme: "http", secret: `vault:t/bmc/${two}` },
    boot: { interface: "eth0", mac: `3c:ec:ef:00:10:${two}` },
    media: [
      { id: "med_a", bay: "Bay 1", serial: `DATA-${two}`, sizeBytes: 4 * GIB, chosen: false },
      { id: "med_b", bay: "Bay 2", serial: `SYS-${two}`, sizeBytes: 4 * GIB, chosen: true },
    ],
  };
}

let epochs = 0;
/** A lease as the coordinator gives it; epochs grow over one test file. */
export function lease(action: AgentActionName | "no.such", more: Partial<Lease> = {}): Lease {
  epochs += 1;
  return {
    id: `lse_${epochs}`,
    epoch: epochs,
    ttlMs: 60_000,
    notAfter: 0,
    site: SITE,
    job: "job_aaaaaaaaaa_0000000000000001",
    step: 0,
    name: action,
    attempt: 1,
    resolve: false,
    action,
    params: paramsOf[action] ?? {},
    target: target(),
    mode: "first-install",
    plan: { id: "pln", hash: "0".repeat(64) },
    deadlineMs: 1_800_000,
    ...more,
  };
}

/** How an attempt ended, as the agent tells it. */
export const reportOf = ({ id, epoch, job, step }: Lease, more: Partial<Report> = {}): Report => ({
  lease: id,
  epoch,
  job,
  step,
  outcome: "succeeded",
  startedAt: 1,
  finishedAt: 2,
  ...more,
});

/** The coordinator's answer when it has nothing to say. */
export const replyOf = (more: Partial<SyncReply> = {}): SyncReply => ({
  v: AGENT_PROTOCOL,
  now: 1,
  acks: [],
  leases: [],
  renewed: [],
  revoked: [],
  more: false,
  nextPollMs: 1000,
  ...more,
});

export const image = { name: "demo.img", sha256: "ab".repeat(32), sizeBytes: 1024 };
export const medium = { medium: "med_b", serial: "SYS-01", sizeBytes: 4 * GIB };

export const data = { medium: "med_a", serial: "DATA-01", sizeBytes: 4 * GIB };

export const bom = {
  manufacturer: "Acme",
  model: "Box 1",
  cpus: { count: 1 },
  memory: { modules: 2, sizeMiBEach: 8192 },
  drives: [],
  macs: [MAC],
};

const paramsOf: Record<string, Record<string, unknown>> = {
  "bmc.inventory": { bom },
  "netboot.arm": { environment: "ramdisk" },
  "bmc.bootOverride": { target: "Pxe", mode: "UEFI" },
  "bmc.power": { state: "On" },
  "ramdisk.await": { target: "Pxe", mode: "UEFI" },
  "ramdisk.inventory": { bom },
  "ramdisk.proveBlank": { medium },
  "ramdisk.overwrite": { medium: data },
  "ramdisk.writeImage": { medium, image },
  "ramdisk.bootDisk": { medium },
};
