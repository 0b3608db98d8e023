/** The machine's side of network boot: asks for its script as iPXE does, and loads the image over a link that may drop. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Fetch } from "../ramdisk/write-image.ts";

export type BootScript =
  | { kind: "ramdisk"; agentUrl: string; nonce: string }
  | { kind: "disk" }
  | { kind: "no-answer" };

/** A network card asks for about ten seconds before it gives up; software's own time, so it is not divided. */
const PATIENCE_MS = 10_000;
const GAP_MS = 250;

export async function askForScript(netbootUrl: string, mac: string, signal: AbortSignal): Promise<BootScript> {
  const until = Date.now() + PATIENCE_MS;
  do {
    try {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
      const response = await fetch(`${netbootUrl}/boot/ipxe?mac=${mac}`, { signal: patience });
      if (response.ok) return readScript(await response.text());
    } catch {
      signal.throwIfAborted();
    }
    await sleep(GAP_MS, undefined, { signal });
  } while (Date.now() < until);
  return { kind: "no-answer" };
}

/** Understands as much of iPXE as the agent says: a kernel line with our two parameters, or `exit`. */
export function readScript(text: string): BootScript {
  const kernel = text.split("\n").find((line) => line.startsWith("kernel "));
  const agentUrl = /\bturnup\.agent=(\S+)/.exec(kernel ?? "")?.[1];
  const nonce = /\bturnup\.nonce=(\S+)/.exec(kernel ?? "")?.[1];
  return agentUrl && nonce ? { kind: "ramdisk", agentUrl, nonce } : { kind: "disk" };
}

/** A fetch whose image downloads break off when `breaks` says so. */
export function flappingFetch(breaks: () => boolean): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init);
    if (!url.includes("/images/") || !response.body || !breaks()) return response;
    // Far enough to have written something, and not at the edge of a chunk.
    let left = 9_000_001;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        left -= chunk.length;
        if (left < 0) controller.error(new Error("link down"));
        else controller.enqueue(chunk);
      },
    });
    return new Response(response.body.pipeThrough(cut), { status: response.status, headers: response.headers });
  };
}
