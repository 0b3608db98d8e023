/** L1, L2, J4, J6, G5, G6: what must hold in the transaction that leases a step, and in one that takes it back. */
import { actions, isActionName } from "../../../shared/actions/index.ts";
import { LEASE_TTL_MS, type SyncReply } from "../../../shared/protocol/agent.ts";
import type { Sql } from "../../../shared/sql.ts";
import { readMeta } from "../../../workers/site/core/tx.ts";
import type { AgentHost } from "../agent-host.ts";
import type { Sim } from "../sim.ts";
import type { Move } from "./moves.ts";

interface Permit {
  granted: boolean;
  frozen: boolean;
  expiresAt: number;
}

export class LeaseRules {
  readonly #sim: Sim;
  readonly #hosts: () => readonly AgentHost[];
  readonly #epochs = new Map<string, number>();
  /** Which agent a target was last leased to. */
  readonly #owners = new Map<string, string>();

  constructor(sim: Sim, hosts: () => readonly AgentHost[]) {
    this.#sim = sim;
    this.#hosts = hosts;
  }

  check(sql: Sql, now: number, moves: readonly Move[], reply: SyncReply | undefined): void {
    const steps = moves.filter((m) => m.kind === "step");
    for (const move of steps) if (move.now === "leased") this.#leased(sql, now, move, reply);
    if (steps.length === 0) return;
    const twice = sql.get<{ device: string }>(
      "SELECT device FROM step WHERE state IN ('leased', 'running', 'unknown') GROUP BY device HAVING count(*) > 1",
    );
    if (twice) this.#sim.violate("L1", `two steps of ${twice.device} are at work or lost`);
  }

  /** The site's tables are older than what was seen of them. Epochs go on all the same (L2). */
  restored(): void {
    this.#owners.clear();
  }

  /** J10: after a tick nothing is at work on a lease that has run out; J3: on hold time does nothing at all. */
  ticked(sql: Sql, now: number, [moved]: readonly Move[]): void {
    if (readMeta(sql, "hold")) {
      if (moved) this.#sim.violate("J3", `time made a ${moved.kind} ${moved.now} although its site is on hold`);
      return;
    }
    const late = sql.get<{ job: string; n: number; until: number }>(
      `SELECT s.job, s.n, max(s.leased_at + ?1, a.lease_until) AS until FROM step s JOIN agent a ON a.id = s.agent
       WHERE s.state IN ('leased', 'running') AND max(s.leased_at + ?1, a.lease_until) <= ?2`,
      LEASE_TTL_MS,
      now,
    );
    if (late)
      this.#sim.violate(
        "J10",
        `step ${late.n} of ${late.job} is at work on a lease that ended ${now - late.until} ms ago`,
      );
  }

  /** J6: a step that acts is never called back. */
  cancelled(moves: readonly Move[]): void {
    for (const { kind, was, now, n, job, action } of moves) {
      if (kind !== "step" || now !== "cancelled" || (was !== "leased" && was !== "running")) continue;
      this.#sim.coverage.rule("J6");
      if (action === null || !isActionName(action)) continue;
      const { flags } = actions[action] as { flags: { exclusive?: true; destructive?: true } };
      const waits = action === "ramdisk.await" || action === "os.firstBoot";
      if (flags.destructive || (flags.exclusive && !waits))
        this.#sim.violate("J6", `step ${n} of ${job} (${action}) was called back while it acted`);
    }
  }

  #leased(sql: Sql, now: number, move: Move, reply: SyncReply | undefined): void {
    const { job, n, device, epoch, agent } = move;
    const { coverage } = this.#sim;
    const what = `step ${n} of ${job}`;
    coverage.rule("L1");
    const highest = this.#epochs.get(device ?? "") ?? 0;
    if ((epoch ?? 0) <= highest) this.#sim.violate("L2", `the epoch of ${device} fell from ${highest} to ${epoch}`);
    this.#epochs.set(device ?? "", epoch ?? 0);

    if (readMeta(sql, "hold")) this.#sim.violate("L2", `${what} started although its site is on hold`);
    const permit = readMeta<Permit>(sql, "permit");
    if (permit?.frozen) this.#sim.violate("G6", `${what} started although the kill switch is on`);
    if (!permit?.granted || permit.expiresAt <= now) this.#sim.violate("G5", `${what} started without a permit`);
    const row = sql.get<{ cancelled_by: string | null; paused: string | null }>(
      "SELECT cancelled_by, paused FROM job WHERE id = ?",
      job,
    );
    if (row?.cancelled_by || row?.paused) this.#sim.violate("J6", `${what} started although its job is held`);
    if (move.was === "unknown") {
      coverage.rule("J4");
      if (reply?.leases.find((l) => l.id === move.lease)?.resolve !== true)
        this.#sim.violate("J4", `${what} was lost, and its next attempt is not told to read first`);
    }
    if (sql.get("SELECT 1 FROM unread WHERE device = ?", device))
      this.#sim.violate("J4", `${what} started although its machine has not been read since the restore`);
    this.#forgotten(sql, move, what, reply);
    this.#handedOver(now, move, what);
    const owner = `${job}/${device}`;
    if (this.#owners.has(owner) && this.#owners.get(owner) !== agent) coverage.rule("L2");
    this.#owners.set(owner, agent ?? "");
  }

  /** J4: what counts as the first attempt reads first, if an agent that works here has made one before. */
  #forgotten(sql: Sql, { job, n, lease }: Move, what: string, reply: SyncReply | undefined): void {
    const attempt = sql.get<{ attempt: number }>("SELECT attempt FROM step WHERE job = ? AND n = ?", job, n)?.attempt;
    if (attempt !== 1 || reply?.leases.find((l) => l.id === lease)?.resolve === true) return;
    for (const host of this.#hosts()) {
      const known = sql.get("SELECT 1 FROM agent WHERE id = ? AND revoked_at IS NULL", host.agentId ?? "");
      if (known && host.journal.get("SELECT 1 FROM past WHERE job = ? AND step = ? AND lease <> ?", job, n, lease))
        this.#sim.violate("J4", `${what} is tried as if for the first time, and ${host.name} has tried it before`);
    }
  }

  /** L2: whoever else has a lease on the machine can be in no call any more. */
  #handedOver(now: number, { device, agent }: Move, what: string): void {
    for (const host of this.#hosts()) {
      const seen = host.seen.get(device ?? "");
      if (!seen || host.agentId === agent) continue;
      const until = seen.until + seen.longestCallMs;
      if (until > now)
        this.#sim.violate("L1", `${what} was leased while ${host.name} may act on ${device} for ${until - now} ms`);
    }
  }
}
