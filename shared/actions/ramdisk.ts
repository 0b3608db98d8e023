import { z } from "zod";
import { Bom, Difference, Observed } from "../model/inventory.ts";
import { Image } from "../model/site.ts";
import { action } from "./action.ts";

/** The drive that the plan chose, by serial, never by /dev name. */
export const MediumRef = z.object({ medium: z.string(), serial: z.string(), sizeBytes: z.number() });

export const BlankProof = z.object({
  serial: z.string(),
  sizeBytes: z.number(),
  /** What was looked at, so that a reader can judge the proof. */
  sampledBlocks: z.number().int(),
  bytesRead: z.number().int(),
});
export type BlankProof = z.infer<typeof BlankProof>;

/** Zeros were written over all of it, and what was then read was zero. No erasure is claimed: spare areas are not reached. */
export const OverwriteProof = z.object({
  serial: z.string(),
  bytes: z.number().int(),
  /** What was read back, as in a BlankProof. */
  sampledBlocks: z.number().int(),
  bytesRead: z.number().int(),
});
export type OverwriteProof = z.infer<typeof OverwriteProof>;

export const WriteProof = z.object({
  serial: z.string(),
  bytes: z.number().int(),
  /** SHA-256 on the wire, and of the bytes read back from the medium. */
  wireSha256: z.string(),
  readBackSha256: z.string(),
  /** How often the download went on from its offset after a lost connection. */
  resumed: z.number().int(),
});
export type WriteProof = z.infer<typeof WriteProof>;

export const ramdiskActions = {
  /**
   * Waits until the RAM environment has phoned home with the boot's nonce. A try that saw no sign of the boot fetch
   * reads the evidence again, then sets override and power anew (lesson C7: never reboot a machine that has started).
   */
  "ramdisk.await": action({
    executor: "agent",
    title: "Wait for the RAM environment to phone home",
    params: z.object({ target: z.enum(["Pxe"]), mode: z.enum(["UEFI"]) }),
    result: z.object({ phonedHomeAt: z.number() }),
    flags: { idempotent: true, exclusive: true },
    // The power-on self-test of a server takes minutes; two of them and a start fit.
    typicalSeconds: 600,
    deadlineSeconds: 1800,
    longestCallSeconds: 60,
    retry: { tries: 5, baseSeconds: 1, maxSeconds: 60 },
    retryOn: [
      "boot_not_seen",
      "ramdisk_silent",
      "bmc_unreachable",
      "bmc_unavailable",
      "bmc_error",
      "power_no_effect",
      "lease_expired",
      "agent_defect",
    ],
  }),
  "ramdisk.inventory": action({
    executor: "agent",
    title: "Read the inventory from inside and compare it with the bill of materials",
    params: z.object({ bom: Bom }),
    result: z.object({ observed: Observed, differences: z.array(Difference) }),
    flags: { idempotent: true, reads: true },
    typicalSeconds: 60,
    deadlineSeconds: 600,
    longestCallSeconds: 60,
    retry: { tries: 4, baseSeconds: 1, maxSeconds: 30 },
    retryOn: ["ramdisk_silent", "lease_expired", "agent_defect"],
  }),
  /** T5: no partition table, no file system, no non-zero byte in first, last and sampled blocks. Reads only. */
  "ramdisk.proveBlank": action({
    executor: "agent",
    title: "Prove the planned drive blank",
    params: z.object({ medium: MediumRef }),
    result: BlankProof,
    flags: { idempotent: true, reads: true },
    typicalSeconds: 60,
    deadlineSeconds: 1200,
    longestCallSeconds: 60,
    retry: { tries: 4, baseSeconds: 1, maxSeconds: 30 },
    proves: "blank",
    retryOn: ["ramdisk_silent", "lease_expired", "agent_defect"],
  }),
  /**
   * Writes zeros over a whole medium that the plan names, and reads samples back. It gives no certificate: that a drive
   * is erased, spare areas and all, is another claim (E2).
   */
  "ramdisk.overwrite": action({
    executor: "agent",
    title: "Write zeros over a whole drive",
    params: z.object({ medium: MediumRef }),
    result: OverwriteProof,
    flags: { destructive: true, exclusive: true },
    // 1 TB at 100 MB/s, written once; a larger drive needs a longer window than this asks for.
    typicalSeconds: 10_000,
    // 8 TB at the 100 MB/s that a full hard drive still does at its inner tracks.
    deadlineSeconds: 86_400,
    longestCallSeconds: 60,
    retry: { tries: 8, baseSeconds: 1, maxSeconds: 30 },
    retryOn: ["ramdisk_silent", "lease_expired", "agent_defect"],
  }),
  /**
   * Streams the image onto the drive, proven blank in this boot or named in an approved plan, hashing on the way, and
   * reads it back. Not retried
   * blindly: after a loss the RAM environment is asked how far it is, and the same write goes on (J4).
   */
  "ramdisk.writeImage": action({
    executor: "agent",
    title: "Write the image and verify it by reading back",
    params: z.object({ medium: MediumRef, image: Image }),
    result: WriteProof,
    flags: { exclusive: true },
    // 18 GB at 20 MB/s, its share of the agent's 10 Gbit/s beside 63 others (see atOnce); most images are smaller.
    typicalSeconds: 900,
    deadlineSeconds: 5400,
    longestCallSeconds: 60,
    retry: { tries: 8, baseSeconds: 1, maxSeconds: 30 },
    // Images come from the agent: 64 streams over its 10 Gbit/s leave each about 20 MB/s.
    atOnce: 64,
    retryOn: ["ramdisk_silent", "lease_expired", "agent_defect", "image_unavailable"],
  }),
  /** Disarms netboot, sets the boot entry to the written drive and restarts the machine into it. */
  "ramdisk.bootDisk": action({
    executor: "agent",
    title: "Disarm netboot and boot from the disk",
    params: z.object({
      medium: MediumRef,
      /** What must lie on the drive where another boot of the same job has written it. */
      image: Image.optional(),
    }),
    result: z.object({ restartedAt: z.number() }),
    flags: { idempotent: true, exclusive: true },
    typicalSeconds: 30,
    deadlineSeconds: 600,
    longestCallSeconds: 60,
    retry: { tries: 4, baseSeconds: 1, maxSeconds: 30 },
    retryOn: ["ramdisk_silent", "lease_expired", "agent_defect"],
  }),
  /** Waits for the installed system's first phone-home with the boot's nonce (L5). */
  "os.firstBoot": action({
    executor: "agent",
    title: "Wait for the installed system to phone home",
    params: z.object({}),
    result: z.object({ phonedHomeAt: z.number() }),
    flags: { idempotent: true, exclusive: true },
    // As long as the other boot.
    typicalSeconds: 600,
    deadlineSeconds: 1800,
    longestCallSeconds: 60,
    retry: { tries: 4, baseSeconds: 1, maxSeconds: 60 },
    retryOn: [
      "first_boot_silent",
      "bmc_unreachable",
      "bmc_unavailable",
      "bmc_error",
      "power_no_effect",
      "lease_expired",
      "agent_defect",
    ],
  }),
};
