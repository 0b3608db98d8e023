import { isFinal, type JobView, type TargetView } from "../../shared/model/job.ts";
import { LiveLines } from "./live.ts";
import { pause, progressLine, progressLines, totals } from "./progress.ts";
import { duration } from "./words.ts";

export interface Screen {
  /** Columns and rows of the terminal; undefined where output is no terminal. */
  columns: number | undefined;
  rows: number | undefined;
  now: () => number;
  out: (line: string) => void;
  draw: (text: string) => void;
}

/** Where output is no terminal a line of totals is printed at most this often, ms: a log of it stays readable. */
const PLAIN_MS = 2_000;
/** And at least this often, so that one sees that it lives. */
const QUIET_MS = 10_000;

/** A job as it goes: drawn in place on a terminal; elsewhere a line now and then, and one for each machine that ends. */
export class ProgressView {
  readonly #screen: Screen;
  readonly #live: LiveLines | undefined;
  #said = new Set<string>();
  #lastTotals = Number.NEGATIVE_INFINITY;
  #job: JobView | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
    if (screen.columns !== undefined) this.#live = new LiveLines(screen);
  }

  update(job: JobView): void {
    this.#job = job;
    if (this.#live) this.#live.show(this.#lines(job));
    else this.#print(job);
  }

  /** Time has passed: clocks move on. */
  tick(): void {
    if (!this.#job) return;
    if (this.#live) this.#live.show(this.#lines(this.#job));
    else if (this.#screen.now() - this.#lastTotals >= QUIET_MS) this.#print(this.#job);
  }

  /** A line that stays, beside the progress. */
  note(line: string): void {
    if (this.#live) this.#live.note(line);
    else this.#screen.out(line);
  }

  /** The last state, for good. */
  end(job: JobView): void {
    this.#job = job;
    if (this.#live) {
      this.#live.show(this.#lines(job));
      this.#live.end();
    } else this.#print(job, true);
    this.#job = undefined;
  }

  #lines(job: JobView): string[] {
    return progressLines(job, this.#screen.now(), this.#screen.columns ?? 160, this.#screen.rows);
  }

  #print(job: JobView, last = false): void {
    const now = this.#screen.now();
    const width = Math.max(...job.targets.map((target) => target.name.length));
    // Several that one view tells of first come in the order in which they ended; what waits has not.
    const ended = [...job.targets].sort((a, b) => (a.endedAt ?? now) - (b.endedAt ?? now));
    for (const target of ended) {
      if (!isFinal.target(target.state) && target.state !== "waiting") continue;
      const key = `${target.device} ${target.state}`;
      if (this.#said.has(key)) continue;
      this.#said.add(key);
      this.#screen.out(progressLine(target, now, width, 400));
    }
    if (now - this.#lastTotals < PLAIN_MS && !last) return;
    this.#lastTotals = now;
    // The clock of a job that has ended stands.
    this.#screen.out(
      `${duration((job.endedAt ?? now) - job.createdAt).padStart(10)}  ${totals(job)}${where(job.targets)}${pause(job)}`,
    );
  }
}

/** `: 12 write-image, 3 in-ram`, the steps that machines are at, most first. */
function where(targets: readonly TargetView[]): string {
  const at = new Map<string, number>();
  for (const { state, step } of targets) if (state === "running" && step) at.set(step, (at.get(step) ?? 0) + 1);
  const parts = [...at].sort((a, b) => b[1] - a[1]).map(([step, n]) => `${n} ${step}`);
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}
