import type { Millis } from "../../../shared/deps.ts";
import type { Approver } from "../../../shared/model/approval.ts";
import type { ApproverList } from "../../../shared/model/approver-list.ts";
import type { Sql } from "../../../shared/sql.ts";

/** Whose signatures this agent takes (G4): its own list, which the cloud cannot change. */
export interface Approvers {
  get(): ApproverList;
  /** Puts the next list in the place of this one. `how` is kept: that it was done here, or the change with its signatures. */
  set(list: ApproverList, how: string, at: Millis): void;
}

export function approvers(sql: Sql): Approvers {
  return {
    get: () => ({
      revision:
        sql.get<{ revision: number | null }>("SELECT max(revision) AS revision FROM approver_change")?.revision ?? 0,
      approvers: sql.all<Approver>("SELECT key, person FROM approver ORDER BY person, key"),
    }),
    set({ revision, approvers }, how, at) {
      sql.transact(() => {
        // Of two that change it at a time the second one is refused by the key.
        sql.run("INSERT INTO approver_change (revision, at, how) VALUES (?, ?, ?)", revision, at, how);
        sql.run("DELETE FROM approver");
        for (const { key, person } of approvers)
          sql.run("INSERT INTO approver (key, person) VALUES (?, ?)", key, person);
        return null;
      });
    },
  };
}
