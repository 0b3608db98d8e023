/** What an object is at present, where that decides what it may do at all: most live; a restore makes the others. */
import type { Problem } from "../../../shared/errors.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { CommandKind, QueryKind } from "./commands.ts";
import { generationOf } from "./hold.ts";
import { readMeta, type Tx, writeMeta } from "./tx.ts";

/**
 * - `restoring`: being filled, and nobody's site yet; answers only to its restore.
 * - `hold`: restored and not released (hold.ts).
 * - `fenced`: a newer generation has taken over; it writes nothing any more and wants no alarm (L2).
 */
export type Standing = "live" | "hold" | "restoring" | "fenced";

interface Fence {
  /** Of the object that took over. */
  generation: number;
}

export function standing(sql: Sql): Standing {
  const keys = sql.all<{ key: string }>("SELECT key FROM meta WHERE key IN ('fence', 'restore', 'hold')");
  const has = (key: string) => keys.some((row) => row.key === key);
  return has("fence") ? "fenced" : has("restore") ? "restoring" : has("hold") ? "hold" : "live";
}

/** Why this may not be asked of the object at all. */
export function barred(sql: Sql, kind: CommandKind | QueryKind): Problem | undefined {
  if (kind.startsWith("restore.") || kind === "export.page" || kind === "site.fence") return undefined;
  switch (standing(sql)) {
    case "fenced": {
      const { generation } = readMeta<Fence>(sql, "fence") ?? { generation: 0 };
      return { code: "site_fenced", detail: `Generation ${generation} of this site has taken over.` };
    }
    case "restoring":
      return { code: "site_unknown", detail: "This site is just being restored." };
    case "hold":
      // Nobody is given devices to read, so an audit could only end without data.
      return kind === "audit.start"
        ? { code: "site_on_hold", detail: "A restored site is audited after its release." }
        : undefined;
    case "live":
      return undefined;
  }
}

/** Ends this object's part for good; who listens is hung up on, and is sent to the newer one by the next request. */
export function fence(tx: Tx, { generation }: Fence): null {
  const known = readMeta<Fence>(tx.sql, "fence")?.generation ?? generationOf(tx.sql);
  if (generation <= known) return null;
  writeMeta(tx.sql, "fence", { generation } satisfies Fence);
  tx.effect({ kind: "hang-up", agent: "all" });
  return null;
}
