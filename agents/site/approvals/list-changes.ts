/**
 * Changes of the agent's own list of approvers that come from afar (G4): the control plane carries them, and what counts
 * are the signatures of two people who are on the list. The control plane hears which list is held here, and of a change
 * that was refused why; it learns nothing by which it could make one.
 */

import { canonicalJson } from "../../../shared/canonical.ts";
import type { Clock } from "../../../shared/deps.ts";
import { type ApproversChange, approverListHash, changedBySignature } from "../../../shared/model/approver-list.ts";
import type { ApproversTold } from "../../../shared/protocol/agent.ts";
import type { Journal } from "../journal/journal.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { sha256, verifySignature } from "./ed25519.ts";

export interface ListChanges {
  /** What every sync tells. */
  told(): ApproversTold;
  /** Takes a change if it is signed as it must be; a refusal is logged and counted, once. False: it was judged before. */
  take(change: ApproversChange): boolean;
}

interface Deps {
  journal: Pick<Journal, "approvers" | "meta">;
  clock: Pick<Clock, "now">;
  log: Log;
  metrics: Pick<Metrics, "listRefused">;
}

export function listChanges({ journal, clock, log, metrics }: Deps): ListChanges {
  const { approvers, meta } = journal;
  let refused: ApproversTold["refused"];
  return {
    told: () => ({ hash: approverListHash(approvers.get(), sha256), ...(refused && { refused }) }),
    take(change) {
      const id = sha256(canonicalJson(change));
      if (refused?.change === id) return false;
      const by = { site: meta.get("site") ?? "", now: clock.now(), verify: verifySignature, sha256 };
      const next = changedBySignature(approvers.get(), change, by);
      if (next.ok) {
        approvers.set(next.value, JSON.stringify(change), by.now);
        refused = undefined;
        const { add, remove } = change.statement;
        log.warn(
          { add, remove, signers: change.signatures.map(({ key }) => key) },
          "the list of approvers was changed",
        );
        return true;
      }
      const { code, detail } = next.problem;
      refused = { change: id, code, detail };
      metrics.listRefused.inc({ code });
      log.warn({ code }, `refused: a change of the list of approvers: ${detail}`);
      return true;
    },
  };
}
