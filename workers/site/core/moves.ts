/** Lifecycle moves: the one way in which a device, asset or medium changes state, always with its ledger event. */
import { TurnupError } from "../../../shared/errors.ts";
import {
  type AssetState,
  type DeviceState,
  illegalMove,
  type MediumState,
  mayMove,
  type StateOf,
  type Subject,
} from "../../../shared/model/lifecycle.ts";
import type { Mark } from "../../../shared/model/plan.ts";
import { record } from "./ledger.ts";
import type { Tx } from "./tx.ts";

export interface Why {
  actor: string;
  job?: string | undefined;
  /** Said in the ledger: a failure, a reason. */
  data?: Record<string, unknown>;
}

/** Moves one thing to a state. Being there already is fine and writes nothing; a move that the table lacks is refused. */
export function move(tx: Tx, mark: Mark, why: Why): void {
  switch (mark.subject) {
    case "device":
      return moveTo(tx, "device", mark.id, mark.to as DeviceState, why);
    case "asset":
      return moveTo(tx, "asset", mark.id, mark.to as AssetState, why);
    case "medium":
      return moveTo(tx, "medium", mark.id, mark.to as MediumState, why);
  }
}

function moveTo<S extends Subject>(tx: Tx, subject: S, id: string, to: StateOf<S>, why: Why): void {
  const row = tx.sql.get<{ state: StateOf<S> }>(`SELECT state FROM ${subject} WHERE id = ?`, id);
  if (!row) return tx.fail("not_found", `There is no ${subject} ${id} here.`);
  if (row.state === to) return;
  if (!mayMove(subject, row.state, to)) throw new TurnupError(illegalMove(subject, id, row.state, to));
  if (subject === "device")
    tx.sql.run("UPDATE device SET state = ?, since = ?, version = version + 1 WHERE id = ?", to, tx.now, id);
  else if (subject === "asset") tx.sql.run("UPDATE asset SET state = ?, version = version + 1 WHERE id = ?", to, id);
  else tx.sql.run("UPDATE medium SET state = ? WHERE id = ?", to, id);
  record(tx, {
    subject,
    id,
    kind: `${subject}.${to}`,
    actor: why.actor,
    job: why.job,
    data: { from: row.state, ...why.data },
  });
  touched(tx, subject, id);
}

/** The read model learns of a change; a medium is shown within its asset. */
export function touched(tx: Tx, subject: Subject, id: string): void {
  if (subject === "medium") {
    const asset = tx.sql.get<{ asset: string }>("SELECT asset FROM medium WHERE id = ?", id)?.asset;
    if (asset === undefined) return;
    tx.sql.run("UPDATE asset SET version = version + 1 WHERE id = ?", asset);
    return touched(tx, "asset", asset);
  }
  const row = tx.sql.get<{ version: number }>(`SELECT version FROM ${subject} WHERE id = ?`, id);
  if (row) tx.dirty(subject, id, row.version);
}

/** A device is shown with the job that holds it, so taking and leaving it is a change of its row too (E3). */
export function heldAnew(tx: Tx, device: string): void {
  tx.sql.run("UPDATE device SET version = version + 1 WHERE id = ?", device);
  touched(tx, "device", device);
}
