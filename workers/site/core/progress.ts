import type { Millis } from "../../../shared/deps.ts";
import type { ResolvedPolicy } from "../../../shared/model/policy/resolve.ts";
import type { ApproversTold, Progress, SyncRequest } from "../../../shared/protocol/agent.ts";
import type { AuditProgress } from "./audits.ts";
import type { KeptService } from "./guards/service-now.ts";
import type { Witness } from "./own-time.ts";
import type { Place } from "./ready-queue.ts";
import { Stillness } from "./stillness.ts";

const MAX_STEPS = 10_000;

/** What is kept in memory only: how far steps are, and which devices an audit has read. Losing it costs a moment's display, or a second reading. */
export class ProgressBoard {
  readonly #steps = new Map<string, Progress>();
  readonly #heard = new Map<string, Millis>();
  readonly #times = new Map<string, Omit<Witness, "at">>();
  #audit: AuditProgress | undefined;
  readonly still = new Stillness();
  /** What no time in the tables is beyond (clock.ts); undefined in an object that has just woken. */
  newest: Millis | undefined;
  #latest: Millis | undefined;
  /** What is in service, counted (guards/service-now.ts). */
  service: KeptService | undefined;
  /** What the rest of a target's steps is expected to take, ms, by job and step (guards/typical.ts). */
  readonly remaining = new Map<string, Millis>();
  /** The next moment at which a step that a guard holds may start, of those that were asked for last. */
  heldUntil: Millis | undefined;
  /** Behind which step of a queue the next sync goes on, where too many were held for one to look at all (leases.ts). */
  readonly behind = new Map<string, Place>();
  /** Which list of approvers each agent has told (approver-changes.ts). */
  readonly approvers = new Map<string, ApproversTold>();
  /** The policy that holds, resolved (policy.ts), and of which version and site file. */
  policy: { key: string; resolved: ResolvedPolicy } | undefined;

  set(job: string, step: number, progress: Progress): void {
    // Ended steps are not taken out one by one; forgetting all costs a moment's display.
    if (this.#steps.size >= MAX_STEPS) this.#steps.clear();
    this.#steps.set(`${job}/${step}`, progress);
  }
  /** Percent of a step that is at work under this lease. */
  percent(job: string, step: number, lease: string | null): number | null {
    const known = this.#steps.get(`${job}/${step}`);
    return known && known.lease === lease ? known.percent : null;
  }
  hear(agent: string, now: Millis, told: Pick<SyncRequest, "instance" | "uptimeMs">): void {
    this.#heard.set(agent, now);
    const { instance, uptimeMs } = told;
    if (uptimeMs === undefined) this.#times.delete(agent);
    else this.#times.set(agent, { instance, uptimeMs });
  }
  /** The time of its own that the agent told in its newest sync; undefined if it told none. */
  toldTime(agent: string): Omit<Witness, "at"> | undefined {
    return this.#times.get(agent);
  }
  /** When an agent synced last; undefined also when that was forgotten. */
  heardAt(agent: string): Millis | undefined {
    return this.#heard.get(agent);
  }
  /** A command of this moment comes: by how much the clock was set back since the one before, as far as that is remembered. */
  passes(now: Millis): Millis {
    const back = (this.#latest ?? now) - now;
    this.#latest = now;
    return back;
  }
  /** Nothing was heard or read later than now, whatever the clock said then. */
  setBack(now: Millis): void {
    for (const [agent, at] of this.#heard) if (at > now) this.#heard.set(agent, now);
    if (this.#audit && this.#audit.lastAt > now) this.#audit.lastAt = now;
  }
  /** Progress of the audit under way; begun anew when it is another's, or was forgotten. */
  audit(window: string, now: Millis): AuditProgress {
    if (this.#audit?.window !== window) this.#audit = { window, done: new Set(), read: 0, lastAt: now };
    return this.#audit;
  }
  lastRead(window: string): Millis | undefined {
    return this.#audit?.window === window ? this.#audit.lastAt : undefined;
  }
}
