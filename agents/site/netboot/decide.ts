import type { Millis } from "../../../shared/deps.ts";
import type { Boot } from "../journal/boots.ts";

export type BootDecision =
  | { kind: "ramdisk"; boot: Boot }
  | { kind: "disk"; why: "no boot is armed" | "the boot has phoned home" | "the boot has ended" };

/** A boot is armed until its RAM environment has phoned home, or it has ended (A5). */
export const isArmed = (boot: Boot, now: Millis): boolean =>
  boot.closedAt === null && boot.helloAt === null && now < boot.endsAt;

/**
 * The one boot decision for every route (A5). Asked again while the boot is armed, the answer is the same; after that,
 * and for whoever is not expected, it is "boot from disk" (T6). It reads and changes nothing.
 */
export function decideBoot(boots: readonly Boot[], mac: string, now: Millis): BootDecision {
  const mine = boots.filter((b) => b.mac === mac.toLowerCase());
  // The newest counts, should there ever be two.
  const armed = mine.filter((b) => isArmed(b, now)).sort((a, b) => b.openedAt - a.openedAt)[0];
  if (armed) return { kind: "ramdisk", boot: armed };
  if (mine.length === 0) return { kind: "disk", why: "no boot is armed" };
  return {
    kind: "disk",
    why: mine.some((b) => b.helloAt !== null) ? "the boot has phoned home" : "the boot has ended",
  };
}

/** The iPXE script of a decision. `agentUrl` is the agent as the machine reaches it. */
export function bootScript(decision: BootDecision, agentUrl: string): string {
  if (decision.kind === "disk") return `#!ipxe\n# ${decision.why}: boot from disk\nexit\n`;
  return [
    "#!ipxe",
    `kernel ${agentUrl}/boot/vmlinuz turnup.agent=${agentUrl} turnup.nonce=${decision.boot.nonce}`,
    `initrd ${agentUrl}/boot/initrd`,
    "boot",
    "",
  ].join("\n");
}
