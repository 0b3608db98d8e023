/** The cron trigger: it only tells each site which audit window it is; the site knows whether it has seen that one. */
import type { Millis } from "../shared/deps.ts";
import { sitesInScope } from "./api/site-lookup.ts";
import { windowKey } from "./audit-window.ts";
import type { Env } from "./env.ts";
import { siteObject } from "./site/rpc.ts";

/** Sites told at once; the platform allows six connections at a time and queues the rest. */
const AT_ONCE = 20;

export async function pokeSites(env: Env, at: Millis): Promise<void> {
  const window = windowKey(at);
  const rows = await sitesInScope(env.DB, null);
  for (let n = 0; n < rows.length; n += AT_ONCE) {
    const part = rows.slice(n, n + AT_ONCE);
    const told = await Promise.allSettled(
      part.map((row) => siteObject(env, row).tell("audit.start", { window, actor: "cron" })),
    );
    for (const [i, result] of told.entries()) {
      if (result.status === "rejected")
        console.error(JSON.stringify({ at: "scheduled", site: part[i]?.name, window, error: String(result.reason) }));
    }
  }
}
