import type { Clock } from "../../../shared/deps.ts";
import type { SyncReply, SyncRequest } from "../../../shared/protocol/agent.ts";
import type { Journal } from "../journal/journal.ts";

/** The ledger head goes to disk at most this often: one lost in a crash costs nothing but its age. */
const KEEP_HEAD_MS = 60_000;

type Head = NonNullable<SyncRequest["head"]>;

/**
 * What the agent has seen of its site's control plane and holds against one that was set back: the highest generation
 * (L2, for whole objects) and the newest ledger head (E1). A reply of an older generation, or one whose ledger does not
 * extend what was seen, is not used.
 */
export interface Succession {
  /** What every sync tells. */
  told(): Pick<SyncRequest, "generation" | "head">;
  /** Why the reply must not be used, in words; undefined: it may, and what it says is kept. */
  refuses(reply: SyncReply): string | undefined;
}

export function succession(journal: Pick<Journal, "meta">, clock: Pick<Clock, "monotonic">): Succession {
  const { meta } = journal;
  const kept = meta.get("head");
  let generation = Number(meta.get("generation") ?? 1);
  let head = kept === undefined ? undefined : (JSON.parse(kept) as Head);
  let onDisk = head;
  let writtenAt = Number.NEGATIVE_INFINITY;

  const keep = (now: Head) => {
    head = now;
    const due = now.generation !== onDisk?.generation || clock.monotonic() >= writtenAt + KEEP_HEAD_MS;
    if (!due || (now.seq === onDisk?.seq && now.generation === onDisk.generation)) return;
    onDisk = now;
    writtenAt = clock.monotonic();
    meta.set("head", JSON.stringify(now));
  };

  return {
    told: () => ({ generation, ...(head && { head }) }),
    refuses(reply) {
      const theirs = reply.generation ?? 1;
      if (theirs < generation) return `it is generation ${theirs} of this site, and generation ${generation} was seen`;
      if (theirs > generation) {
        generation = theirs;
        meta.set("generation", String(theirs));
      }
      // On hold the site has not yet settled which history counts; what we know of the old one is what it asks for.
      if (reply.hold === true || !reply.ledger) return undefined;
      const { seq, hash } = reply.ledger;
      if (head?.generation === theirs && (seq < head.seq || (seq === head.seq && hash !== head.hash)))
        return `its ledger ends with event ${seq}, which does not extend event ${head.seq} that was seen`;
      keep({ generation: theirs, seq, hash });
      return undefined;
    },
  };
}
