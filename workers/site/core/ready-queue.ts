/**
 * The ready steps of a site in the order in which they go: lowest rank first. There may be thousands of them that wait for
 * a place of their action, so each action is a queue of its own in the index, and one that is full is not read at all:
 * what a sync costs follows from what it hands out, not from what waits.
 */
import type { Millis } from "../../../shared/deps.ts";
import type { Sql } from "../../../shared/sql.ts";
import type { Counted } from "./guards/places.ts";
import { NOT_PAUSED, READY_STEPS, type StepRow } from "./step-rows.ts";

/** Steps of one queue that are read at once: at first, and at most. */
const FIRST = 16;
const MOST = 256;

/** The kinds of steps that are ready now, told from the index by one look for each. */
export function readyKinds(sql: Pick<Sql, "get">): Counted[] {
  const kinds: Counted[] = [];
  const next = `SELECT action, disruptive FROM ${READY_STEPS} AND (action, disruptive) > (?, ?) ORDER BY action, disruptive LIMIT 1`;
  for (let last: Counted | undefined = { action: "", disruptive: -1 }; last; ) {
    last = sql.get<Counted>(next, last.action, last.disruptive);
    if (last) kinds.push(last);
  }
  return kinds;
}

/** Whose targets: the agent's own and those that nobody has begun, or those of others. */
export type Whose = "own" | "others";

/** The agent that works on a step's target, with the asking one for a target that nobody has begun. */
const OWNER = "coalesce((SELECT t.agent FROM job_target t WHERE t.job = step.job AND t.device = step.device), ?2)";
const pageOf = (whose: Whose): string =>
  `SELECT * FROM ${READY_STEPS} AND action = ?3 AND disruptive = ?4 AND (rank, job, n) > (?5, ?6, ?7) AND at <= ?1 ${NOT_PAUSED}
     AND ${OWNER} ${whose === "own" ? "=" : "<>"} ?2 ORDER BY rank, job, n LIMIT ?8`;
const PAGES = { own: pageOf("own"), others: pageOf("others") };

/** A step's place in its queue. */
export type Place = Pick<StepRow, "rank" | "job" | "n">;

/** One kind's queue. */
interface Queue {
  kind: Counted;
  steps: StepRow[];
  /** Of the next step in `steps`. */
  at: number;
  /** Behind which step the next ones are read; undefined when there are none. */
  after: Place | undefined;
  limit: number;
}

export class ReadyQueue {
  readonly #sql: Pick<Sql, "all">;
  /** What every page is asked with. */
  readonly #of: [now: Millis, agent: string];
  readonly #page: string;
  #queues: Queue[];

  /** `behind`: of a kind, the step behind which its queue begins; else at its first one. */
  constructor(
    sql: Pick<Sql, "all">,
    now: Millis,
    agent: string,
    whose: Whose,
    kinds: readonly Counted[],
    behind: (kind: Counted) => Place | undefined = () => undefined,
  ) {
    this.#sql = sql;
    this.#of = [now, agent];
    this.#page = PAGES[whose];
    const first = { rank: Number.MIN_SAFE_INTEGER, job: "", n: 0 };
    this.#queues = kinds.map((kind) => ({ kind, steps: [], at: 0, after: behind(kind) ?? first, limit: FIRST }));
  }

  /** Takes the next step out of the queues of kinds for which there is a place; undefined when there is none. */
  next(hasPlace: (kind: Counted) => boolean): StepRow | undefined {
    this.#queues = this.#queues.filter(({ kind }) => hasPlace(kind));
    let first: { queue: Queue; step: StepRow } | undefined;
    for (const queue of this.#queues) {
      const step = this.#head(queue);
      if (step && (!first || isBefore(step, first.step))) first = { queue, step };
    }
    if (first) first.queue.at += 1;
    return first?.step;
  }

  #head(queue: Queue): StepRow | undefined {
    const { kind, after, limit } = queue;
    if (queue.at === queue.steps.length && after) {
      const { rank, job, n } = after;
      const key = [kind.action, kind.disruptive, rank, job, n];
      queue.steps = this.#sql.all<StepRow>(this.#page, ...this.#of, ...key, limit);
      queue.at = 0;
      queue.after = queue.steps.length < limit ? undefined : queue.steps.at(-1);
      queue.limit = Math.min(2 * limit, MOST);
    }
    return queue.steps[queue.at];
  }
}

const isBefore = (a: StepRow, b: StepRow): boolean =>
  a.rank !== b.rank ? a.rank < b.rank : a.job !== b.job ? a.job < b.job : a.n < b.n;
