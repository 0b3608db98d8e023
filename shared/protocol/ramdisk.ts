/**
 * Machine ⇄ agent on the site's own network, version 1. The machine dials, nothing in it listens.
 *
 *   GET  /boot/ipxe?mac=MAC          boot script; the one boot-decision function answers (A5)
 *   GET  /boot/env.json?nonce=N      what the RAM environment is told at start: BootEnv (only while armed)
 *   POST /ramdisk/v1/hello           the RAM environment phones home: RamdiskHello → RamdiskHelloReply
 *   POST /ramdisk/v1/poll            RamdiskPoll → RamdiskPollReply; held open up to POLL_HOLD_MS when there is no command
 *   GET  /images/NAME                the image, with Range; `etag` is its SHA-256
 *   POST /os/v1/first-boot           the installed system's first phone-home: FirstBoot
 *
 * Every message carries the boot's nonce; one that is not of a live boot gets 410 `boot_closed`, is logged and
 * changes nothing (L5). At the end of each answer the RAM environment polls again; the state it reports is the whole
 * truth about the current command, so a lost message costs only time.
 */
import { z } from "zod";
import { BlankProof, MediumRef, OverwriteProof, WriteProof } from "../actions/ramdisk.ts";
import { Observed } from "../model/inventory.ts";
import { Failure } from "../model/job.ts";
import { Image } from "../model/site.ts";

export const RAMDISK_PROTOCOL = 1;
/** The agent holds an idle poll this long, ms. */
export const POLL_HOLD_MS = 20_000;
/** While a command runs, the RAM environment reports its state this often, ms. */
export const STATUS_MS = 500;

/** In the kernel command line (here: the boot script) stands only `turnup.agent=URL turnup.nonce=NONCE`. */
export const RamdiskHello = z.object({
  v: z.number().int(),
  nonce: z.string(),
  /** MAC of the port it booted from, and the serial the firmware tells (as the vendor gives it). */
  mac: z.string(),
  serial: z.string(),
});
export type RamdiskHello = z.infer<typeof RamdiskHello>;
export const RamdiskHelloReply = z.object({ v: z.number().int(), boot: z.string(), now: z.number() });

export const RamdiskCommand = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("inventory"), id: z.string() }),
  z.object({ kind: z.literal("prove-blank"), id: z.string(), medium: MediumRef }),
  /** Zeros over the whole medium, then a look at its ends and at samples. Only by an approved plan, which the agent has checked (G4). */
  z.object({ kind: z.literal("overwrite"), id: z.string(), medium: MediumRef }),
  /**
   * Refused by the RAM environment itself unless this same boot holds its own proof that this medium is blank (T5), or
   * the agent says by `over` that an approved plan, which it has checked, names this medium (G4).
   * Sent again (same or other id) while a write of the same medium and image runs or has ended in this boot, it joins that write:
   * one boot never starts two writes.
   */
  z.object({
    kind: z.literal("write-image"),
    id: z.string(),
    medium: MediumRef,
    image: Image,
    url: z.string(),
    over: z.literal(true).optional(),
  }),
  /** With `image`, a medium that this boot has not written is read: it must hold just that image, of an earlier boot. */
  z.object({
    kind: z.literal("boot-disk"),
    id: z.string(),
    medium: MediumRef,
    phoneHome: z.string(),
    image: Image.optional(),
  }),
]);
export type RamdiskCommand = z.infer<typeof RamdiskCommand>;

export const CommandState = z.object({
  id: z.string(),
  state: z.enum(["running", "succeeded", "failed"]),
  percent: z.number().min(0).max(100),
  /** By kind: Observed, BlankProof, OverwriteProof, WriteProof, or `{}` for boot-disk (sent before the restart). */
  result: z.union([WriteProof, OverwriteProof, BlankProof, Observed, z.object({})]).optional(),
  failure: Failure.optional(),
});
export type CommandState = z.infer<typeof CommandState>;

export const RamdiskPoll = z.object({
  v: z.number().int(),
  nonce: z.string(),
  /** Commands it has been given in this boot, newest last; the agent answers a poll at once if any changed. */
  commands: z.array(CommandState),
});
export type RamdiskPoll = z.infer<typeof RamdiskPoll>;
export const RamdiskPollReply = z.object({ v: z.number().int(), command: RamdiskCommand.optional() });
export type RamdiskPollReply = z.infer<typeof RamdiskPollReply>;

export const FirstBoot = z.object({
  v: z.number().int(),
  nonce: z.string(),
  serial: z.string(),
  bootedFrom: z.string(),
});
export type FirstBoot = z.infer<typeof FirstBoot>;
