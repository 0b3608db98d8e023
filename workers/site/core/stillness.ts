/**
 * While an export of several pages is read the site stands still, so that all pages are of one moment: what would change
 * it is asked to come again, as after any short outage. That lasts well below the time to live of a lease, however many read;
 * an export that takes longer succeeds only if nothing changes. In memory only: an object that forgets it says that the site has moved.
 */
import type { Millis } from "../../../shared/deps.ts";
import type { Problem } from "../../../shared/errors.ts";
import type { CommandKind } from "./commands.ts";

/** All readers together, in any minute. Agents renew their leases from half a minute before they run out (J10). */
const STILL_MS = 15_000;
const WITHIN_MS = 60_000;
/** Readers told apart; of one more the oldest is forgotten. */
const MAX_READERS = 100;

/** These go on: they write nothing that an export holds, but for a finding. */
const BESIDE: ReadonlySet<CommandKind> = new Set([
  "outbox.delivered",
  "outbox.failed",
  "outbox.dropped",
  "outbox.rebuild",
  "permit.set",
  "fleet.poke",
  "site.fence",
]);

/** These mark rows as they are. */
const REMARKS: ReadonlySet<CommandKind> = new Set(["outbox.rebuild", "outbox.dropped"]);

interface Span {
  from: Millis;
  to: Millis;
}

export class Stillness {
  /** Since each of these readers began nothing has changed. */
  readonly #readers = new Set<string>();
  /** Times in which the site stood still for a reader, the last of which may be under way. */
  #spans: Span[] = [];

  /** A reader has its first page, and more are to come. Others may read beside it, in what is left of the same time. */
  begin(token: string, now: Millis): void {
    if (this.#readers.size === MAX_READERS)
      for (const oldest of [...this.#readers].slice(0, 1)) this.#readers.delete(oldest);
    this.#readers.add(token);
    if (this.#isStill(now)) return;
    const left = this.#leftAt(now);
    if (left > 0) this.#spans.push({ from: now, to: now + left });
  }
  /** Nothing has changed since this reader began. */
  goesOn(token: string): boolean {
    return this.#readers.has(token);
  }
  end(token: string, now: Millis): void {
    this.#readers.delete(token);
    const last = this.#spans.at(-1);
    if (this.#readers.size === 0 && last && this.#isStill(now)) last.to = now;
  }
  /** When the site would stand still for the whole time again. */
  freeAt(now: Millis): Millis {
    this.#leftAt(now);
    return Math.max(now, ...this.#spans.map(({ to }) => to + WITHIN_MS));
  }

  /** The site has changed, by whatever kind of command. */
  moved(): void {
    this.#readers.clear();
  }

  bars(kind: CommandKind, now: Millis): Problem | undefined {
    if (BESIDE.has(kind) || this.#readers.size === 0 || !this.#isStill(now)) return undefined;
    return { code: "unavailable", detail: "The site is just being exported, for some seconds." };
  }
  /** `marked`: it has marked a row for the read model, which beside a rebuild means that the row is another one. */
  wrote(kind: CommandKind, rows: number, marked: boolean): void {
    const changed = BESIDE.has(kind) ? marked && !REMARKS.has(kind) : rows > 0;
    if (changed) this.moved();
  }

  #isStill(now: Millis): boolean {
    const last = this.#spans.at(-1);
    return last !== undefined && last.from <= now && now < last.to;
  }

  /** For how long the site may stand still from now on; forgets what is long ago, and what a clock that was set back had ahead. */
  #leftAt(now: Millis): Millis {
    this.#spans = this.#spans.filter(({ from, to }) => from <= now && to > now - WITHIN_MS);
    return STILL_MS - this.#spans.reduce((sum, { from, to }) => sum + to - from, 0);
  }
}
