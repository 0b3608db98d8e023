/** E3: with an empty outbox the read model is what the tables say. */
import type { Sql } from "../../../shared/sql.ts";
import type { OutboxKind } from "../../../workers/site/core/commands.ts";
import type { SimReadModel } from "../read-model.ts";
import type { Sim } from "../sim.ts";

/** Where the versions of each kind lie. A job's state alone is followed: its version counts events that no list shows. */
const tables: Readonly<Partial<Record<OutboxKind, string>>> = {
  device: "SELECT id, version FROM device",
  asset: "SELECT id, version FROM asset",
  agent: "SELECT id, row_version AS version FROM agent",
  finding: `SELECT "check" || '/' || object AS id, version FROM finding`,
};

export const outboxIsEmpty = (sql: Sql): boolean => sql.get("SELECT 1 FROM outbox LIMIT 1") === undefined;

export function checkProjection(sim: Sim, sql: Sql, readModel: SimReadModel): void {
  sim.coverage.rule("E3");
  for (const [kind, statement] of Object.entries(tables)) {
    const shown = readModel.rows(kind as OutboxKind);
    for (const { id, version } of sql.all<{ id: string; version: number }>(statement))
      if (shown.get(id)?.version !== version)
        sim.violate(
          "E3",
          `${kind} ${id} has version ${version}, the read model has ${shown.get(id)?.version ?? "none"}`,
        );
  }
  const jobs = readModel.rows("job");
  for (const { id, state } of sql.all<{ id: string; state: string }>("SELECT id, state FROM job")) {
    const shown = JSON.parse(jobs.get(id)?.doc ?? "{}") as { state?: string };
    if (shown.state !== state) sim.violate("E3", `${id} is ${state}, the read model shows ${shown.state ?? "nothing"}`);
  }
}
