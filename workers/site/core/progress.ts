import type { Progress } from "../../../shared/protocol/agent.ts";

/** What is kept in memory only: how far steps are, and which devices an audit has read. Losing it costs a moment's display, or a second reading. */
export class ProgressBoard {
  readonly #steps = new Map<string, Progress>();
  /** Device ids read in the audit window under way, by window. */
  readonly auditRead = new Map<string, Set<string>>();

  set(job: string, step: number, progress: Progress): void {
    this.#steps.set(`${job}/${step}`, progress);
  }
  /** Percent of a step that is at work under this lease. */
  percent(job: string, step: number, lease: string | null): number | null {
    const known = this.#steps.get(`${job}/${step}`);
    return known && known.lease === lease ? known.percent : null;
  }
  /** A final job is looked at rarely and has no progress. */
  forget(job: string): void {
    for (const key of this.#steps.keys()) if (key.startsWith(`${job}/`)) this.#steps.delete(key);
  }
}
